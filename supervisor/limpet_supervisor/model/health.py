"""How the processes are: results of checks, and what a process feels like from within (its vitals).

An agent pushes vitals and results as JSON; their shapes are these structs'.
"""

from enum import StrEnum
from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

Count: TypeAlias = Annotated[int, Meta(ge=0)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0)]
"""Of these counters are made: one that is negative would make everybody's metrics unreadable."""


class Status(StrEnum):
    """What a check has come to, the best first."""

    OK = "ok"
    WARNING = "warning"
    """Well enough to be used, and somebody should look."""
    UNKNOWN = "unknown"
    """It has not run yet, could not, or its answer meant nothing."""
    FAILING = "failing"
    TIMEOUT = "timeout"
    """It has not ended in time, and may be running still."""


WELL: Final = frozenset({Status.OK, Status.WARNING})


class Result(Struct, frozen=True):
    """What an agent pushes of a check of the application's; with `gone`, that there is no such check now."""

    check: str
    status: Status = Status.UNKNOWN
    reason: str = ""
    critical: bool = True
    every: float = 10.0
    timeout: float = 2.0
    took: float = 0.0
    """Seconds that the run has taken so far."""
    gone: bool = False


class Line(Struct, frozen=True):
    """One check of one process, or of the node."""

    check: str
    status: Status
    process: str = ""
    """`web.1`, `web.1/4711`; of a process as a whole `web`; empty: the node's own."""
    reason: str = ""
    critical: bool = True
    """Whether whatever it belongs to is not ready while it is not well."""
    age: float | None = None
    """Seconds since it was told; None: it is of now."""
    took: float | None = None

    @property
    def is_well(self) -> bool:
        """Whether it stands in nobody's way."""
        return self.status in WELL or not self.critical


class Spread(Struct, frozen=True):
    """Seconds, over the last ten."""

    p50: float = 0.0
    max: float = 0.0
    now: float = 0.0
    """Of a lag: for how long the loop has been blocked so far."""


class Collector(Struct, frozen=True):
    """The garbage collector's pauses."""

    pause: float = 0.0
    """Seconds of the longest of the last ten seconds."""
    seconds: Seconds = 0.0
    """Of all since the measuring began."""
    collections: tuple[Count, ...] = ()
    """Since then, by generation."""


class Lags(Struct, frozen=True):
    """Loop lags since the measuring began, by LAG_BOUNDS; the last count is of those above all bounds."""

    counts: tuple[Count, ...] = ()
    sum: Seconds = 0.0


LAG_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; the agent's own (`limpet.stage1.vitals`), bound by tests/contract."""


class Vitals(Struct, frozen=True):
    """What a process feels like from within."""

    lag: Spread | None = None
    """How late its event loops are; None: there is none."""
    loops: int = 0
    blocked_in: str = ""
    """`function (file:line)` that blocks a loop now."""
    gil_wait: Spread | None = None
    """How long a thread waits for the interpreter, and for a CPU."""
    gc: Collector = Collector()
    lags: Lags = Lags()
