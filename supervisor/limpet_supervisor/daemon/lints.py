"""Lints about the running system: what is wrong, or will be soon, by facts that have been gathered elsewhere.

A pure function over values: it asks nobody, and says the same of the same facts.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from limpet_supervisor.model.figures import Figures, Finding, Limit
from limpet_supervisor.model.status import Death, ProcessStatus, State
from limpet_supervisor.model.units import format_duration, format_size

NEAR: Final = 0.85
"""Used part of a limit from which it is near."""
_FULL: Final = 0.95
_STORM: Final = 3
"""Ends by itself within _STORM_WINDOW that are a storm."""
_STORM_WINDOW: Final = 60.0
_KILLED: Final = 2
"""Stops in a row that took SIGKILL."""
_LAG: Final = 0.5
"""Seconds that a loop may be late."""
_SAMPLES: Final = 8
_SPAN: Final = 120.0
"""Seconds that samples must cover before growth means anything."""
_RISING: Final = 0.8
"""Part of the steps between samples that do not go down, in growth that does not stop."""
_MEMORY: Final = 0.1
"""Part of its memory by which a process must have grown."""
_LEAST_MEMORY: Final = 8 * 1024 * 1024
_FDS: Final = 16
_SLOW_START: Final = 60.0
_SEVERITIES: Final = ("critical", "warning", "info")


class Sample(NamedTuple):
    """What a process used at a time."""

    at: float
    pid: int
    memory: int
    fds: int


class Facts(NamedTuple):
    """What is known of one instance."""

    status: ProcessStatus
    figures: Figures
    deaths: Sequence[Death] = ()
    """Newest first."""
    samples: Sequence[Sample] = ()
    """Of its present process, oldest first."""
    shutdown: float = 10.0
    """Seconds; 0 is brutal_kill."""
    max_memory: int | None = None
    wants_agent: bool = True
    waits_on_full: bool = True
    """Whether it waits when its output cannot be written; else lines are dropped."""
    lag: float | None = None
    """Seconds that its event loop was late at most within the last ten; None: not measured."""
    blocked: tuple[float, str] | None = None
    """Seconds for which its loop or its interpreter does not answer now, and what is known of it; 0: it does;
    None: nobody measures."""


def lints(processes: Iterable[Facts], limits: Iterable[Limit], now: float) -> tuple[Finding, ...]:
    """All findings, the worst first.

    Args:
        processes: every instance.
        limits: of the node and its host.
        now: wall-clock time, as the deaths'.
    """
    found = [finding for each in limits if (finding := _near(each, "")) is not None]
    for process in processes:
        found += _of_process(process, now)
    return tuple(sorted(found, key=lambda each: _SEVERITIES.index(each.severity)))


def storm(deaths: Iterable[Death], now: float) -> list[Death]:
    """The ends by itself within the last minute, if they are so many that they are a storm; else none.

    Args:
        deaths: of one instance.
        now: wall-clock time, as the deaths'.
    """
    recent = [
        death
        for death in deaths
        if now - death.at <= _STORM_WINDOW and not death.cause.startswith(("stopped", "restarted", "removed"))
    ]
    return recent if len(recent) >= _STORM else []


def _of_process(facts: Facts, now: float) -> Iterator[Finding]:
    for rule in (_storm, _life, _killed, _loop, _writer, _memory, _fds, _bounds, _agent):
        yield from rule(facts, now)


def _storm(facts: Facts, now: float) -> Iterator[Finding]:
    """It ends by itself again and again."""
    name = facts.status.name
    if recent := storm(facts.deaths, now):
        how = f"{recent[0].exit}, {recent[0].cause}" if recent[0].pid else recent[0].cause
        text = f"ended {len(recent)} times in the last {_STORM_WINDOW:.0f}s; the last time: {how}"
        yield Finding("restart_storm", "critical", name, text, f"see: why {name}")


def _life(facts: Facts, _now: float) -> Iterator[Finding]:
    """It is not running as it should."""
    status, name = facts.status, facts.status.name
    if status.state is State.FAILED:
        yield Finding(
            "failed", "critical", name, f"given up: {status.reason or 'no reason known'}", f"see: why {name}"
        )
    elif status.state is State.STARTING and (status.uptime or 0) > _SLOW_START:
        text = f"started {format_duration(status.uptime or 0)} ago: {status.reason or 'not ready'}"
        yield Finding("not_ready", "warning", name, text, "look at its log; see ready in its configuration")
    if facts.figures.kernel_state in ("T", "t"):
        text = "its process is stopped by a signal or a debugger: it does nothing"
        yield Finding("halted", "critical", name, text, f"send it CONT: signal CONT {name}")
    if facts.figures.zombies >= _STORM:
        text = f"{facts.figures.zombies} of its children have ended, and it does not wait for them"
        yield Finding("zombies", "warning", name, text, "it must call wait(2) for what it starts")


def _killed(facts: Facts, _now: float) -> Iterator[Finding]:
    """It never stops by itself when it is told to."""
    stops = [
        death
        for death in facts.deaths
        if death.pid and death.cause.startswith(("stopped", "restarted", "removed", "reached max_age"))
    ]
    last = stops[:5]
    if facts.shutdown and len(last) >= _KILLED and all(death.exit.signal == "SIGKILL" for death in last):
        name = facts.status.name
        text = f"had to be killed at each of its last {len(last)} stops: it ignores its stop signal"
        box = f"what it was doing is in {last[0].black_box}" if last[0].black_box else ""
        yield Finding(
            "always_killed", "warning", name, text, box or "handle the signal, or give it more time"
        )


def _loop(facts: Facts, _now: float) -> Iterator[Finding]:
    """Its event loop is blocked, or its interpreter does not answer."""
    name = facts.status.name
    seconds, why = facts.blocked or (0.0, "")
    if seconds > 0:
        text = f"for {format_duration(seconds)}: {why}"
        yield Finding("blocked", "critical", name, text, f"see: stacks {name}")
    elif facts.lag is not None and facts.lag >= _LAG:
        text = f"its event loop was late by {facts.lag:.1f}s: something on it does not await"
        yield Finding("late_loop", "warning", name, text, f"at the console: profile(), or see: stacks {name}")


def _writer(facts: Facts, _now: float) -> Iterator[Finding]:
    """Its output cannot be written."""
    figures, name = facts.figures, facts.status.name
    if figures.problem:
        then = "it waits with its next line" if facts.waits_on_full else "its lines are dropped"
        yield Finding(
            "writer_blocked",
            "critical",
            name,
            f"its log cannot be written: {figures.problem}; {then}",
            "make room",
        )
    elif figures.lost:
        yield Finding(
            "lines_lost", "info", name, f"{figures.lost:,} lines of its output were lost to a full disk"
        )


def _memory(facts: Facts, _now: float) -> Iterator[Finding]:
    """It grows and grows."""
    grown = _growth([(each.at, each.memory) for each in facts.samples])
    if grown is None:
        return
    by, span, last = grown
    if by < max(_LEAST_MEMORY, _MEMORY * (last - by)):
        return
    name = facts.status.name
    text = f"its memory has grown by {format_size(by)} to {format_size(last)} in {format_duration(span)}"
    if facts.max_memory and last < facts.max_memory:
        text += f"; max_memory is reached in {format_duration((facts.max_memory - last) / (by / span))}"
    yield Finding(
        "memory_leak", "warning", name, text, "see its memory page; at the console: growth(), types()"
    )


def _fds(facts: Facts, _now: float) -> Iterator[Finding]:
    """It opens and never closes."""
    grown = _growth([(each.at, each.fds) for each in facts.samples])
    if grown is None or grown[0] < _FDS:
        return
    by, span, last = grown
    limit = facts.figures.fds_limit
    text = f"its open descriptors have grown by {by:.0f} to {last:.0f} in {format_duration(span)}"
    if limit and facts.figures.processes == 1 and last < limit:
        text += f"; its limit of {limit:,} is reached in {format_duration((limit - last) / (by / span))}"
    yield Finding("fd_leak", "warning", facts.status.name, text, "see its open files and connections")


def _growth(points: Sequence[tuple[float, float]]) -> tuple[float, float, float] | None:
    """(by how much, in how many seconds, to what), if it rose all the time; None: it did not, or who knows.

    The first fifth is left out where enough remains: what starts fills its caches.
    """
    if len(points) >= 2 * _SAMPLES:
        points = points[len(points) // 5 :]
    if len(points) < _SAMPLES or points[-1][0] - points[0][0] < _SPAN:
        return None
    steps = [after - before for (_, before), (_, after) in pairwise(points)]
    rising = sum(step > 0 for step in steps)
    falling = sum(step < 0 for step in steps)
    # A process that allocated once and stayed there has grown, and leaks nothing: rises must be spread out.
    half = len(steps) // 2
    spread = any(step > 0 for step in steps[:half]) and any(step > 0 for step in steps[half:])
    if not spread or rising < 4 or rising < _RISING * (rising + falling):
        return None
    return points[-1][1] - points[0][1], points[-1][0] - points[0][0], points[-1][1]


def _bounds(facts: Facts, _now: float) -> Iterator[Finding]:
    """It comes near to what it may have."""
    figures = facts.figures
    limits = []
    if figures.fds is not None and figures.fds_limit and figures.processes == 1:
        limits.append(Limit("its open descriptors", figures.fds, figures.fds_limit))
    if figures.memory is not None and facts.max_memory:
        limits.append(Limit("its max_memory", figures.memory, facts.max_memory, "bytes"))
    for limit in limits:
        if (finding := _near(limit, facts.status.name)) is not None:
            yield finding


def _near(limit: Limit, process: str) -> Finding | None:
    if limit.share < NEAR:
        return None
    show = format_size if limit.unit == "bytes" else "{:,.0f}".format
    text = f"{limit.name}: {show(limit.used)} of {show(limit.limit)}, {100 * limit.share:.0f} %"
    return Finding("near_limit", "critical" if limit.share >= _FULL else "warning", process, text)


def _agent(facts: Facts, _now: float) -> Iterator[Finding]:
    """It cannot be looked into."""
    status = facts.status
    if facts.wants_agent and status.agent == "none" and status.ready and status.pid is not None:
        reason = status.agent_reason or "no reason known"
        if reason != "it has just been started":
            yield Finding("no_agent", "info", status.name, f"no agent: {reason}")
