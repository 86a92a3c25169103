"""The node's own metrics, from facts that have been gathered: pure functions, no I/O and no clock.

Names are `limpet_…`, with the unit at the end; `process` is the instance (`web.1`), and of what comes from an
agent the very process (`web.1/4711` below it).
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from limpet_supervisor.model.figures import Figures
from limpet_supervisor.model.health import LAG_BOUNDS, WELL, Line, Vitals
from limpet_supervisor.model.status import NodeFacts, NodeState, State
from limpet_supervisor.runtime.openmetrics import Family, Histogram, Sample, Value

PROCESS: Final = ("process",)


class ProcessFacts(NamedTuple):
    """What is known of one instance."""

    name: str
    state: State
    ready: bool
    wanted: bool
    pid: int | None
    restarts: int
    starts: int
    ends: Mapping[str, int]
    """By cause."""
    started_at: float | None = None
    """Wall-clock time, Unix seconds."""
    figures: Figures | None = None


class Facts(NamedTuple):
    """What is known of the node."""

    limpet: str
    node: NodeFacts
    processes: list[ProcessFacts]
    health: tuple[Line, ...]
    vitals: Mapping[str, Vitals]
    """Of each process with an agent that measures."""
    agents: Mapping[str, float]
    """Seconds that each agent took to answer this scrape."""
    late: int
    requests: int
    garbage: int
    took: Histogram
    escalations: int
    scrapes: int


def families(
    facts: Facts, kernel: Mapping[str, tuple[float, int | None]], dropped: Mapping[str, int]
) -> list[Family]:
    """All of the node's own.

    Args:
        facts: what the node knows.
        kernel: of each instance that runs: seconds of CPU, bytes of PSS.
        dropped: series of the application's metrics that were left out, by the reason.
    """
    return [
        *_node(facts, dropped),
        *_processes(facts),
        *_used(facts, kernel),
        *_felt(facts),
        *_health(facts),
    ]


def _node(facts: Facts, dropped: Mapping[str, int]) -> Iterator[Family]:
    node = facts.node
    about = (("name", "version", "limpet"), [((node.name, node.version, facts.limpet), 1)])
    yield Family("limpet_node", "info", "The release, and Limpet's own version.", *about)
    yield _one("limpet_node_uptime_seconds", "gauge", "Since the node began.", node.uptime, "seconds")
    yield _one("limpet_node_ready", "gauge", "1: all that shall run is ready.", int(_is_ready(node)))
    yield _one("limpet_escalations", "counter", "Supervisors that have given up.", facts.escalations)
    states = [((state.value,), sum(each.state is state for each in facts.processes)) for state in State]
    yield Family("limpet_processes", "gauge", "Instances by their state.", ("state",), states)
    yield _one("limpet_control_requests", "counter", "Requests on the control socket.", facts.requests)
    yield _one("limpet_control_garbage", "counter", "Requests that could not be read.", facts.garbage)
    yield _one(
        "limpet_control_seconds",
        "histogram",
        "Time that the loop has spent on each request.",
        facts.took,
        "seconds",
    )
    yield _one("limpet_scrapes", "counter", "Times that metrics were asked for.", facts.scrapes)
    yield _one(
        "limpet_scrape_late_agents", "counter", "Agents that did not answer a scrape in time.", facts.late
    )
    left_out = [((reason,), count) for reason, count in sorted(dropped.items())]
    yield Family(
        "limpet_scrape_dropped",
        "counter",
        "Of the application's metrics, what was left out: series or families, at each scrape.",
        ("reason",),
        left_out,
    )


def _is_ready(node: NodeFacts) -> bool:
    return node.state is NodeState.RUNNING and node.ready >= node.wanted


def _processes(facts: Facts) -> Iterator[Family]:
    each = facts.processes
    yield _of_each(
        "limpet_process_up", "gauge", "1: it runs.", {p.name: int(p.pid is not None) for p in each}
    )
    yield _of_each("limpet_process_ready", "gauge", "1: it is ready.", {p.name: int(p.ready) for p in each})
    yield _of_each(
        "limpet_process_wanted", "gauge", "1: it shall run.", {p.name: int(p.wanted) for p in each}
    )
    yield _of_each(
        "limpet_process_restarts",
        "counter",
        "Times that its supervisor has started it again.",
        {p.name: p.restarts for p in each},
    )
    yield _of_each(
        "limpet_process_starts", "counter", "Times that it was started.", {p.name: p.starts for p in each}
    )
    ends: list[Sample] = [((p.name, cause), count) for p in each for cause, count in sorted(p.ends.items())]
    help_ = "Times that it has ended, by the cause: crash, exit, signal, stopped, liveness, memory, …"
    yield Family("limpet_process_ends", "counter", help_, ("process", "cause"), ends)
    yield _of_each(
        "limpet_process_start_time_seconds",
        "gauge",
        "When it was started, Unix time.",
        {p.name: p.started_at for p in each},
        "seconds",
    )


def _used(facts: Facts, kernel: Mapping[str, tuple[float, int | None]]) -> Iterator[Family]:
    known = {p.name: p.figures for p in facts.processes if p.figures is not None}
    yield _of_each(
        "limpet_process_cpu_seconds",
        "counter",
        "CPU time of it and all below it.",
        {name: cpu for name, (cpu, _) in kernel.items()},
        "seconds",
    )
    for name, help_, values, unit in (
        (
            "resident_memory_bytes",
            "Resident memory of it and all below it; what they share is counted for each.",
            {name: each.memory for name, each in known.items()},
            "bytes",
        ),
        (
            "proportional_memory_bytes",
            "PSS of it and all below it: what they share is counted once; at most a minute old.",
            {name: pss for name, (_, pss) in kernel.items()},
            "bytes",
        ),
        ("open_fds", "Open descriptors.", {name: each.fds for name, each in known.items()}, ""),
        (
            "max_fds",
            "Limit of open descriptors of its main process.",
            {name: each.fds_limit for name, each in known.items()},
            "",
        ),
        ("threads", "Threads.", {name: each.threads for name, each in known.items()}, ""),
        ("tree_size", "Processes: it and those below it.", _running(known), ""),
    ):
        yield _of_each(f"limpet_process_{name}", "gauge", help_, values, unit)
    yield _of_each(
        "limpet_process_log_bytes",
        "counter",
        "Bytes of its output that were moved.",
        {name: each.written for name, each in known.items()},
        "bytes",
    )
    yield _of_each(
        "limpet_process_log_dropped_lines",
        "counter",
        "Lines of its output that reached no file, for a full disk.",
        {name: each.lost for name, each in known.items()},
    )


def _running(known: Mapping[str, Figures]) -> dict[str, float | None]:
    return {name: each.processes or None for name, each in known.items()}


def _felt(facts: Facts) -> Iterator[Family]:
    vitals = facts.vitals
    lags: dict[str, Value | None] = {
        name: Histogram(LAG_BOUNDS, each.lags.counts, each.lags.sum)
        for name, each in vitals.items()
        if each.lag is not None and len(each.lags.counts) == len(LAG_BOUNDS) + 1
    }
    yield _of_each(
        "limpet_process_loop_lag_seconds",
        "histogram",
        "How late a callback runs that is handed to its event loop.",
        lags,
        "seconds",
    )
    for name, help_, values in (
        (
            "loop_blocked_seconds",
            "For how long its event loop has been blocked now; 0: it goes round.",
            {name: each.lag.now for name, each in vitals.items() if each.lag is not None},
        ),
        (
            "loop_lag_max_seconds",
            "The longest lag of the last ten seconds.",
            {name: each.lag.max for name, each in vitals.items() if each.lag is not None},
        ),
        (
            "gil_wait_max_seconds",
            "The longest wait for the interpreter, or a CPU, of the last ten seconds.",
            {name: each.gil_wait.max for name, each in vitals.items() if each.gil_wait is not None},
        ),
        (
            "gc_pause_max_seconds",
            "The longest pause for the garbage collector of the last ten seconds.",
            {name: each.gc.pause for name, each in vitals.items()},
        ),
    ):
        yield _of_each(f"limpet_process_{name}", "gauge", help_, values, "seconds")
    yield _of_each(
        "limpet_process_gc_seconds",
        "counter",
        "Time spent in the garbage collector since it is measured.",
        {name: each.gc.seconds for name, each in vitals.items()},
        "seconds",
    )
    collections: list[Sample] = [
        ((name, str(generation)), count)
        for name, each in vitals.items()
        for generation, count in enumerate(each.gc.collections)
    ]
    yield Family(
        "limpet_process_gc_collections",
        "counter",
        "Collections since they are measured.",
        ("process", "generation"),
        collections,
    )
    yield _of_each(
        "limpet_agent_answer_seconds",
        "gauge",
        "How long its agent took to answer this scrape.",
        facts.agents,
        "seconds",
    )


def _health(facts: Facts) -> Iterator[Family]:
    samples: dict[tuple[str, ...], Value] = {}
    for line in facts.health:
        key = (line.check, line.process)
        samples[key] = min(samples.get(key, 1), int(line.status in WELL))
    yield Family(
        "limpet_health_check",
        "gauge",
        "1: well (ok or warning); 0: failing, too late, or not known.",
        ("check", "process"),
        list(samples.items()),
    )
    warned: list[Sample] = [
        ((line.check, line.process), 1) for line in facts.health if line.status.value == "warning"
    ]
    yield Family(
        "limpet_health_warning",
        "gauge",
        "1: a check warns.",
        ("check", "process"),
        list(dict(warned).items()),
    )


def _one(name: str, kind: str, help_: str, value: Value, unit: str = "") -> Family:
    return Family(name, kind, help_, (), [((), value)], unit)


def _of_each(name: str, kind: str, help_: str, values: Mapping[str, Value | None], unit: str = "") -> Family:
    samples: list[Sample] = [((of,), value) for of, value in values.items() if value is not None]
    return Family(name, kind, help_, PROCESS, samples, unit)
