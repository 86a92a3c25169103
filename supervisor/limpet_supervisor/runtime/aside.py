"""Work beside the loop: what may have to wait for the kernel, such as a look at a process that hangs.

The memory of a process that waits for a device cannot be read before it goes on, and with it nor can its
command line and environment (proc(5)). One piece at a time, each in a thread of its own that ends with it:
a node that nobody looks at has none.
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

Result = TypeVar("Result")
Piece = tuple[Callable[[], Any], Callable[[Any], None], Callable[[LimpetError], None]]


class Aside:
    """Runs functions in another thread and tells the loop what came of them."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._waiting: deque[Piece] = deque()
        self._current: object | None = None
        self._timer: Timer | None = None

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
            failed: called on the loop if `work` raises, or is given up.

        Raises:
            LimpetError: too much waits already.
        """
        if len(self._waiting) >= _WAITING:
            raise LimpetError("The node has too much to look at", "a process that hangs keeps it waiting")
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
            if self._current is piece:  # else it was given up, and nobody waits for it
                self._next()
                tell()

        def run() -> None:
            try:
                result = work()
            except Exception as error:  # noqa: BLE001 - it becomes the answer
                why = f"{type(error).__name__}: {error}"
                self._reactor.call_from_thread(
                    lambda: ended(lambda: failed(LimpetError("It could not be looked at", why)))
                )
            else:
                self._reactor.call_from_thread(lambda: ended(lambda: then(result)))

        def give_up() -> None:
            why = f"the kernel has not answered for {_WITHIN:g}s: the process waits for a device"
            ended(lambda: failed(LimpetError("It could not be looked at", why)))

        self._timer = self._reactor.call_later(_WITHIN, give_up)
        start_new_thread(run, ())
