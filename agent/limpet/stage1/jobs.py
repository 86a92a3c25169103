"""Sessions and jobs: what a console keeps in this process, and one evaluation in it."""

import builtins
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from .interrupt import Guard
from .loading import running
from .natives import allocate_lock, monotonic
from .output import Sink

KEPT: Final = 20
"""Values in `Out`; they keep the application's objects alive."""


class Session:
    """A console's names and values in this process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = 0
        self.flags = 0
        self.out: dict[int, Any] = {}
        self.endings: list[Callable[[], None]] = []
        """Called when the session is gone, in the agent's thread or a fork's child: they take no lock."""
        self.namespace: dict[str, Any] = {
            "__name__": "__console__",
            "__builtins__": builtins,
            "Out": self.out,
            "_": None,
        }

    def end(self) -> None:
        """Calls what is to be called at its end, and lets its values go."""
        endings, self.endings = self.endings, []
        for function in endings:
            function()
        self.out.clear()

    def keep(self, value: Any) -> None:
        """Makes `value` `_` and `Out[n]`."""
        if value is None:
            return
        self.namespace["_"] = value
        self.out[self.number] = value
        while len(self.out) > KEPT:
            del self.out[next(iter(self.out))]


class Mailbox:
    """What other threads have for a job that waits for it."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._bell = allocate_lock()
        self._bell.acquire()

    def put(self, item: Any) -> None:
        """Adds something. Guarantee: takes no lock, whatever code of the application's is on its way."""
        self._items.append(item)
        self.ring()

    def ring(self) -> None:
        """Wakes who waits."""
        try:
            self._bell.release()
        except RuntimeError:  # it has rung already
            return

    def listen(self, seconds: float) -> list[Any]:
        """What is there, as soon as there is something or the bell rings, at the latest after `seconds`."""
        if not self._items:
            self._bell.acquire(timeout=max(seconds, 0.0))
        found = []
        while self._items:
            found.append(self._items.popleft())
        return found


class Job:
    """One evaluation.

    Attributes:
        source: what is evaluated, for a list of jobs.
        others: all jobs of this process, by their requests.
        condemned: somebody wants it ended: why; empty as long as nobody does.
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
        self.stalled = 0.0
        """Seconds for which it has kept the application's event loop, or all other threads, from running."""
        self.sink: Sink | None = None
        self.source = ""
        self.others: Mapping[int, Job] = {}
        self.condemned = ""
        self.found: Callable[[], Any] | None = None
        """Of a tool that its user ends: what it has found, which is then its value, in place of an error."""
        self.told: Callable[[float], None] | None = None
        """Takes how long it lasts to whoever waits for the answer."""
        self._mailbox: Mailbox | None = None
        self._endings: list[Callable[[bool], None]] = []

    def wait(self, mailbox: Mailbox, seconds: float) -> list[Any]:
        """What has been put into `mailbox`, as soon as there is something, at the latest after `seconds`.

        An interruption ends the wait at once, though it is one in C.

        Raises:
            RuntimeError: it would hold the application's event loop.
        """
        if self.loop is not None:
            raise RuntimeError("it waits, and would hold the event loop meanwhile: not in code that awaits")
        self._mailbox = mailbox
        return mailbox.listen(seconds)

    def wake(self) -> None:
        """Ends `wait`: an interruption is on its way."""
        if self._mailbox is not None:
            self._mailbox.ring()

    def at_end(self, function: Callable[[bool], None]) -> None:
        """Has `function(forked)` called when the job ends, is abandoned, or finds itself in a fork's child.

        Guarantee: it is called however the job ends, where no interruption can land. It may be called twice,
        and from other threads; in a fork's child (`forked`) it may take no lock, whose owner is not there.
        """
        self._endings.append(function)

    def end(self, *, forked: bool = False) -> None:
        """Calls what is to be called at its end."""
        for function in list(self._endings):
            function(forked)

    def say(self, text: str, stream: str = "stdout") -> None:
        """Prints a line where the evaluation's output goes."""
        if self.sink is not None:
            self.sink.write(stream, f"{text}\n")

    def lasts(self, seconds: float) -> None:
        """It takes so long from now, by what it was asked: its deadline waits, and a second more."""
        if self.deadline is not None:
            self.deadline = max(self.deadline, monotonic() + seconds + 1.0)
            if self.told is not None:
                self.shelter(self.told, self.deadline - monotonic())

    def shelter(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(*arguments)`, where no interruption of this job can land."""
        guard = self.loop_guard
        if guard is None:
            return self.guard.shelter(function, *arguments)
        return self.guard.shelter(guard.shelter, function, *arguments)


def current() -> Job:
    """The job that this code runs for.

    Raises:
        RuntimeError: none: it was called by the application, or by a thread that an evaluation has started.
    """
    job: Job | None = running.get()
    if job is None:
        raise RuntimeError("this works only in a console, rpc or ctl")
    return job
