"""Limpet's own locks: given back by an evaluation that an interruption has made leave one taken.

From Python 3.14 on `with lock:` calls `__enter__` by an instruction of its own, and an exception may arrive
after it and before the block that gives the lock back (python/cpython#148874; mended in 3.15). So those that
evaluated code comes to without shelter know their owner, and are released by it only: an evaluation's thread
gives back what it still owns at its end. They are stage 0's, which `limpet.health` takes, those of
`limpet.telemetry`, and what `owned_lock` has made.
"""

import sys
from _thread import RLock
from types import MethodType
from typing import Any, Final

from limpet import agent as stage0

_made: Final[list[Any]] = []


def owned_lock() -> RLock:
    """A lock that knows its owner; for what lives as long as stage 1."""
    lock = RLock()
    _made.append(lock)
    return lock


def owned() -> tuple[Any, ...]:
    """Those that this thread has taken."""
    locks = [*_made, *_of_telemetry()]
    if stage0.agent is not None:
        locks.append(vars(stage0.agent).get("_lock"))
    return tuple(lock for lock in locks if type(lock) is RLock and is_owned(lock))


def give_back(before: tuple[Any, ...]) -> None:
    """Releases what this thread has taken since it owned `before`."""
    release(owned(), before)


def release(locks: tuple[Any, ...], before: tuple[Any, ...]) -> None:
    """Releases such of these locks as are this thread's and not among `before`."""
    for lock in locks:
        while not any(lock is each for each in before) and is_owned(lock):
            lock.release()


def is_owned(lock: Any) -> bool:
    """Whether this thread has taken it."""
    return bool(lock._is_owned())  # noqa: SLF001 - as threading.Condition asks


def _of_telemetry() -> list[Any]:
    """That of the handlers, and of each metric."""
    dispatch: Any = sys.modules.get("limpet.telemetry.dispatch")
    if dispatch is None:
        return []
    metrics: Any = sys.modules.get("limpet.telemetry.series")
    kind = vars(metrics).get("Series") if metrics is not None else None
    functions = [attached.function for attached in list(vars(dispatch).get("_attached", {}).values())]
    owners = [each.__self__ for each in functions if type(each) is MethodType]
    return [vars(each).get("_lock") for each in (dispatch, *owners) if each is dispatch or type(each) is kind]
