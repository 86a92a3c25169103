"""The application's interpreter, and the versions of what is installed for it."""

import glob
import os
import sys
from collections.abc import Mapping


def find_python(directory: str, environ: Mapping[str, str]) -> str:
    """Absolute path of the interpreter that runs the application in `directory`.

    The active virtual environment's (VIRTUAL_ENV), the project's own (.venv), or the one that runs us.
    The path is not resolved: a virtual environment is known by the link that it is entered through (PEP 405).
    """
    directory = os.path.abspath(directory)
    places = []
    if active := environ.get("VIRTUAL_ENV"):
        places.append(os.path.join(directory, active, "bin", "python"))
    places.append(os.path.join(directory, ".venv", "bin", "python"))
    for python in places:
        if os.path.isfile(python) and os.access(python, os.X_OK):
            return os.path.normpath(python)
    return sys.executable


def installed_version(package: str, directory: str, environ: Mapping[str, str]) -> str | None:
    """Version of the distribution `package` in that interpreter's site-packages, or None; runs nothing."""
    from importlib import metadata

    python = find_python(directory, environ)
    if python == sys.executable:
        path = sys.path
    else:
        prefix = os.path.dirname(os.path.dirname(python))
        path = glob.glob(f"{glob.escape(prefix)}/lib/python3*/site-packages")
    for found in metadata.distributions(name=package, path=path):
        return found.version
    return None
