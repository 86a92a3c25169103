"""What a project seems to run, by its files: Procfile, Django, ASGI and Flask applications, Celery."""

import ast
import glob
import os
import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from limpet_shell.importing import procfile
from limpet_shell.importing.model import Imported, read, release_name

LOOKED_AT: Final = 400
"""Files of a project that are looked at, at most."""
DEPTH: Final = 4
"""Directories below the project's that are looked into."""

OTHERS: Final = (
    "supervisord.conf",
    "circus.ini",
    "process-compose.yaml",
    "process-compose.yml",
    "ecosystem.json",
    "ecosystem.config.js",
)
"""Names of other supervisors' configurations."""

_ASGI: Final = frozenset({"FastAPI", "Starlette", "Quart", "Litestar", "BlackSheep", "Sanic"})
_SKIPPED: Final = frozenset(
    {"tests", "test", "docs", "node_modules", "build", "dist", "migrations", "site-packages", "__pycache__"}
)
_SERVER_OF: Final = {
    "uvicorn": ["uvicorn", "{target}", "--fd", "${{sockets.http}}"],
    "hypercorn": ["hypercorn", "{target}", "--bind", "fd://${{sockets.http}}"],
    "gunicorn": ["gunicorn", "{target}", "--bind", "fd://${{sockets.http}}"],
}
_READY: Final = {
    "uvicorn": "Application startup complete",
    "gunicorn": "Booting worker",
    "hypercorn": "Running on",
}
_REQUIREMENT: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


class Application(NamedTuple):
    """An object of a module that is made by calling a class."""

    module: str
    name: str
    kind: str
    """The name of the class: `Flask`."""


class Project(NamedTuple):
    """What is known of a project."""

    directory: str
    pyproject: dict[str, Any]
    dependencies: frozenset[str]

    @property
    def name(self) -> str:
        """The release's name: the project's, or the directory's."""
        named = self.pyproject.get("project", {}).get("name")
        return release_name(named or os.path.basename(self.directory))


def look_at(directory: str) -> Project:
    """What pyproject.toml and requirements*.txt say.

    Raises:
        OSError, tomllib.TOMLDecodeError: one of them cannot be read.
    """
    directory = os.path.abspath(directory)
    pyproject: dict[str, Any] = {}
    path = os.path.join(directory, "pyproject.toml")
    if os.path.isfile(path):
        with open(path, "rb") as file:
            pyproject = tomllib.load(file)
    project = pyproject.get("project", {})
    lines = list(project.get("dependencies", []))
    for extra in project.get("optional-dependencies", {}).values():
        lines += extra
    lines += pyproject.get("tool", {}).get("poetry", {}).get("dependencies", {})
    for path in _requirements(directory):
        with open(path, encoding="utf-8", errors="replace") as file:
            lines += file.read().splitlines()
    found = {match[1].lower().replace("_", "-") for line in lines if (match := _REQUIREMENT.match(line))}
    return Project(directory, pyproject, frozenset(found))


def _requirements(directory: str) -> list[str]:
    """requirements.txt, requirements-prod.txt, requirements/base.txt and their like."""
    escaped = glob.escape(directory)
    patterns = ("requirements*.txt", "requirements*.in", "requirements/*.txt", "requirements/*.in")
    found = [path for pattern in patterns for path in sorted(glob.glob(os.path.join(escaped, pattern)))]
    return [path for path in found if os.path.isfile(path)]


def others(directory: str) -> list[str]:
    """Configurations of other supervisors, which `limpet import` reads."""
    return [name for name in OTHERS if os.path.isfile(os.path.join(directory, name))]


def guess(project: Project) -> Imported:
    """The processes that the project's files speak of; notes say on what each is founded."""
    path = os.path.join(project.directory, "Procfile")
    if os.path.isfile(path):
        imported = procfile.parse(read(path))
        imported.name = project.name
        return imported
    imported = Imported(project.name)
    applications = list(_applications(project.directory))
    if os.path.isfile(os.path.join(project.directory, "manage.py")):
        _django(project, imported)
    elif found := next((one for one in applications if one.kind in _ASGI), None):
        server = "hypercorn" if "hypercorn" in project.dependencies else "uvicorn"
        _site(
            project, imported, f"{found.module}:{found.name}", server, found=f"{found.kind} in {found.module}"
        )
    elif found := next((one for one in applications if one.kind == "Flask"), None):
        target = f"{found.module}:{found.name}"
        _site(project, imported, target, "gunicorn", found=f"Flask in {found.module}")
    for one in applications:
        if one.kind == "Celery" and not any(process.name == "celery" for process in imported.processes):
            after = [process.name for process in imported.processes if process.name == "migrate"]
            command = ["celery", "--app", f"{one.module}:{one.name}", "worker", "--loglevel", "INFO"]
            keys = {"command": command, "after": after, "shutdown": "1m", "ready": {"log": r" ready\."}}
            imported.add("celery", one.module, keys, f"Celery in {one.module}")
    return imported


def _django(project: Project, imported: Imported) -> None:
    with open(os.path.join(project.directory, "manage.py"), encoding="utf-8", errors="replace") as file:
        named = re.search(r"""DJANGO_SETTINGS_MODULE["'],\s*["']([\w.]+)["']""", file.read())
    package = named[1].partition(".")[0] if named else ""
    keys = {
        "command": ["python", "manage.py", "migrate", "--noinput"],
        "restart": "transient",
        "ready": "completed",
    }
    imported.add("migrate", "manage.py", keys, "Django: manage.py")
    asgi = (
        os.path.isfile(os.path.join(project.directory, package, "asgi.py"))
        and "uvicorn" in project.dependencies
    )
    target = f"{package}.{'asgi' if asgi else 'wsgi'}:application"
    found = f"Django: {package}/{'asgi' if asgi else 'wsgi'}.py"
    _site(project, imported, target, "uvicorn" if asgi else "gunicorn", found=found, after="migrate")


def _site(
    project: Project, imported: Imported, target: str, server: str, *, found: str, after: str = ""
) -> None:
    imported.add_socket("http", "", {"bind": "${HOST:-127.0.0.1}:${PORT:-8000}"})
    keys = {
        "command": [word.format(target=target) for word in _SERVER_OF[server]],
        "after": [after] if after else [],
        "ready": {"log": _READY[server]},
    }
    missing = "" if server in project.dependencies else f"; {server} is no dependency of the project yet"
    imported.add("web", target, keys, f"{found}{missing}")


def _applications(directory: str) -> Iterator[Application]:
    """Objects at the top of modules, `name = Class(…)`, outermost files first; nothing is imported."""
    for number, path in enumerate(_modules(directory)):
        if number == LOOKED_AT:
            return
        try:
            with open(path, encoding="utf-8") as file:
                tree = ast.parse(file.read())
        except (OSError, SyntaxError, ValueError):
            continue
        module = (
            os.path.relpath(path, directory)[: -len(".py")].replace(os.sep, ".").removesuffix(".__init__")
        )
        for node in tree.body:
            match node:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=function))
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.Call(func=function))
                ):
                    kind = (
                        function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
                    )
                    yield Application(module.removeprefix("src."), name, kind)


def _modules(directory: str) -> Iterator[str]:
    for root, directories, files in os.walk(directory):
        depth = 0 if root == directory else os.path.relpath(root, directory).count(os.sep) + 1
        directories[:] = sorted(
            name for name in directories
            if depth < DEPTH and name not in _SKIPPED and not name.startswith(".")
            and not os.path.exists(os.path.join(root, name, "pyvenv.cfg"))
        )  # fmt: skip
        yield from (os.path.join(root, name) for name in sorted(files) if name.endswith(".py"))
