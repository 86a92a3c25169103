"""An exception shot into evaluated code and nowhere else.

`PyThreadState_SetAsyncExc` raises in whatever a thread executes next. On the application's own event loop
that may be the application, and a raw thread's ident may be another thread's a moment later. So evaluated
code runs in steps, each decided in rounds: whoever is first to enter itself in the step's dict (one atomic
`setdefault`) has won the round. If that is the code, it has left, and nobody can shoot any more. If it is
the shooter, the code goes on to the next round, waits at last for all shots, and takes back one that did
not land.
A lock would not do: an asynchronous exception may arrive between acquiring it and entering its block.
"""

import collections.abc
import ctypes
import sys
from collections.abc import Callable, Generator
from typing import Any, Final

from . import importlocks, loglocks, ownlocks
from .natives import get_ident, monotonic, sleep

_set: Final = ctypes.pythonapi.PyThreadState_SetAsyncExc
_set.argtypes = [ctypes.c_ulong, ctypes.py_object]
_LEFT: Final = object()
_PASSED_OVER: Final = 8
"""How often a thread is left alone because it takes locks of others; one that does nothing else is there
always. Then it gives back what it is made to leave taken."""


class Interrupted(BaseException):
    """The evaluation was interrupted: by its user, its deadline, or for holding the event loop."""


class _Step:
    """One stretch of evaluated code on one thread."""

    __slots__ = ("fired", "since", "thread", "winners")

    def __init__(self, since: float) -> None:
        self.thread = get_ident()
        self.since = since
        self.winners: dict[int, object] = {}
        """Who won the n-th round: `_LEFT`, or an object of the shooter's."""
        self.fired = 0


class Guard:
    """Runs evaluated code in steps, which another thread may interrupt at any time."""

    def __init__(self) -> None:
        self._step: _Step | None = None
        self._wanted = False
        """Somebody has called `interrupt` since the last `call`."""
        self._passed_over = 0
        self.longest = 0.0
        """Seconds of the longest step so far."""

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(*arguments)`, interruptible.

        Raises:
            Interrupted: it was.
        """
        self._wanted = False
        self._passed_over = 0
        before = importlocks.owned() + loglocks.owned() + ownlocks.owned()
        step = _Step(monotonic())
        try:
            self._step = step  # from here on interruptible
            result = function(*arguments)
        except BaseException:
            self._leave(before)
            raise
        if self._leave(before):
            raise Interrupted
        return result

    def _leave(self, before: tuple[Any, ...]) -> bool:
        step = self._step
        if step is None:
            return False
        hit = _leave(step)
        self.longest = max(self.longest, monotonic() - step.since)
        if self._wanted:
            importlocks.give_back(before)
            loglocks.give_back(before)
            ownlocks.give_back(before)
        return hit

    def shelter(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(*arguments)`, where no shot can land: for code of ours that holds a lock.

        Raises:
            Interrupted: afterwards, if somebody has tried to shoot.
        """
        step = self._step
        if step is None or step.thread != get_ident() or _LEFT in step.winners.values():
            return function(*arguments)
        hit = _leave(step)
        try:
            result = function(*arguments)
        finally:
            # Interruptible again in any case: what is raised in a finalizer or a weak reference's callback,
            # which prints through here, is swallowed by the interpreter.
            self._step = _Step(step.since)
        if hit or self._wanted:
            raise Interrupted
        return result

    def interrupt(self) -> bool:
        """True: code runs and has been shot. False: none runs just now, or none that may be shot.

        Invariant: one thread calls this.
        """
        self._wanted = True
        step = self._step
        if step is None or _newborn():
            return False
        if self._passed_over < _PASSED_OVER and (
            importlocks.at_locks(step.thread) or loglocks.at_locks(step.thread)
        ):
            self._passed_over += 1
            return False
        mine = object()
        if step.winners.setdefault(step.fired, mine) is not mine:
            return False
        _set(step.thread, Interrupted)
        step.fired += 1
        return True

    def held_for(self) -> float:
        """Seconds that the running step has run; 0 if none does."""
        step = self._step
        if step is None or _LEFT in step.winners.values():
            return 0.0
        return monotonic() - step.since

    def thread(self) -> int:
        """Ident of the thread that ran the last step; 0 if there was none."""
        return self._step.thread if self._step is not None else 0


def _newborn() -> bool:
    """Whether a thread is just being started.

    Before 3.12 it has the ident of the thread that starts it until it runs, and the shot would hit it.
    """
    if sys.version_info >= (3, 12):
        return False
    threading: Any = sys.modules.get("threading")
    return bool(getattr(threading, "_limbo", None))


def _leave(step: _Step) -> bool:
    """Ends the step: no shot can land after this returns. True if one landed here, at the very end."""
    hit = False
    other = None
    while True:
        try:
            rounds = 0
            while step.winners.setdefault(rounds, _LEFT) is not _LEFT:
                rounds += 1
            if rounds:
                while step.fired < rounds:
                    sleep(0)
                _set(step.thread, ctypes.py_object())  # NULL: takes back one that has not landed
        except Interrupted:
            hit = True
        except BaseException as raised:  # noqa: BLE001 - a signal handler's: kept until no shot can land
            other = raised
        else:
            if other is not None:
                raise other
            return hit


class Guarded(collections.abc.Coroutine[Any, Any, Any]):
    """A coroutine whose every step on the event loop runs behind `guard`."""

    def __init__(self, inner: collections.abc.Coroutine[Any, Any, Any], guard: Guard) -> None:
        self._inner = inner
        self._guard = guard

    @property
    def inner(self) -> collections.abc.Coroutine[Any, Any, Any]:
        """The coroutine."""
        return self._inner

    def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return self._guard.call(function, *arguments)
        except Interrupted:
            # Shot while the coroutine had just given way: what is in it is ended here, interruptible as well.
            self._guard.call(self._inner.close)
            raise

    def send(self, value: Any) -> Any:
        """As a coroutine's."""
        return self._run(self._inner.send, value)

    def throw(self, *arguments: Any) -> Any:
        """As a coroutine's."""
        return self._run(self._inner.throw, *arguments)

    def close(self) -> None:
        """As a coroutine's."""
        self._guard.call(self._inner.close)

    def __await__(self) -> Generator[Any, Any, Any]:
        return self  # it is the iterator as well

    def __iter__(self) -> "Guarded":
        return self

    def __next__(self) -> Any:
        return self.send(None)
