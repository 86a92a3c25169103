"""The Python that goes into a release: found, copied, pruned, and made to run from wherever it lies.

A Python finds its standard library from its own place. What it does not find from there is its shared library
and those that its modules are linked with: these are copied beside it, and its search path is rewritten.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from limpet_supervisor.errors import LimpetError

from . import elf, manifest
from .value import Interpreter, Release

_ASK: Final = """
import json, os, sys, sysconfig
get = sysconfig.get_config_var
base = getattr(sys, "_base_executable", None) or sys.executable
print(json.dumps({
    "executable": os.path.realpath(base), "version": "%d.%d.%d" % sys.version_info[:3],
    "prefix": sys.base_prefix, "stdlib": os.path.dirname(os.__file__), "triplet": get("SOABI") or "",
    "machine": os.uname().machine, "implementation": sys.implementation.name,
    "libpython": os.path.join(get("LIBDIR") or "", get("INSTSONAME") or "")
    if get("Py_ENABLE_SHARED") else "",
}))
"""
_SITE: Final = "import json, site; print(json.dumps(site.getsitepackages()))"
OLDEST: Final = (3, 11)

_LEFT_OUT: Final = {
    "": frozenset({"site-packages", "dist-packages", "__pycache__", "ensurepip", "idlelib", "lib2to3"})
    | {"tkinter", "turtledemo", "turtle.py", "LICENSE.txt", "EXTERNALLY-MANAGED"},
    "tests": frozenset({"test", "tests", "idle_test"}),
    "docs": frozenset({"pydoc_data"}),
}
"""Directories and files of the standard library that stay behind, by what would keep them."""
_LEFT_OUT_MODULES: Final = re.compile(r"_test.*|_xxtest.*|xx.*|_ctypes_test|_tkinter")
_C_LIBRARY: Final = re.compile(
    r"(ld-linux.*|libc|libm|libdl|libpthread|librt|libutil|libresolv|libnss_.*|linux-vdso.*)\.so(\..*)?"
)
"""The C library's own parts: as tied to the kernel and to each other as the machine they are on."""
_MODULE: Final = """\
# Makes the packages of a release importable: those beside bin/python, through which it was entered.
import os
import sys


def enter():
    home, marker, _ = sys.executable.rpartition("/bin/")
    if marker and os.path.isfile(home + "/limpet.pth"):
        import site

        site.addsitedir(home)
"""


def inspect(python: str) -> Interpreter:
    """The interpreter behind `python`, which may be a virtual environment's.

    Raises:
        LimpetError: it cannot be run, or is none that a release can have.
    """
    try:
        asked = subprocess.run([python, "-I", "-c", _ASK], capture_output=True, text=True, check=True)
        facts = json.loads(asked.stdout)
    except OSError as error:
        raise LimpetError(f"{python} cannot be run", str(error.strerror)) from None
    except (subprocess.CalledProcessError, ValueError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise LimpetError(f"{python} is no Python that runs", said.strip().splitlines()[-1][:200]) from None
    if not os.path.isfile(facts["libpython"]):
        facts["libpython"] = ""  # Debian's interpreter holds it in itself; the shared one is another's
    version = facts["version"]
    if tuple(map(int, version.split(".")[:2])) < OLDEST or facts.pop("implementation") != "cpython":
        raise LimpetError(f"{python} is Python {version}", todo="a release needs CPython 3.11 or newer")
    return Interpreter(**facts)


def find(prefix: str) -> str:
    """The interpreter of an installation such as /opt/python-3.12.

    Raises:
        LimpetError: there is none.
    """
    for name in ("python3", "python"):
        if os.access(path := os.path.join(prefix, "bin", name), os.X_OK):
            return path
    raise LimpetError(f"Could not find a Python at {prefix}", f"there is no {prefix}/bin/python3")


def bundle(release: Release) -> None:
    """Copies the interpreter to its place in the release.

    Raises:
        LimpetError: it cannot be made to run from there.
    """
    python = release.python
    runtime = release.at(release.runtime)
    os.makedirs(os.path.join(runtime, "bin"))
    executable = os.path.join(runtime, "bin", f"python{python.minor}")
    shutil.copy2(python.executable, executable)
    for name in ("python3", "python"):
        os.symlink(f"python{python.minor}", os.path.join(runtime, "bin", name))
    below = os.path.relpath(python.stdlib, python.prefix)
    stdlib = os.path.join(runtime, below)
    _copy_stdlib(release, stdlib)
    libraries = os.path.join(runtime, "lib")
    os.makedirs(libraries, exist_ok=True)
    if python.libpython:
        shutil.copy2(python.libpython, libraries)
    own = [executable, *_modules(stdlib), *_in(libraries)]
    originals = [python.executable, *_modules(python.stdlib, pruned=release)]
    copied = [*_copy_libraries(originals, libraries, skip=os.path.basename(python.libpython))]
    if not release.keeps("sources"):
        _strip_symbols([*own, *copied])
    _relocate(executable, own, libraries)
    _add_entrance(executable, runtime)


def complete(release: Release) -> None:
    """Copies what else the packages' binaries are linked with, such as the C++ library, to the interpreter's.

    Its search path is theirs, too (ld.so(8), DT_RPATH). What is not on this machine either is left to whoever
    asks for it.
    """
    wanted: dict[str, list[str]] = {}
    there = set()
    for part in (release.runtime, release.supervisor, release.application):
        for path in manifest.listed(release.root, [part]):
            there.add(os.path.basename(path))
            full = release.at(path)
            if not os.path.islink(full) and elf.is_elf(full):
                for name in elf.read(full).needed:
                    wanted.setdefault(name, []).append(full)
    absent = {name for name in wanted if name not in there and not _C_LIBRARY.fullmatch(name)}
    if absent:
        libraries = release.at(release.runtime, "lib")
        binaries = sorted({path for name in absent for path in wanted[name]})
        list(_copy_libraries(binaries, libraries, only=absent))
        for path in binaries:
            if own := elf.read(path).search_path:
                # As a DT_RUNPATH it would hide the interpreter's.
                elf.relocate(path, own)


def _copy_stdlib(release: Release, target: str) -> None:
    left_out = _LEFT_OUT[""].union(
        *(names for kind, names in _LEFT_OUT.items() if kind and not release.keeps(kind))
    )

    def ignore(_directory: str, names: list[str]) -> list[str]:
        return [
            name
            for name in names
            if name in left_out
            or name.startswith("config-")
            or (name.endswith(".so") and _LEFT_OUT_MODULES.fullmatch(name.partition(".")[0]))
            or (name == "sitecustomize.py")
        ]

    shutil.copytree(release.python.stdlib, target, ignore=ignore, ignore_dangling_symlinks=True)


def _modules(stdlib: str, *, pruned: Release | None = None) -> list[str]:
    """The compiled modules of a standard library; those that are left out are not among the `pruned`."""
    found = sorted(_in(os.path.join(stdlib, "lib-dynload")))
    if pruned is None:
        return found
    return [
        path for path in found if not _LEFT_OUT_MODULES.fullmatch(os.path.basename(path).partition(".")[0])
    ]


def _in(directory: str) -> Iterator[str]:
    for entry in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
        path = os.path.join(directory, entry)
        if os.path.isfile(path) and not os.path.islink(path) and elf.is_elf(path):
            yield path


def _copy_libraries(
    binaries: list[str], target: str, *, skip: str = "", only: Collection[str] = ()
) -> Iterator[str]:
    """Copies what the binaries are linked with, but for the C library's parts; the copies' paths."""
    listed = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False).stdout
    found = dict(re.findall(r"^\s*(\S+) => (/\S+) \(", listed, re.MULTILINE))
    for name, path in sorted(found.items()):
        if name != skip and not _C_LIBRARY.fullmatch(name) and (not only or name in only):
            place = os.path.join(target, name)
            shutil.copy(path, place)
            yield place


def _strip_symbols(binaries: Iterable[str]) -> None:
    """Takes the debugger's symbols out, where binutils are at hand: a shared libpython has four fifths."""
    if strip := shutil.which("strip"):
        subprocess.run([strip, "--strip-unneeded", *binaries], capture_output=True, check=False)


def _relocate(executable: str, own: list[str], libraries: str) -> None:
    """Makes executable and modules find the libraries that were copied.

    Modules without a search path of their own use the executable's (ld.so(8)).

    Raises:
        LimpetError: the executable cannot be made to find its libpython.
    """
    done = set()
    for path in own:
        where = os.path.relpath(libraries, os.path.dirname(path))
        origin = "$ORIGIN" if where == "." else f"$ORIGIN/{where}"
        if (path == executable or elf.read(path).search_path) and elf.relocate(path, origin):
            done.add(path)
    if executable not in done and any(each.startswith("libpython") for each in elf.read(executable).needed):
        raise LimpetError(
            "The interpreter cannot be bundled",
            f"{executable} has no search path for its libpython, and no room for one",
            'set python = "host", or to a prefix whose Python was linked with -Wl,-rpath',
        )


def _add_entrance(executable: str, runtime: str) -> None:
    """Makes the interpreter look for a release's packages when it is entered through their bin/python."""
    asked = subprocess.run([executable, "-I", "-c", _SITE], capture_output=True, text=True, check=False)
    if asked.returncode:
        raise LimpetError("The bundled interpreter does not run", asked.stderr.strip()[-300:])
    below = [path for path in json.loads(asked.stdout) if path.startswith(f"{runtime}/")]
    directory = below[-1]
    os.makedirs(directory, exist_ok=True)
    for name, text in (
        ("_limpet_release.py", _MODULE),
        ("limpet.pth", "import _limpet_release; _limpet_release.enter()\n"),
    ):
        with open(os.path.join(directory, name), "w", encoding="ascii") as file:
            file.write(text)
