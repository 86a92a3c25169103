"""Logging's locks: given back by an evaluation that an interruption has made leave one taken.

Until 3.12 logging takes its own lock, and each handler's, by a call before the block that gives it back: an
exception that arrives between the two leaves it taken for ever, and whoever logs waits: the application, too.
They know their owner, and are released by it only: none is taken from anybody.
"""

import sys
from _thread import RLock
from typing import Any, Final

from .ownlocks import is_owned, release

_LOCKING: Final = frozenset({"_acquireLock", "_releaseLock", "acquire", "release"})


def owned() -> tuple[Any, ...]:
    """Those that this thread has taken."""
    logging: Any = sys.modules.get("logging")
    if logging is None:
        return ()
    references = vars(logging).get("_handlerList")
    handlers = [reference() for reference in list(references)] if type(references) is list else []
    locks = [vars(logging).get("_lock")]
    locks += [vars(handler).get("lock") for handler in handlers if handler is not None]
    return tuple(lock for lock in locks if type(lock) is RLock and is_owned(lock))


def at_locks(thread: int) -> bool:
    """Whether `thread` is in logging's code that takes locks and gives them back."""
    logging: Any = sys.modules.get("logging")
    frame = sys._current_frames().get(thread) if logging is not None else None  # noqa: SLF001 - the documented way
    if frame is None or frame.f_code.co_name not in _LOCKING:
        return False
    return bool(frame.f_code.co_filename == vars(logging).get("__file__"))


def give_back(before: tuple[Any, ...]) -> None:
    """Releases what this thread has taken since it owned `before`; it runs none of logging's code now."""
    release(owned(), before)
