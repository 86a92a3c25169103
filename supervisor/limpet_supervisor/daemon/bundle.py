"""Stage 1 of the agent, as it is sent: always of the daemon's own version.

A process that runs on the daemon's own version of Python gets it compiled, which spares it most of the first
attach; any other gets the source. The compiled form is the one that Python keeps beside its modules; where
there is none yet, the daemon makes it, a module a turn, and sends the source until it is done.
"""

import marshal
import os
import sys
from _imp import _fix_co_filename  # type: ignore[attr-defined]
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER, cache_from_source
from types import CodeType
from typing import Final

from limpet_supervisor.runtime.reactor import Reactor
from limpet_supervisor.wire import agent as wire

from .ground import agent_package

_PACKAGE: Final = "_limpet_stage1"
_PACE: Final = 0.02
"""Seconds between two modules that are compiled: others come in between."""
_UNCHECKED: Final = (b"\1\0\0\0", b"\0\0\0\0")
"""Flags of a .pyc file (PEP 552): its source is never compared; it is, by time and size."""


class Stage1:
    """The frames that bring stage 1; read when first asked for, and kept.

    Args:
        reactor: where modules are compiled, if they have to be.
        directory: the modules and `ORDER`, their names in the order of execution; default: the agent's.
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
            texts = []
            for name in self._order():
                with open(self._path(name), encoding="utf-8") as file:
                    texts.append((f"{_PACKAGE}.{name}", file.read()))
            self._source = wire.bundle(tuple(texts))
        return self._source

    def _order(self) -> list[str]:
        self._directory = self._directory or os.path.join(agent_package(), "stage1")
        with open(f"{self._directory}/ORDER", encoding="ascii") as file:
            return file.read().split()

    def _path(self, name: str) -> str:
        return f"{self._directory}/{name}.py"

    def _find(self) -> None:
        """Takes what is compiled already, and begins with the rest."""
        order = self._order()
        for name in order:
            if (code := _cached(self._path(name))) is not None:
                self._codes[name] = code
        self._making = [name for name in order if name not in self._codes]
        self._make()

    def _make(self) -> None:
        assert self._making is not None
        if not self._making:
            modules = [(f"{_PACKAGE}.{name}", self._named(name)) for name in self._order()]
            self._codes.clear()
            self._compiled = wire.code_bundle(MAGIC_NUMBER, marshal.dumps(modules))
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
