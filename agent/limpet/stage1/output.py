"""What evaluated code prints goes to the console, what the application prints stays its own.

While somebody evaluates, sys.stdout and sys.stderr are proxies that look at a context variable: it is set in
an evaluation's own context, which asyncio tasks started by it inherit. sys.stdin refuses to be read by an
evaluation: it is the application's. Logging handlers made earlier, and new threads, keep the real streams.
"""

import contextvars
import sys
from typing import Any, Final

from .natives import Turn, allocate_lock, monotonic

PIECE: Final = 60_000
"""Characters in one frame."""
CAP: Final = 1_000_000
"""Characters that one evaluation may print; what is more is counted."""
_PAUSE: Final = 0.02
"""Seconds between two frames of one evaluation: a thousand short lines make a few frames."""


class Sink:
    """Where one evaluation's output goes: `emit(stream, text)`, in frames of a reasonable size.

    `shelter(function, …)` calls what takes the lock: an interruption of the evaluation must not land there.
    """

    def __init__(self, emit: Any, shelter: Any) -> None:
        self._emit = emit
        self._shelter = shelter
        self._turn = Turn()
        self._stream = "stdout"
        self._parts: list[str] = []
        self._size = 0
        self._left = CAP
        self._dropped = 0
        self._sent = 0.0
        self.muted = False
        """Takes and forgets what is printed: the evaluation was abandoned."""
        self.ended = False
        """The evaluation has ended: what tasks of it still print is the application's."""

    def write(self, stream: str, text: str) -> None:
        """Takes what is printed; a whole line leaves at once, or with the others of the last moment."""
        if not self.muted:
            self._shelter(self._turn.take, self._write, stream, text)

    def flush(self) -> None:
        """Sends what is there."""
        if not self.muted:
            self._shelter(self._turn.take, self._send)

    def _write(self, stream: str, text: str) -> None:
        if self.muted:
            return
        if len(text) > self._left:
            self._dropped += len(text) - self._left
            text = text[: self._left]
        self._left -= len(text)
        if not text:
            return
        if stream != self._stream:
            self._send()
            self._stream = stream
        self._parts.append(text)
        self._size += len(text)
        if self._size >= PIECE or (
            ("\n" in text or stream == "stderr") and monotonic() - self._sent > _PAUSE
        ):
            self._send()

    def close(self, *, ended: bool) -> None:
        """Sends what is there and how much was left out; mutes it, unless the evaluation has `ended`."""
        self._turn.take(self._close, ended)

    def _close(self, ended: bool) -> None:
        self._send()
        if self._dropped and not self.muted:
            self._emit("stderr", f"\n… {self._dropped:,} characters more were printed\n")
        self.muted = True
        self.ended = ended
        if ended:  # it must not keep the evaluation, and the application's objects that this has come across
            self._emit = self._shelter = _nothing

    def tick(self) -> None:
        """Sends what has waited long enough; called again and again by the agent's thread."""
        if self._parts and monotonic() - self._sent > _PAUSE:
            self._turn.take(self._send_due)

    def _send_due(self) -> None:
        if self._parts and ("\n" in self._parts[-1] or self._stream == "stderr"):
            self._send()

    def _send(self) -> None:
        if not self._parts:
            return
        text = "".join(self._parts)
        self._parts.clear()
        self._size = 0
        self._sent = monotonic()
        for start in range(0, len(text), PIECE):
            self._emit(self._stream, text[start : start + PIECE])


def _nothing(*_arguments: Any) -> None:
    """Nothing is printed any more."""


sink: Final[contextvars.ContextVar[Sink | None]] = contextvars.ContextVar("limpet_sink", default=None)
"""The evaluation that the running code belongs to."""


def _here() -> Sink | None:
    """The sink of the running code, as long as its evaluation runs."""
    found = sink.get()
    return None if found is None or found.ended else found


class _Bytes:
    """`sys.stdout.buffer` of an evaluation."""

    def __init__(self, found: Sink, stream: str) -> None:
        self._sink = found
        self._stream = stream

    def write(self, data: Any) -> int:
        plain = bytes(data)
        self._sink.write(self._stream, plain.decode("utf-8", "replace"))
        return len(plain)

    def flush(self) -> None:
        self._sink.flush()


class Proxy:
    """Stands in for an output stream."""

    def __init__(self, real: Any, name: str) -> None:
        self.__dict__["_real"] = real
        self.__dict__["_name"] = name

    def write(self, text: str) -> int:
        """As the stream's."""
        found = _here()
        if found is None:
            return int(self._real.write(text))
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        found.write(self._name, text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """As the stream's."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """As the stream's."""
        found = _here()
        if found is None:
            self._real.flush()
        else:
            found.flush()

    def isatty(self) -> bool:
        """As the stream's; a console is asked for plain text."""
        return _here() is None and bool(self._real.isatty())

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            found = _here()
            if found is not None:
                return _Bytes(found, self._name)
        return getattr(self._real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._real, name, value)


class InputProxy:
    """Stands in for sys.stdin: the application's, so an evaluation may not read, nor close, it."""

    def __init__(self, real: Any) -> None:
        self.__dict__["_real"] = real

    def isatty(self) -> bool:
        """As the stream's; of an evaluation it is none, so that help() shows its text instead of a pager."""
        return _here() is None and bool(self._real.isatty())

    def __getattr__(self, name: str) -> Any:
        if _here() is not None:
            raise RuntimeError("standard input belongs to the application: an evaluation cannot read it")
        return getattr(self._real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._real, name, value)

    def __iter__(self) -> Any:
        return iter(self.__getattr__("__iter__")())

    def __next__(self) -> Any:
        return self.__getattr__("__next__")()


class _Installed:
    """The proxies that stand in sys, and how many hold them there."""

    def __init__(self) -> None:
        self.lock = allocate_lock()
        self.holders = 0
        self.streams: dict[str, Any] = {}
        self.breakpointhook: Any = None


_installed: Final = _Installed()


def _refuse_breakpoint(*arguments: Any, **options: Any) -> Any:
    if _here() is not None:
        raise RuntimeError(
            "a debugger would read the application's standard input: breakpoint() is refused here"
        )
    return _installed.breakpointhook(*arguments, **options)


def hold() -> None:
    """Puts the proxies in place, or back in place; to be paired with `release`."""
    with _installed.lock:
        _installed.holders += 1
        for name in ("stdout", "stderr", "stdin"):
            real = getattr(sys, name, None)
            if real is None or real is _installed.streams.get(name):
                continue
            proxy = InputProxy(real) if name == "stdin" else Proxy(real, name)
            _installed.streams[name] = proxy
            setattr(sys, name, proxy)
        if sys.breakpointhook is not _refuse_breakpoint:
            _installed.breakpointhook = sys.breakpointhook
            sys.breakpointhook = _refuse_breakpoint


def release() -> None:
    """Takes the proxies away when nobody holds them any more."""
    with _installed.lock:
        _installed.holders = max(0, _installed.holders - 1)  # who held at a `restore` releases all the same
        if not _installed.holders:
            restore()


def restore() -> None:
    """Takes the proxies away where they still stand: what the application has set since is left alone."""
    _installed.holders = 0
    for name, proxy in _installed.streams.items():
        if getattr(sys, name, None) is proxy:
            setattr(sys, name, proxy.__dict__["_real"])
    _installed.streams.clear()
    if sys.breakpointhook is _refuse_breakpoint:
        sys.breakpointhook = _installed.breakpointhook
