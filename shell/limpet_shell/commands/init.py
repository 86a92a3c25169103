"""Add [tool.limpet] to the project in this directory, with the processes that its files speak of.

Known are a Procfile, Django, ASGI applications (FastAPI, Starlette, Litestar, Quart, …), Flask and Celery.
A project without a pyproject.toml gets a limpet.toml. Nothing of the project is run or imported.
"""

import os
from argparse import ArgumentParser, Namespace

from limpet_shell import output, writing
from limpet_supervisor.errors import ConfigError, LimpetError


def add_arguments(parser: ArgumentParser) -> None:
    """--force."""
    parser.add_argument("--force", action="store_true", help="write over a limpet.toml that exists")


def run(arguments: Namespace) -> int:
    """Writes, and says on what each process is founded."""
    import tomllib

    from limpet_shell import guessing
    from limpet_shell.importing import toml

    directory = os.path.abspath(arguments.directory or ".")
    pyproject = os.path.join(directory, "pyproject.toml")
    try:
        project = guessing.look_at(directory)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{os.path.relpath(pyproject)} is no TOML", str(error)) from None
    except OSError as error:
        raise LimpetError(f"{error.filename} cannot be read", str(error.strerror)) from None
    if "limpet" in project.pyproject.get("tool", {}):
        raise LimpetError(f"{os.path.relpath(pyproject)} has [tool.limpet] already", todo="see: limpet check")
    imported = guessing.guess(project)
    if not imported.processes:
        imported.add("web", "", {"command": ["python3", "-m", "http.server"]}, "An example: put yours here.")
    if project.pyproject:
        path = pyproject
        with open(path, encoding="utf-8") as file:
            before = file.read().rstrip("\n")
        writing.write({path: f"{before}\n\n{toml.section(imported)}"}, force=True)
    else:
        path = os.path.join(directory, "limpet.toml")
        writing.write({path: toml.text(imported, "this project's files", by="init")}, force=arguments.force)
    output.write(f"wrote {os.path.relpath(path)}")
    for process in imported.processes:
        output.write(f"  {process.name}: {process.remark or process.place}".rstrip(": "))
    for name in guessing.others(directory):
        output.write(f"\nThere is a {name}: limpet import {name} --output - shows what it would be here")
    output.write("\nRead it, then: limpet check && limpet start_iex")
    return 0
