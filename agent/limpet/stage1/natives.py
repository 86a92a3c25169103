"""The interpreter's own threads and locks, whatever gevent or eventlet have put in their place.

Stage 0 took them before the application's first line ran.
"""

import os
import sys
from _thread import get_native_id
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from limpet import agent as stage0
from limpet.agent import allocate_lock, get_ident, monotonic, sleep, start_new_thread

__all__ = [
    "Turn",
    "agent_thread",
    "allocate_lock",
    "get_ident",
    "give_way",
    "main_thread",
    "monotonic",
    "sleep",
    "start_new_thread",
]


agent_thread: Final = (get_ident(), get_native_id())
"""Ident and kernel's number of the agent's thread, which is the one that loads this."""


def give_way() -> None:
    """Lets the application run for a moment, in the middle of something long.

    With one request a server takes the interpreter's lock several times, each for the next of its calls; to
    sleep for no time at all would only let it take the first. An event loop is not kept waiting: it is the
    application.
    """
    events: Any = sys.modules.get("asyncio.events")
    running = getattr(events, "_get_running_loop", None)
    if running is None or running() is None:
        sleep(0.0005)


class Turn:
    """A lock for what the application's own threads may come to, at any moment.

    The handler of a signal, or a finalizer, may print in the middle of a print by its own thread, which would
    wait for itself for ever then. What it brings is done by the one that it has interrupted.
    """

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._inside: set[int] = set()
        self._waiting: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()

    def take(self, function: Callable[..., None], *arguments: Any) -> None:
        """`function(*arguments)`, one thread at a time, in the order in which they came.

        Guarantee: it is done when this returns; but for what is brought from within, which is done soon.
        """
        self._waiting.append((function, arguments))
        me = get_ident()
        if me in self._inside:
            return
        while True:
            self._inside.add(me)
            try:
                with self._lock:
                    while self._waiting:
                        first, given = self._waiting.popleft()
                        first(*given)
            finally:
                self._inside.discard(me)
            if not self._waiting:  # else something was brought behind the last look into the queue
                return


def main_thread() -> int:
    """Ident of the main thread; 0 if unknown."""
    return stage0.agent.main if stage0.agent is not None else 0


def _load_threading() -> None:
    """Makes sure that `threading` knows the main thread for what it is.

    Before Python 3.13 that module takes whichever thread imports it first for the main one. Evaluated code
    may well be the first, in a thread of ours; so it is imported here, and corrected.
    """
    if "threading" in sys.modules:
        return
    import threading

    main = main_thread()
    known: Any = threading.main_thread()
    if not main:
        return
    known._native_id = os.getpid()  # noqa: SLF001 - Linux: the main thread's id is the process's
    if known.ident == main:
        return
    # As debuggers do when they attach: there is no public way.
    module: Any = threading
    # At exit this lock is released on behalf of the main thread, and the other one would be waited for: it is
    # freed with the thread that imported the module, ours, which never ends.
    lock = allocate_lock()
    lock.acquire()
    with module._shutdown_locks_lock:  # noqa: SLF001
        module._shutdown_locks.discard(known._tstate_lock)  # noqa: SLF001
        module._shutdown_locks.add(lock)  # noqa: SLF001
    with module._active_limbo_lock:  # noqa: SLF001
        module._active.pop(known._ident, None)  # noqa: SLF001
        known._ident = main  # noqa: SLF001
        known._tstate_lock = lock  # noqa: SLF001
        module._active[main] = known  # noqa: SLF001


_load_threading()
