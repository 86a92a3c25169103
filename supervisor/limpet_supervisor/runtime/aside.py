"""Work beside the loop: what may have to wait for the kernel, such as a look at a process that hangs.

The memory of a process that waits for a device cannot be read before it goes on, and with it nor can its
command line and environment (proc(5)). One piece at a time, each in a thread of its own that ends with it:
a node that nobody looks at has none.

Guarantee: however long the kernel makes them wait, there are never more than a few threads: each scrape of a
node whose disk hangs would leave one for ever otherwise, up to the limit of tasks that its processes share.
"""

from _thread import start_new_thread
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

from limpet_supervisor.errors import LimpetError

from .reactor import Reactor, Timer

_WAITING: Final = 64
"""Pieces that may wait for their turn."""
_WITHIN: Final = 4.0
"""Seconds after which a piece is given up; its thread ends when the kernel lets it."""
_LEFT: Final = 4
_WHAT: Final = "It could not be looked at"

Result = TypeVar("Result")
Piece = tuple[Callable[[], Any], Callable[[Any], None], Callable[[LimpetError], None]]


class Aside:
    """Runs functions in another thread and tells the loop what came of them.

    Args:
        left: threads of pieces that were given up, from which on nothing more is begun before one of them has
            ended. 1: no two pieces ever run at once, so that they may share what they change.
    """

    def __init__(self, reactor: Reactor, left: int = _LEFT) -> None:
        self._reactor = reactor
        self._most_left = left
        self._waiting: deque[Piece] = deque()
        self._current: object | None = None
        self._timer: Timer | None = None
        self._left = 0
        """Threads of pieces that were given up and have not ended."""

    def do(
        self,
        work: Callable[[], Result],
        then: Callable[[Result], None],
        failed: Callable[[LimpetError], None],
    ) -> None:
        """Calls `then`, on the loop, with what `work` returns; or `failed`.

        Args:
            work: runs in another thread; it touches nothing that the loop changes.
            then: called on the loop.
            failed: called on the loop if `work` raises, is given up, or too much waits already. Neither is
                called before this method has returned.
        """
        if len(self._waiting) >= _WAITING:
            error = LimpetError("The node has too much to look at", "a process that hangs keeps it waiting")
            self._reactor.call_soon(lambda: failed(error))
            return
        self._waiting.append((work, then, failed))
        if self._current is None:
            self._next()

    def _next(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._current = self._timer = None
        if not self._waiting:
            return
        work, then, failed = self._waiting.popleft()
        piece = self._current = object()

        def ended(tell: Callable[[], None]) -> None:
            if self._current is piece:
                self._next()
                tell()

        def done(tell: Callable[[], None]) -> None:
            if self._current is not piece:  # it was given up, and nobody waits for it
                self._left -= 1
            ended(tell)

        def fail(why: str) -> None:
            ended(lambda: failed(LimpetError(_WHAT, why)))

        def run() -> None:
            try:
                result = work()
            except Exception as error:  # noqa: BLE001 - it becomes the answer
                why = f"{type(error).__name__}: {error}"
                self._reactor.call_from_thread(lambda: done(lambda: failed(LimpetError(_WHAT, why))))
            else:
                self._reactor.call_from_thread(lambda: done(lambda: then(result)))

        def give_up() -> None:
            self._left += 1
            fail(f"the kernel has not answered for {_WITHIN:g}s: a process, or a disk, waits for a device")

        if self._left >= self._most_left:
            why = "what was looked at before still waits for the kernel: a process, or a disk, hangs"
            self._reactor.call_soon(lambda: fail(why))
            return
        try:
            start_new_thread(run, ())
        except RuntimeError as error:  # EAGAIN: no more tasks for this user, or this control group
            why = str(error)
            self._reactor.call_soon(lambda: fail(why))
            return
        self._timer = self._reactor.call_later(_WITHIN, give_up)
