"""Stage 1 of the agent, as it is sent: always of the daemon's own version.

All of its modules travel at once, and are executed when they are needed: most processes never need most.
A process that runs on the daemon's own version of Python gets it compiled, which spares it most of the first
attach; any other gets the source. The compiled form is the one that Python keeps beside its modules; where
there is none yet, the daemon makes it, a module a turn, and sends the source until it is done.
"""

import marshal
import os
import re
import sys
from _imp import _fix_co_filename  # type: ignore[attr-defined]
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER, cache_from_source
from types import CodeType
from typing import Final

from limpet_supervisor.runtime.reactor import Reactor
from limpet_supervisor.wire import agent as wire

from .ground import agent_package

_ROOT: Final = "wire"
"""What is executed first."""
_IMPORT: Final = re.compile(r"^( *)from \.(\w*) import (.*)$", re.MULTILINE)
"""A relative import, as the formatter leaves it: what it names is on its first line."""
_PACE: Final = 0.02
"""Seconds between two modules that are compiled: others come in between."""
_UNCHECKED: Final = (b"\1\0\0\0", b"\0\0\0\0")
"""Flags of a .pyc file (PEP 552): its source is never compared; it is, by time and size."""


class Stage1:
    """The frames that bring stage 1; read when first asked for, and kept.

    Args:
        reactor: where modules are compiled, if they have to be.
        directory: of the modules; default: the agent's.
    """

    def __init__(self, reactor: Reactor, directory: str = "") -> None:
        self._reactor = reactor
        self._directory = directory
        self._source = b""
        self._compiled = b""
        self._codes: dict[str, CodeType] = {}
        self._making: list[str] | None = None

    def frame(self, python: str = "") -> bytes:
        """The frame for an agent whose Python has that version ("3.11.7"); without one, the source.

        Raises:
            BootFailed: the agent is not installed.
            OSError: nor can it be read.
        """
        if python == sys.version.split()[0]:
            if not self._compiled and self._making is None:
                self._find()
            if self._compiled:
                return self._compiled
        if not self._source:
            self._source = wire.bundle(modules(self._place()))
        return self._source

    def _place(self) -> str:
        self._directory = self._directory or os.path.join(agent_package(), "stage1")
        return self._directory

    def _path(self, name: str) -> str:
        return f"{self._directory}/{name}.py"

    def _find(self) -> None:
        """Takes what is compiled already, and begins with the rest."""
        names = [each.name for each in modules(self._place())]
        for name in names:
            if (code := _cached(self._path(name))) is not None:
                self._codes[name] = code
        self._making = [name for name in names if name not in self._codes]
        self._make()

    def _make(self) -> None:
        assert self._making is not None
        if not self._making:
            compiled = [
                (each.name, marshal.dumps(self._named(each.name)), each.needs, each.uses)
                for each in modules(self._place())
                if each.name in self._codes
            ]
            self._codes.clear()
            self._compiled = wire.code_bundle(MAGIC_NUMBER, marshal.dumps(compiled))
            return
        name = self._making.pop(0)
        try:
            code = SourceFileLoader(name, self._path(name)).get_code(name)  # and keeps it, where it may write
        except (OSError, SyntaxError):  # removed or overwritten under us: whoever loads the source says so
            self._codes.clear()
            return
        assert code is not None
        self._codes[name] = code
        self._reactor.call_later(_PACE, self._make)

    def _named(self, name: str) -> CodeType:
        """The module's code with the file name that it has in the process, in all its functions."""
        code = self._codes[name]
        _fix_co_filename(code, f"<limpet {name}>")
        return code


def modules(directory: str) -> list[wire.Module]:
    """The modules in a directory with their sources, the root's last.

    Raises:
        OSError: they cannot be read.
    """
    files = sorted(os.listdir(directory))
    found = []
    for name in sorted((file[:-3] for file in files if file.endswith(".py")), key=_ROOT.__eq__):
        if name != "__init__":
            with open(f"{directory}/{name}.py", encoding="utf-8") as file:
                source = file.read()
            found.append(wire.Module(name, source, *imports(source)))
    return found


def imports(source: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The modules of stage 1 that a module imports: at its top, and in its functions."""
    needs: dict[str, None] = {}
    uses: dict[str, None] = {}
    for indented, module, names in _IMPORT.findall(source):
        found = [module] if module else re.findall(r"\w+", names)
        (uses if indented else needs).update(dict.fromkeys(found))
    return tuple(needs), tuple(uses)


def _cached(path: str) -> CodeType | None:
    """The code of a source file as Python has kept it; None if it has not, or of an older source."""
    try:
        with open(cache_from_source(path), "rb") as file:
            data = file.read()
        facts = os.stat(path)
    except (OSError, NotImplementedError):
        return None
    flags, about = data[4:8], data[8:16]
    fresh = int(facts.st_mtime).to_bytes(8, "little")[:4] + (facts.st_size & 0xFFFFFFFF).to_bytes(4, "little")
    if data[:4] != MAGIC_NUMBER or flags not in _UNCHECKED or (flags == _UNCHECKED[1] and about != fresh):
        return None
    try:
        code = marshal.loads(data[16:])  # noqa: S302 - what import would load
    except (EOFError, ValueError, TypeError):  # cut off by a full disk
        return None
    return code if isinstance(code, CodeType) else None
