"""Stacks and profiles: what a process is doing, however that was found out.

Field names and shapes are a contract (`stacks --json`).
"""

from enum import StrEnum

from msgspec import Struct


class Rung(StrEnum):
    """How stacks were found out, the best way first; each needs less of the process than the one before."""

    AGENT = "agent"
    """It told itself: threads and asyncio tasks."""
    PY_SPY = "py-spy"
    """Its memory was read from outside: exact, whatever it is stuck in. Needs the right to ptrace(2)."""
    REMOTE = "_remote_debugging"
    """The same by its own interpreter, Python 3.14 and later."""
    FAULTHANDLER = "faulthandler"
    """A signal to its agent's thread made it write them, in C. Needs no right but to signal."""
    KERNEL = "kernel"
    """What /proc says: which threads run, which sleep, and where in the kernel."""


class Frame(Struct, frozen=True):
    """A call that has not returned."""

    function: str
    file: str = ""
    line: int = 0
    source: str = ""
    """The line's text, where it is known."""

    def lines(self) -> list[str]:
        """As a traceback shows it."""
        if not self.file:
            return [f"  {self.function}"]
        if not self.line:
            return [f"  {self.function} {self.file}"]
        place = f'  File "{self.file}", line {self.line}, in {self.function}'
        return [place, f"    {self.source}"] if self.source else [place]


class Stack(Struct, frozen=True):
    """The calls of a thread or of an asyncio task."""

    name: str
    """`Thread MainThread`, `Task request-7 of the loop in MainThread`."""
    tid: int | None = None
    """The kernel's number of the thread."""
    state: str = ""
    """In words: `runs`, `waits`, `holds the GIL`; empty if that is not known."""
    frames: tuple[Frame, ...] = ()
    """The outermost first: the most recent call last."""

    @property
    def head(self) -> str:
        """`Thread MainThread (tid 4242): runs, holds the GIL`."""
        tid = f" (tid {self.tid})" if self.tid is not None else ""
        return f"{self.name}{tid}" + (f": {self.state}" if self.state else "")

    def lines(self) -> list[str]:
        """Its calls as a traceback shows them."""
        return [line for frame in self.frames for line in frame.lines()]


class Lack(Struct, frozen=True):
    """Why a better rung gave nothing."""

    rung: Rung
    why: str


class ProcessStacks(Struct, frozen=True):
    """What one process is doing."""

    process: str
    """`web.1`, or `web.1/4711` for a process below it."""
    pid: int
    command: str
    state: str
    """The kernel's word for it: running, sleeping, disk sleep, stopped, zombie, gone."""
    rung: Rung
    took: float = 0.0
    """Seconds."""
    stacks: tuple[Stack, ...] = ()
    lacks: tuple[Lack, ...] = ()
    """Why it was none of the better rungs."""
    notes: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        """`web.1 (pid 4242, running): python app.py`."""
        return f"{self.process} (pid {self.pid}, {self.state}): {self.command}"

    def remarks(self) -> list[str]:
        """Which way it was, why it was none of the better ones, and what else there is to say."""
        found = [f"by {self.rung.value} in {self.took:.2f}s"] if self.stacks else []
        reasons: dict[str, list[str]] = {}
        for lack in self.lacks:
            reasons.setdefault(lack.why, []).append(lack.rung.value)
        found += [f"not by {', '.join(rungs)}: {why}" for why, rungs in reasons.items()]
        return [*found, *self.notes]

    def lines(self) -> list[str]:
        """All that there is to say of it."""
        found = [self.head, *(f"  {remark}" for remark in self.remarks())]
        for stack in self.stacks:
            found += ["", stack.head, *stack.lines()]
        return found


class ProcessProfile(Struct, frozen=True):
    """Where a process spent its time."""

    process: str
    pid: int
    by: Rung
    """`py-spy`, or `agent`: then only where the GIL is let go is seen."""
    rate: float
    """Samples a second that were asked for."""
    seconds: float
    samples: int
    """Stacks seen; more than one at a time if several threads work."""
    stacks: tuple[tuple[tuple[str, ...], int], ...] = ()
    """Frames, the outermost first, as `function (file:line)`, and how often they were seen."""
    errors: int = 0
    """Times that the process could not be read."""
    lacks: tuple[Lack, ...] = ()
    notes: tuple[str, ...] = ()
