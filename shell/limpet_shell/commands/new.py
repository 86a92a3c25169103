"""Make a project that runs at once: a site, a worker, a migration, tests.

It needs nothing but the standard library; with --asgi the site is an ASGI application, served by uvicorn.
"""

import keyword
import os
from argparse import ArgumentParser, Namespace
from typing import Final

from limpet_shell import output, writing
from limpet_supervisor.errors import UsageError

_FILES: Final = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "gitignore": ".gitignore",
    "init.py": "{package}/__init__.py",
    "settings.py": "{package}/settings.py",
    "store.py": "{package}/store.py",
    "web.py": "{package}/web.py",
    "worker.py": "{package}/worker.py",
    "release.py": "{package}/release.py",
    "runtime.py": "config/runtime.py",
    "test_store.py": "tests/test_store.py",
}
"""Template -> path in the project."""

_PLAIN: Final = {
    "WEB": 'entry = "{package}.web:main"\nsockets = ["http"]',
    "READY": "^web is ready",
    "DEPENDENCIES": "",
}
_ASGI: Final = {
    "WEB": 'command = ["uvicorn", "{package}.web:app", "--fd", "${{sockets.http}}", "--no-access-log"]',
    "READY": "Application startup complete",
    "DEPENDENCIES": '"uvicorn>=0.34"',
}


def add_arguments(parser: ArgumentParser) -> None:
    """Where, and what kind of site."""
    parser.add_argument("path", metavar="PATH", help="the project's directory; its last part is the name")
    parser.add_argument("--name", help="the project's name, in place of the directory's")
    parser.add_argument("--asgi", action="store_true", help="an ASGI application, served by uvicorn")
    parser.add_argument("--force", action="store_true", help="write over files that exist")


def run(arguments: Namespace) -> int:
    """Writes the project and says what is next."""
    from limpet_shell.importing.model import release_name

    directory = os.path.abspath(os.path.join(arguments.directory or ".", arguments.path))
    name = arguments.name or os.path.basename(directory)
    package = release_name(name)
    if keyword.iskeyword(package) or package in ("limpet", "config", "tests"):
        raise UsageError(f"{name!r} makes no package", todo="say --name with another one")
    kind = _ASGI if arguments.asgi else _PLAIN
    places = {"NAME": name, "PACKAGE": package, "DISTRIBUTION": package.replace("_", "-")}
    places |= {place: text.format(package=package) for place, text in kind.items()}
    files = {}
    for template, path in _FILES.items():
        chosen = "web_asgi.py" if template == "web.py" and arguments.asgi else template
        files[os.path.join(directory, path.format(package=package))] = writing.fill(
            f"project/{chosen}.in", places
        )
    writing.write(files, force=arguments.force)
    for path in files:
        output.write(f"wrote {os.path.relpath(path)}")
    uv = "\n  uv sync" if arguments.asgi else ""
    output.write(f"\nNext:\n  cd {os.path.relpath(directory)}{uv}\n  limpet start_iex")
    return 0
