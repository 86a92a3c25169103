"""Raw threads that evaluated code may live in: signal mask and name as a thread of the application's has."""

import os
import sys
from typing import Any

from .natives import get_ident, start_new_thread


def unblock_signals() -> None:
    """Gives this thread the main thread's signal mask: what it starts inherits it; the agent's blocks all."""
    import _signal  # type: ignore[import-not-found]

    try:
        with open(f"/proc/self/task/{os.getpid()}/status", "rb") as lines:
            mask = next(int(line.split()[1], 16) for line in lines if line.startswith(b"SigBlk"))
    except (OSError, StopIteration):
        mask = 0
    blocked = [number for number in _signal.valid_signals() if mask >> (number - 1) & 1]
    _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)


def name_thread(name: str) -> None:
    """Names the running raw thread in `threading`, unless gevent has its hands on that."""
    threading: Any = sys.modules["threading"]
    if getattr(threading, "_start_new_thread", start_new_thread) is start_new_thread:
        threading.current_thread().name = name


def forget_thread() -> None:
    """Takes the running raw thread out of `threading` again: before 3.13 it would stay for ever."""
    threading: Any = sys.modules["threading"]
    if getattr(threading, "_start_new_thread", start_new_thread) is start_new_thread:
        threading._active.pop(get_ident(), None)  # noqa: SLF001 - there is no public way
