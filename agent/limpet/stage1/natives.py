"""The interpreter's own threads and locks, whatever gevent or eventlet have put in their place.

Stage 0 took them before the application's first line ran.
"""

import os
import sys

from limpet import agent as stage0
from limpet.agent import allocate_lock, get_ident, monotonic, sleep, start_new_thread

__all__ = [
    "allocate_lock",
    "get_ident",
    "load_threading",
    "main_thread",
    "monotonic",
    "sleep",
    "start_new_thread",
]


def main_thread() -> int:
    """Ident of the main thread; 0 if unknown."""
    return stage0.agent.main if stage0.agent is not None else 0


def load_threading() -> None:
    """Makes sure that `threading` knows the main thread for what it is.

    Before Python 3.13 that module takes whichever thread imports it first for the main one. Evaluated code
    may well be the first, in a thread of ours; so it is imported here, and corrected.
    """
    if "threading" in sys.modules:
        return
    import threading

    main = main_thread()
    known = threading.main_thread()
    if not main or known.ident == main:
        return
    module: Any = threading
    thread: Any = known
    with module._active_limbo_lock:  # noqa: SLF001 - as debuggers do; there is no public way
        module._active.pop(thread._ident, None)  # noqa: SLF001
        thread._ident = main  # noqa: SLF001
        thread._native_id = os.getpid()  # noqa: SLF001 - Linux: the main thread's id is the process's
        # At exit it is released on behalf of the main thread: it must not be this thread's.
        thread._tstate_lock = allocate_lock()  # noqa: SLF001
        thread._tstate_lock.acquire()  # noqa: SLF001
        module._active[main] = thread  # noqa: SLF001


TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
