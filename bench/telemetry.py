"""What telemetry costs, beside a call of an empty function with the same arguments; and beside its peers.

    .venv/bin/python bench/telemetry.py [PYTHON…]

All is measured by turns, so that what disturbs one disturbs all, and of each the least is taken. `ready`: the
arguments are there; `written`: they are made at the call, as calls are written: `execute(("bookshop",
"checkout", "stop"), {"duration": 0.1}, {"cart": "ada"})`. Peers are measured if the Python has them
(blinker, prometheus_client, opentelemetry-api and -sdk).
"""

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROUNDS = 300
CALLS = 1_000

READY = "f(event, measurements, metadata)"
WRITTEN = 'f(("bookshop", "checkout", "stop"), {"duration": 0.1}, {"cart": "ada"})'
LOOP = "def run(f, event, measurements, metadata):\n    for _ in range(CALLS):\n        {}\n"

Run = Callable[[], None]


def loop(statement: str, function: object) -> Run:
    """Runs the statement `CALLS` times, in a code object of its own: what one specialises slows no other."""
    space: dict = {"CALLS": CALLS}
    exec(compile(LOOP.format(statement), "<bench>", "exec"), space)
    event = ("bookshop", "checkout", "stop")
    return lambda: space["run"](function, event, {"duration": 0.1}, {"cart": "ada"})


def least(runs: dict[str, tuple[Run, Callable[[], Run | None]]]) -> dict[str, float]:
    """Nanoseconds a call of each, by turns; before its turn each is set up, and after it taken down."""
    found = dict.fromkeys(runs, float("inf"))
    for _ in range(ROUNDS):
        for name, (run, prepare) in runs.items():
            undo = prepare()
            run()
            began = time.perf_counter_ns()
            run()
            found[name] = min(found[name], (time.perf_counter_ns() - began) / CALLS)
            if undo is not None:
                undo()
    return found


def empty(event, measurements=None, metadata=None):
    pass


def handler(event, measurements, metadata, config):
    pass


TABLE = {("bookshop", "checkout", "stop"): None, ("bookshop", "checkout", "start"): None}


def look_up(event, _measurements=None, _metadata=None):
    """What whoever asks anything about an event cannot do without: its hash, and one look into a table."""
    TABLE[event]


def nothing() -> None:
    return None


def dispatch() -> None:
    from limpet import telemetry

    stop = ("bookshop", "checkout", "stop")

    def attached(*events: telemetry.Event, times: int = 1) -> Callable[[], Run]:
        def prepare() -> Run:
            for number in range(times):
                telemetry.attach_many(number, events, handler)
            return lambda: [telemetry.detach(number) for number in range(times)] and None

        return prepare

    variants: dict[str, Callable[[], Run | None]] = {
        "no handler": nothing,
        "none, others have": attached(("bookshop", "checkout", "start"), ("bookshop", "open")),
        "one handler": attached(stop),
        "two handlers": attached(stop, times=2),
    }
    runs = {}
    for way, statement in (("ready", READY), ("written", WRITTEN)):
        runs[f"{way} empty"] = (loop(statement, empty), nothing)
        for name, prepare in variants.items():
            runs[f"{way} {name}"] = (loop(statement, telemetry.execute), prepare)
    peer = blinker()
    if peer is not None:
        for name, receivers in (("blinker, none", 0), ("blinker, one", 1)):
            for way, statement in (("ready", READY), ("written", WRITTEN)):
                runs[f"{way} {name}"] = (loop(statement, peer(receivers)), nothing)
        variants |= {"blinker, none": nothing, "blinker, one": nothing}
    for way, statement in (("ready", READY), ("written", WRITTEN)):
        runs[f"{way} one look-up"] = (loop(statement, look_up), nothing)
    variants["one look-up"] = nothing
    found = least(runs)
    bases = {way: found[f"{way} empty"] for way in ("ready", "written")}
    print(f"  empty function: {bases['ready']:.0f} ns ready, {bases['written']:.0f} written")
    print("  execute               ready        written")
    for name in variants:
        row = (
            f"{found[f'{way} {name}']:4.0f} ns {found[f'{way} {name}'] / bases[way]:4.2f}x" for way in bases
        )
        print(f"  {name:18} {'   '.join(row)}")


def blinker():
    if importlib.util.find_spec("blinker") is None:
        return None
    from blinker import Signal

    def receive(_sender, **_about):
        pass

    def made(receivers: int):
        signal = Signal()
        if receivers:
            signal.connect(receive)

        def send(event, measurements, metadata):
            signal.send(event, measurements=measurements, metadata=metadata)

        send.keep = receive
        return send

    return made


def aggregates() -> None:
    from limpet import telemetry

    def measured(metric: telemetry.Metric) -> Callable[[], Run]:
        return lambda: telemetry.metrics([metric]).detach

    name = "bookshop.checkout.stop.duration"
    variants = {
        "counter": telemetry.counter(name),
        "counter by a tag": telemetry.counter(name, tags=["cart"]),
        "last_value": telemetry.last_value(name),
        "summary": telemetry.summary(name),
        "distribution": telemetry.distribution(name),
        "distribution by a tag": telemetry.distribution(name, tags=["cart"]),
    }
    runs: dict = {
        title: (loop(READY, telemetry.execute), measured(metric)) for title, metric in variants.items()
    }
    runs |= {title: (loop("f()", function), nothing) for title, function in peers().items()}
    runs["span, no handler"] = (loop("with f(event): pass", telemetry.span), nothing)

    def heard() -> Run:
        telemetry.attach_many(
            "h", [("bookshop", "checkout", "stop", end) for end in ("start", "stop")], handler
        )
        return lambda: telemetry.detach("h")

    runs["span, start and stop heard"] = (loop("with f(event, metadata): pass", telemetry.span), heard)
    for title, took in least(runs).items():
        print(f"  {title:34} {took:5.0f} ns")


def peers() -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {}
    if importlib.util.find_spec("prometheus_client"):
        from prometheus_client import CollectorRegistry, Counter, Histogram

        registry = CollectorRegistry()
        counter = Counter("a", "a", ["cart"], registry=registry)
        histogram = Histogram("b", "b", ["cart"], registry=registry)
        found["prometheus_client counter, label"] = lambda: counter.labels("ada").inc()
        found["prometheus_client histogram, label"] = lambda: histogram.labels("ada").observe(0.1)
    if importlib.util.find_spec("opentelemetry") and importlib.util.find_spec("opentelemetry.sdk"):
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader

        meter = MeterProvider([InMemoryMetricReader()]).get_meter("bench")
        otel, otel_histogram = meter.create_counter("a"), meter.create_histogram("b")
        about = {"cart": "ada"}
        found["opentelemetry-sdk counter"] = lambda: otel.add(1, about)
        found["opentelemetry-sdk histogram"] = lambda: otel_histogram.record(0.1, about)
    return found


def start_up() -> None:
    """What an import costs a process, beside one that has the modules of the standard library already."""
    times = {}
    for name, source in (
        ("import limpet", "import limpet"),
        ("typing and functools", "import typing, functools"),
        ("limpet.telemetry, after those", "import typing, functools; T(); from limpet import telemetry"),
    ):
        program = (
            f"from time import process_time as T\nb=T()\n{source.replace('T();', 'b=T();')}\nprint(T()-b)"
        )
        took = [
            float(
                subprocess.check_output(
                    [sys.executable, "-c", program], env={"PYTHONPATH": str(ROOT / "agent")}
                )
            )
            for _ in range(10)
        ]
        times[name] = min(took) * 1000
    for name, took in times.items():
        print(f"  {name:34} {took:5.2f} ms")


def main() -> None:
    if sys.argv[1:] == ["here"]:
        sys.path.insert(0, str(ROOT / "agent"))
        print(f"Python {sys.version.split()[0]}")
        dispatch()
        aggregates()
        start_up()
        return
    sys.path.insert(0, str(ROOT / "tests"))
    sys.path.insert(0, str(ROOT / "supervisor"))
    from support.agent import MINORS, interpreter

    for python in sys.argv[1:] or filter(None, map(interpreter, MINORS)):
        subprocess.run([python, __file__, "here"], check=True)


if __name__ == "__main__":
    main()
