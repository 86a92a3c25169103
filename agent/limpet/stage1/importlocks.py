"""The import system's locks: not interrupted where they are taken, and given back if they were all the same.

`importlib` takes its global lock, and one for each module, in Python code: an exception that arrives between
the taking and the block that gives it back leaves it taken for ever, and whoever imports waits: the
application, too. So nothing is shot at a thread that is in that code. The thread may get there between the
look and the shot: then it gives back what it still owns. A lock of these is released by its owner only, so
none is taken from anybody.
"""

import importlib
import sys
from _imp import release_lock
from typing import Any, Final

from .natives import get_ident

_bootstrap: Final[Any] = getattr(importlib, "_bootstrap", None)
"""Private; without it only the global lock is looked after."""
_FILE: Final = "<frozen importlib._bootstrap>"
_LOCKING: Final = frozenset({
    "__enter__", "__exit__", "_get_module_lock", "_has_deadlocked", "_lock_unlock_module", "acquire", "cb",
    "has_deadlock", "release",
})  # fmt: skip
"""Functions of `_FILE`, 3.11 to 3.14."""
_DEPTH: Final = 4
"""Frames that are looked at: such a function, and what it calls."""


def owned() -> tuple[Any, ...]:
    """Locks of modules that this thread has taken: of those that it is importing."""
    known = getattr(_bootstrap, "_module_locks", None)
    if not known:
        return ()
    thread = get_ident()
    locks = [reference() for reference in list(known.values())]
    return tuple(lock for lock in locks if getattr(lock, "owner", None) == thread)


def at_locks(thread: int) -> bool:
    """Whether `thread` is in importlib's code that takes locks and gives them back, or in what that calls."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - the documented way
    for _ in range(_DEPTH):
        if frame is None:
            return False
        code = frame.f_code
        if code.co_name in _LOCKING and code.co_filename == _FILE:
            return True
        frame = frame.f_back
    return False


def give_back(before: tuple[Any, ...]) -> None:
    """Releases what this thread has taken since it owned `before`; it runs none of importlib's code now."""
    try:
        while True:
            release_lock()
    except RuntimeError:  # it is not, or no more, this thread's
        pass
    thread = get_ident()
    for lock in owned():
        while lock.owner == thread and not any(lock is each for each in before):
            if lock.count:
                lock.release()
            else:
                _disown(lock, thread)
    waits: Any = getattr(_bootstrap, "_blocking_on", None)
    if type(waits) is dict and not before:  # 3.11's; later ones are weak, and forget it by themselves
        waits.pop(thread, None)


def _disown(lock: Any, thread: int) -> None:
    """Ends what a `release` has begun that was interrupted between counting down and giving itself up."""
    with lock.lock:
        if lock.owner != thread or lock.count:  # free as it was, somebody has taken it just now
            return
        lock.owner = None
        if not lock.waiters:
            return
        if type(lock.waiters) is int:  # 3.11
            lock.waiters -= 1
        else:
            lock.waiters.pop()
        lock.wakeup.release()
