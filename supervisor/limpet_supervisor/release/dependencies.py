"""What application and supervisor need, put into a directory each: by uv, or by pip where there is none.

Both are run as programs. What is locked with hashes is installed with them; nothing else is resolved.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final

from limpet_supervisor.errors import LimpetError

from .value import Interpreter, Release

_LOCK: Final = "uv.lock"
_REQUIREMENTS: Final = "requirements.txt"
_SHOWN_LINES: Final = 12
_NOT_SOURCES: Final = shutil.ignore_patterns(
    ".git",
    ".venv",
    "venv",
    "_build",
    "build",
    "dist",
    "*.egg-info",
    "__pycache__",
    "node_modules",
    ".*_cache",
)


class Installer:
    """uv, or pip: installs for an interpreter, into a directory.

    Args:
        python: the interpreter whose packages are wanted.
        scratch: a directory for what is only needed meanwhile.
    """

    def __init__(self, python: Interpreter, scratch: str) -> None:
        self._python = python
        self._scratch = scratch
        self._uv = find_uv()

    @property
    def name(self) -> str:
        """Who does it."""
        return "uv" if self._uv else "pip"

    def install_locked(self, release: Release, target: str) -> None:
        """The application's dependencies, as they are locked.

        Raises:
            LimpetError: they are not locked, or cannot be installed.
        """
        requirements = self._locked(release)
        if requirements is None:
            return
        hashed, others = _split(requirements, release.project)
        for text, options in ((hashed, ["--require-hashes"]), (others, [])):
            if text.strip():
                file = os.path.join(self._scratch, f"requirements{'-others' if not options else ''}.txt")
                with open(file, "w", encoding="utf-8") as stream:
                    stream.write(text)
                self._install(target, [*options, "-r", file], "The dependencies cannot be installed")

    def install_application(self, release: Release, target: str) -> None:
        """The project itself, as a wheel.

        Raises:
            LimpetError: it cannot be built.
        """
        wheels = os.path.join(self._scratch, "wheels")
        source = release.project
        if _backend(release.document).startswith("setuptools"):
            # setuptools builds in the project's directory, and takes along what an earlier build has left.
            source = os.path.join(self._scratch, "project")
            shutil.copytree(release.project, source, symlinks=True, ignore=_NOT_SOURCES)
        if self._uv:
            command = [self._uv, "build", "--quiet", "--wheel", "--python", self._python.executable]
            command += ["--out-dir", wheels, source]
        else:
            command = [*self._pip(), "wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, source]
        _run(command, f"{release.name} cannot be built", release.project)
        found = [os.path.join(wheels, name) for name in os.listdir(wheels) if name.endswith(".whl")]
        self._install(target, found, f"{release.name} cannot be installed")

    def install_supervisor(self, target: str) -> None:
        """What Limpet itself imports, in the versions that it has here.

        Raises:
            LimpetError: it cannot be installed.
        """
        self._install(target, own_requirements(), "The supervisor's dependencies cannot be installed")

    def _locked(self, release: Release) -> str | None:
        """The requirements as text; None if there are none.

        Raises:
            LimpetError: there are some that are not locked.
        """
        options = release.options
        if options.requirements:
            return _read(os.path.join(release.project, options.requirements))
        if lock := _above(release.project, _LOCK):
            if not self._uv:
                raise LimpetError(f"{lock} is uv's", "there is no uv here", "pip install uv")
            extras = [word for extra in options.extras for word in ("--extra", extra)]
            groups = [word for group in options.groups for word in ("--group", group)]
            command = [
                self._uv,
                "export",
                "--locked",
                "--no-default-groups",
                "--no-emit-project",
                "--no-header",
            ]
            command += ["--quiet", "--python", self._python.executable, "--directory", release.project]
            return _run([*command, *extras, *groups], f"{lock} cannot be used", release.project)
        file = os.path.join(release.project, _REQUIREMENTS)
        if os.path.isfile(file):
            return _read(file)
        project: Mapping[str, Any] = release.document.get("project") or {}
        if project.get("dependencies") or options.extras or options.groups:
            raise LimpetError(
                f"The dependencies of {release.name} are not locked",
                f"there is no {_LOCK} in {release.project} or above it, and no {_REQUIREMENTS} with hashes",
                "run: uv lock",
            )
        return None

    def _install(self, target: str, what: list[str], failure: str) -> None:
        if self._uv:
            command = [self._uv, "pip", "install", "--quiet", "--no-deps", "--link-mode", "copy"]
            command += ["--python", self._python.executable, "--target", target, *what]
        else:
            command = [*self._pip(), "install", "--quiet", "--no-deps", "--no-compile"]
            command += ["--disable-pip-version-check", "--target", target, *what]
        _run(command, failure, self._scratch)

    def _pip(self) -> list[str]:
        if find_spec("pip") is None:
            raise LimpetError("There is neither uv nor pip here", "one of them installs", "pip install uv")
        return [sys.executable, "-m", "pip", "--python", self._python.executable]


def is_package(release: Release) -> bool:
    """Whether the project is built as a package: it says how, or has a setup.py."""
    tool = release.document.get("tool")
    uv = tool.get("uv") if isinstance(tool, dict) else None
    if isinstance(uv, dict) and "package" in uv:
        return bool(uv["package"])
    return "build-system" in release.document or os.path.isfile(os.path.join(release.project, "setup.py"))


def own_requirements() -> list[str]:
    """`msgspec==0.22.0` and so on: what Limpet is installed with here, and what that needs."""
    from importlib import metadata

    found: dict[str, str] = {}
    wanted = ["limpet"]
    while wanted:
        name = re.split(r"[^\w.-]", wanted.pop(), maxsplit=1)[0]
        normal = re.sub(r"[-_.]+", "-", name).lower()
        if normal in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # needed on other systems, or by other Pythons
        found[normal] = distribution.version
        wanted += [line for line in distribution.requires or () if "extra ==" not in line]
    del found["limpet"]
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def find_uv() -> str | None:
    """Path of uv: on PATH, or beside our own interpreter."""
    beside = os.path.join(os.path.dirname(sys.executable), "uv")
    return shutil.which("uv") or (beside if os.access(beside, os.X_OK) else None)


def _above(directory: str, name: str) -> str | None:
    """The nearest file of that name, upwards: a workspace has one lock file for all."""
    while True:
        if os.path.isfile(path := os.path.join(directory, name)):
            return path
        if directory == (directory := os.path.dirname(directory)):
            return None


def _backend(document: Mapping[str, Any]) -> str:
    """The build backend; setuptools if none is named (PEP 517)."""
    system = document.get("build-system")
    backend = system.get("build-backend") if isinstance(system, dict) else None
    return str(backend or "setuptools")


def _read(file: str) -> str:
    try:
        with open(file, encoding="utf-8") as stream:
            text = stream.read()
    except OSError as error:
        raise LimpetError(f"{file} cannot be read", str(error.strerror)) from None
    if re.search(r"^\s*[\w.-]+\s*[=<>~!;\[]|^\s*[\w.-]+\s*$", text, re.MULTILINE) and "--hash=" not in text:
        raise LimpetError(
            f"{file} has no hashes", "what is installed could differ from build to build",
            "run: uv pip compile --generate-hashes, or pip-compile --generate-hashes",
        )  # fmt: skip
    return text


def _split(text: str, project: str) -> tuple[str, str]:
    """Requirements with hashes, and those that can have none: of paths and of commits."""
    hashed: list[str] = []
    others: list[str] = []
    for block in re.sub(r"\\\n", "\\\\\0", text).splitlines():
        line = block.strip()
        if not line or line.startswith("#"):
            continue
        if "--hash=" in line or line.startswith("-"):
            if line.startswith("-e "):
                others.append(os.path.join(project, line[3:].strip()))
            else:
                hashed.append(block.replace("\\\0", "\\\n"))
        else:
            others.append(os.path.join(project, line) if line.startswith(".") else line)
    return "\n".join(hashed) + "\n", "\n".join(others) + "\n"


def _run(command: list[str], failure: str, cwd: str) -> str:
    """What the program prints.

    Raises:
        LimpetError: it fails; with its last lines.
    """
    environ = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    environ["UV_PYTHON_DOWNLOADS"] = "never"
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise LimpetError(failure, f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        lines = "".join(f"\n  | {line}" for line in said[-_SHOWN_LINES:])
        program = os.path.basename(command[0])
        raise LimpetError(failure, f"{program} ended with exit code {done.returncode}{lines}")
    return done.stdout


def load_document(directory: str) -> dict[str, Any]:
    """The pyproject.toml of a project whose configuration stands alone; empty if there is none."""
    try:
        with open(os.path.join(directory, "pyproject.toml"), "rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        return {}
