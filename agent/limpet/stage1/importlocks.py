"""The import system's locks, given back by a thread in which an interruption has left them taken.

`importlib` takes its global lock, and one for each module, in Python code: an exception that arrives between
the taking and the block that gives it back leaves it taken for ever, and whoever imports waits: the
application, too. A lock of these is released by its owner only, so none is taken from anybody.
"""

import importlib
from _imp import release_lock
from typing import Any, Final

from .natives import get_ident

_bootstrap: Final[Any] = getattr(importlib, "_bootstrap", None)
"""Private; without it only the global lock is looked after."""


def owned() -> tuple[Any, ...]:
    """Locks of modules that this thread has taken: of those that it is importing."""
    known = getattr(_bootstrap, "_module_locks", None)
    if not known:
        return ()
    thread = get_ident()
    locks = [reference() for reference in list(known.values())]
    return tuple(lock for lock in locks if getattr(lock, "owner", None) == thread)


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
            lock.release()
    waits: Any = getattr(_bootstrap, "_blocking_on", None)
    if type(waits) is dict and not before:  # 3.11's; later ones are weak, and forget it by themselves
        waits.pop(thread, None)
