"""A command of ours that runs beside the loop: its output, bounded, and its end, by a deadline.

Invariant: `on_end` is called exactly once, never before the constructor has returned, and not at all after
`cancel`. A command that cannot even be killed (it waits in the kernel) is left to `Children` to reap.
"""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple

from limpet_supervisor.model.status import Exit

from .children import Children
from .reactor import Reactor

_CHUNK: Final = 65536


class Outcome(NamedTuple):
    """What became of a command."""

    exit: Exit | None
    """None: it could not be started, or was killed at its deadline."""
    stdout: bytes
    stderr: bytes
    why: str
    """Why there is no exit; empty otherwise."""


OnEnd = Callable[[Outcome], None]


def own_environment() -> dict[str, str]:
    """For our own commands: ours without what is secret, and with a locale that there is everywhere."""
    kept = {name: value for name, value in os.environ.items() if name != "RELEASE_COOKIE"}
    return {**kept, "LC_ALL": "C.UTF-8", "RUST_BACKTRACE": "0"}


class Command:
    """One run.

    Args:
        argv: the command; its first word is a path.
        timeout: seconds until it is killed.
        limit: bytes kept of standard output, and of standard error; more ends it.
        descriptors: what it inherits, under the same numbers.
    """

    def __init__(
        self,
        reactor: Reactor,
        children: Children,
        argv: Sequence[str],
        on_end: OnEnd,
        *,
        timeout: float,
        limit: int,
        environ: Mapping[str, str] | None = None,
        descriptors: tuple[int, ...] = (),
    ) -> None:
        import subprocess

        self._reactor = reactor
        self._children = children
        self._on_end: OnEnd | None = on_end
        self._limit = limit
        self._pid: int | None = None
        self._said: dict[int, bytearray] = {}
        self._pipes: list[int] = []
        writers: list[int] = []
        self._began = reactor.now()
        self._timer = reactor.call_later(timeout, partial(self._too_late, timeout))
        try:
            for _ in range(2):
                read, write = os.pipe2(os.O_CLOEXEC)
                self._pipes.append(read)
                self._said[read] = bytearray()
                writers.append(write)
                os.set_blocking(read, False)
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=writers[0],
                stderr=writers[1],
                env=own_environment() if environ is None else environ,
                cwd="/",
                process_group=0,
                pass_fds=descriptors,
            )
        except OSError as error:
            why = f"{os.path.basename(argv[0])}: {error.strerror or error}"
            reactor.call_soon(lambda: self._give_up(why))
            return
        finally:
            for write in writers:
                os.close(write)
        process.returncode = 0  # to subprocess it is over: Children waits for it
        self._pid = process.pid
        for read in self._pipes:
            reactor.add(read, partial(self._ready, read))
        children.watch(process.pid, self._ended)

    def hurry(self, timeout: float) -> None:
        """It has so many seconds from its beginning, if they are fewer than those that it was given."""
        when = self._began + timeout
        if self._on_end is not None and when < self._timer.when:
            self._timer.cancel()
            self._timer = self._reactor.call_at(when, partial(self._too_late, timeout))

    def interrupt(self) -> None:
        """Asks it to come to its end, by SIGINT."""
        if self._pid is not None:
            self._children.signal(self._pid, signal.SIGINT)

    def cancel(self) -> None:
        """Ends it; `on_end` is not called."""
        self._on_end = None
        self._give_up("")

    def _ready(self, pipe: int, _events: int) -> None:
        self._readable(pipe)

    def _readable(self, pipe: int) -> bool:
        """Takes what is there; whether there may be more."""
        try:
            data = os.read(pipe, _CHUNK)
        except BlockingIOError:
            return False
        said = self._said[pipe]
        said += data[: self._limit - len(said)]
        if len(said) >= self._limit:
            self._give_up(f"it said more than {self._limit} bytes")
            return False
        if not data:
            self._reactor.remove(pipe)
        return bool(data)

    def _ended(self, how: Exit) -> None:
        if self._pid is None:
            return
        self._pid = None
        for pipe in self._pipes:
            while self._pipes and self._readable(pipe):
                pass
        self._finish(how, "")

    def _too_late(self, timeout: float) -> None:
        self._give_up(f"no answer within {timeout:g}s")

    def _give_up(self, why: str) -> None:
        pid, self._pid = self._pid, None
        if pid is not None and pid in self._children:
            # Guarantee: the pid is ours until it is reaped, so its group is no one else's.
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        self._finish(None, why)

    def _finish(self, how: Exit | None, why: str) -> None:
        self._timer.cancel()
        said = [bytes(self._said[pipe]) for pipe in self._pipes] or [b"", b""]
        pipes, self._pipes = self._pipes, []
        for pipe in pipes:
            self._reactor.remove(pipe)
            os.close(pipe)
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(Outcome(how, said[0], said[-1], why))
