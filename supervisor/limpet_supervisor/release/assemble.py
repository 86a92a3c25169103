"""The step `assemble`: interpreter, supervisor, application and configuration, each in its place."""

import os
import shutil
from collections.abc import Callable
from typing import Final

from limpet_supervisor.errors import LimpetError
from limpet_supervisor.runtime import pyspy

from . import configuration, elf, interpreter, manifest, packages, scripts, strip
from .compiled import Compilation
from .dependencies import Installer, is_package
from .packages import package
from .value import Release

_NOT_COPIED: Final = shutil.ignore_patterns("__pycache__", ".*_cache", "*.pyc")
_START: Final = "limpet.agent:start\n"
"""limpet.start, PEP 829: what Python 3.15 and later call."""
_PTH: Final = (
    'import os; os.environ.get("LIMPET_AGENT") and __import__("limpet.agent", fromlist=["start"]).start()\n'
)
"""limpet.pth: the same for the Pythons before; in a process that is not to have an agent it does nothing."""


def assemble(release: Release, scratch: str, progress: Callable[[str], None]) -> Release:
    """Builds the tree in release.root.

    Raises:
        LimpetError: something is missing, or cannot be built.
        OSError: it cannot be written.
    """
    installer = Installer(release.python, scratch)
    compilations = []
    python = release.python.executable

    def compile_(*paths: str) -> None:
        """Begun as soon as files are there, beside what is done next."""
        if paths:
            compilations.append(Compilation(python, release.root, list(paths)))

    try:
        built = configuration.evaluate(release)
        if release.bundles:
            progress(f"bundling Python {release.python.version}")
            interpreter.bundle(release)
            python = release.at(release.runtime, "bin", f"python{release.python.minor}")
            compile_(release.at(release.runtime, "lib"))
        progress(f"installing dependencies with {installer.name}")
        _install_supervisor(release, installer)
        compile_(release.at(release.supervisor))
        application = release.at(release.application)
        os.makedirs(application)
        installer.install_locked(release, application)
        strip.strip(application, release.keeps)
        before = _sources(application)
        compile_(*([application] if before else []))
        progress(f"installing {release.name} {release.version}")
        _install_application(release, installer)
        scripts.write_commands(release)
        _add_agent(release)
        if not release.bundles:
            _enter_by_virtual_environment(release)
        configuration.write(release, built)
        scripts.write_env_script(release)
        progress("compiling")
        for compilation in compilations:
            compilation.wait()
        after = _sources(application)
        compile_(*sorted(path for path, seen in after.items() if before.get(path) != seen))
        scripts.write_boot_scripts(release)
        overlays = scripts.copy_overlays(release)
        compilations[-1].wait()
    finally:
        for compilation in compilations:
            compilation.stop()
    if release.bundles:
        interpreter.complete(release)
    _write_boot_data(release)
    return release.replace(overlays=tuple(dict.fromkeys((*release.overlays, *overlays))))


def _install_supervisor(release: Release, installer: Installer) -> None:
    """Limpet as it is installed here, with its dependencies beside it: the application's are elsewhere."""
    target = release.at(release.supervisor)
    installer.install_supervisor(target)
    for name in packages.OWN:
        shutil.copytree(package(name), os.path.join(target, name), ignore=_NOT_COPIED)
    commands = os.path.join(target, "bin")
    for name in os.listdir(commands):
        if name != pyspy.NAME:
            os.unlink(os.path.join(commands, name))
    strip.strip(target, lambda _kind: False)
    strip.forget_installation(target)


def _install_application(release: Release, installer: Installer) -> None:
    """The application, as it is, beside its dependencies."""
    target = release.at(release.application)
    if is_package(release):
        installer.install_application(release, target)
    for path in included(release):
        source = os.path.join(release.project, path)
        if os.path.isabs(path) or os.path.normpath(path).startswith(".."):
            raise LimpetError(f"{path} is not in {release.project}", "include names it")
        place = os.path.join(target, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if os.path.isdir(source):
            shutil.copytree(source, place, ignore=_NOT_COPIED, dirs_exist_ok=True)
        elif os.path.isfile(source):
            shutil.copy2(source, place)
        else:
            raise LimpetError(f"There is no {path} in {release.project}", "include names it")
    strip.forget_installation(target)


def _sources(directory: str) -> dict[str, tuple[int, int]]:
    """Every module below, with what tells whether it was written again: its inode and time."""
    found = {}
    for place, _directories, files in os.walk(directory):
        for name in files:
            if name.endswith(".py"):
                path = os.path.join(place, name)
                info = os.stat(path)
                found[path] = (info.st_ino, info.st_mtime_ns)
    return found


def included(release: Release) -> tuple[str, ...]:
    """What is copied from the project: what it says, or the modules of one that is no package."""
    if release.options.include or is_package(release):
        return release.options.include
    found = []
    for entry in sorted(os.listdir(release.project)):
        path = os.path.join(release.project, entry)
        module = entry.endswith(".py") and entry not in ("setup.py", "conftest.py")
        if module or (os.path.isfile(os.path.join(path, "__init__.py")) and entry not in ("tests", "test")):
            found.append(entry)
    return tuple(found)


def _add_agent(release: Release) -> None:
    """The package `limpet`, as the supervisor has it, and what starts the agent in each process."""
    target = release.at(release.application)
    shutil.rmtree(os.path.join(target, "limpet"), ignore_errors=True)
    shutil.copytree(package("limpet"), os.path.join(target, "limpet"), ignore=_NOT_COPIED)
    for name, text in (("limpet.pth", _PTH), ("limpet.start", _START)):
        with open(os.path.join(target, name), "w", encoding="ascii") as file:
            file.write(text)


def _enter_by_virtual_environment(release: Release) -> None:
    """Where the host's interpreter runs it: a pyvenv.cfg (PEP 405), with its site-packages right here."""
    target = release.at(release.application)
    with open(os.path.join(target, "pyvenv.cfg"), "w", encoding="utf-8") as file:
        home = os.path.dirname(release.python.executable)
        file.write(
            f"home = {home}\ninclude-system-site-packages = false\nversion = {release.python.version}\n"
        )
    library = os.path.join(target, "lib", f"python{release.python.minor}")
    os.makedirs(library)
    os.symlink("../..", os.path.join(library, "site-packages"))


def _write_boot_data(release: Release) -> None:
    """releases/VSN/boot.data, which bin/NAME reads: versions, and what the machine must have."""
    linker = elf.read(release.python.executable).interpreter
    glibc = (0, 0)
    for part in release.parts:
        for path in manifest.listed(release.root, [part]):
            full = release.at(path)
            if not os.path.islink(full) and elf.is_elf(full):
                glibc = max(glibc, elf.read(full).glibc)
    words = (
        release.python.version if release.bundles else "host",
        release.limpet,
        release.python.machine,
        linker or "-",
        "-" if glibc == (0, 0) else ".".join(map(str, glibc)),
    )
    with open(release.at(release.version_path, "boot.data"), "w", encoding="ascii") as file:
        file.write(" ".join(words) + "\n")
