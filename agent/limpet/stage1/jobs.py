"""Sessions and jobs: what a console keeps in this process, and one evaluation in it."""

import builtins
import contextvars
from collections.abc import Callable, Mapping
from typing import Any, Final

from .interrupt import Guard
from .natives import allocate_lock, monotonic
from .output import Sink

KEPT: Final = 20
"""Values in `Out`; they keep the application's objects alive."""


class Session:
    """A console's names and values in this process; its namespace begins with `names`."""

    def __init__(self, name: str, names: Mapping[str, Any]) -> None:
        self.name = name
        self.number = 0
        self.flags = 0
        self.out: dict[int, Any] = {}
        self.namespace: dict[str, Any] = {
            "__name__": "__console__",
            "__builtins__": builtins,
            "Out": self.out,
            "_": None,
            **names,
        }

    def keep(self, value: Any) -> None:
        """Makes `value` `_` and `Out[n]`."""
        if value is None:
            return
        self.namespace["_"] = value
        self.out[self.number] = value
        while len(self.out) > KEPT:
            del self.out[next(iter(self.out))]


class Job:
    """One evaluation.

    Attributes:
        work: gives the value; called behind the guard, in the job's own thread.
        kept: whether its value becomes `_` and a part of Out.
        deadline: monotonic time; None for none.
        stopping: why it is being interrupted; empty as long as it is not.
        timed_out: whether that is its deadline.
    """

    def __init__(self, request: int, session: Session, timeout: float | None) -> None:
        self.request = request
        self.session = session
        self.number = session.number
        self.name = ""
        self.kept = True
        self.work: Callable[[Job], Any] | None = None
        self.began = monotonic()
        self.timeout = timeout
        self.deadline = None if timeout is None else self.began + timeout
        self.guard = Guard()
        self.loop: Any = None
        self.loop_thread = 0
        self.loop_guard: Guard | None = None
        self.task: Any = None
        self.arrived = allocate_lock()
        """Held while the loop works for this job."""
        self.stopping = ""
        self.timed_out = False
        self.give_up = 0.0
        self.again = 0.0
        self.answered = False
        self.sink: Sink | None = None

    def lasts(self, seconds: float) -> None:
        """It takes so long from now, by what it was asked: its deadline waits, and a second more."""
        if self.deadline is not None:
            self.deadline = max(self.deadline, monotonic() + seconds + 1.0)

    def shelter(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(*arguments)`, where no interruption of this job can land."""
        guard = self.loop_guard
        if guard is None:
            return self.guard.shelter(function, *arguments)
        return self.guard.shelter(guard.shelter, function, *arguments)


running: Final[contextvars.ContextVar[Job | None]] = contextvars.ContextVar("limpet job", default=None)
"""The job that this code runs for."""


def current() -> Job:
    """The job that this code runs for.

    Raises:
        RuntimeError: none: it was called by the application, or by a thread that an evaluation has started.
    """
    job = running.get()
    if job is None:
        raise RuntimeError("this works only in a console, rpc or ctl")
    return job
