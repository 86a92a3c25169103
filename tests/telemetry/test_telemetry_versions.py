"""Telemetry does the same on every Python that it serves."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.agent import MINORS, interpreter

HERE = Path(__file__).parent


@pytest.mark.parametrize("minor", MINORS)
def test_all_of_it_works(minor: int) -> None:
    python = interpreter(minor)
    if python is None:
        pytest.skip(f"there is no CPython 3.{minor} here")
    ran = subprocess.run(
        [python, "-W", "error", "-W", "ignore:This process:DeprecationWarning", HERE / "application.py"],
        env={"PYTHONPATH": str(HERE.parents[1] / "agent")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in ran.stderr
    assert ran.returncode == 0
    assert json.loads(ran.stdout) == {
        "failures": [["fail", ["shop.sale.stop"], True, 1, 1, "ValueError: no total"]],
        "attached": 2,
        "heard": [
            ["shop", "sale", "stop", "cents"],
            ["shop", "sale", "stop", "cents"],
            ["shop", "sale", "start", "monotonic_time", "system_time"],
            ["shop", "sale", "start", "monotonic_time", "system_time"],
            ["shop", "sale", "stop", "cents", "duration", "left", "monotonic_time"],
            ["shop", "sale", "stop", "cents", "duration", "left", "monotonic_time"],
        ],
        "snapshot": [
            {
                "name": "shop_sale_stop_count",
                "kind": "counter",
                "help": "",
                "unit": "",
                "labels": ["kind"],
                "samples": [[["a"], 1], [["b"], 1]],
                "dropped": 0,
                "invalid": 0,
            },
            {
                "name": "shop_sale_stop_cents",
                "kind": "histogram",
                "help": "",
                "unit": "",
                "labels": [],
                "samples": [[[], {"buckets": [0, 2, 0], "count": 2, "sum": 14}]],
                "dropped": 0,
                "invalid": 0,
                "bounds": [1, 10],
            },
            {
                "name": "shop_sale_stop_left",
                "kind": "summary",
                "help": "",
                "unit": "",
                "labels": [],
                "samples": [
                    [
                        [],
                        {
                            "count": 2,
                            "sum": 2,
                            "min": 1,
                            "max": 1,
                            "quantiles": {"0.5": 1, "0.9": 1, "0.95": 1, "0.99": 1},
                        },
                    ]
                ],
                "dropped": 0,
                "invalid": 0,
            },
        ],
        "logged": {"level": "ERROR", "logger": "shop"},
        "child": [[[], [[[], {"buckets": [0, 0, 0], "count": 0, "sum": 0}]], []], True],
    }


@pytest.mark.parametrize("minor", MINORS)
def test_importing_limpet_imports_no_telemetry_and_telemetry_nothing_heavy(minor: int) -> None:
    python = interpreter(minor)
    if python is None:
        pytest.skip(f"there is no CPython 3.{minor} here")
    code = """
import sys
import limpet
assert "limpet.telemetry" not in sys.modules
before = set(sys.modules)
assert limpet.telemetry.execute
new = set(sys.modules) - before
print(*sorted(new & {"asyncio", "threading", "logging", "inspect", "re", "json", "limpet.agent"}))
print(*sorted(name for name in new if name.startswith("limpet.telemetry.")))
"""
    ran = subprocess.run(
        [
            python,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(HERE.parents[1] / 'agent')!r}){code}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    heavy, ours = ran.stdout.split("\n")[:2]
    assert set(heavy.split()) <= {"re"}  # which `typing` loads before Python 3.13
    assert [name.rpartition(".")[2] for name in ours.split()] == [
        "definitions",
        "dispatch",
        "failures",
        "poller",
        "registry",
        "series",
        "spans",
    ]


def test_greenlets_of_gevent_have_spans_of_their_own_and_lose_no_event() -> None:
    """Everything is patched, threads and locks included; several are in a failing handler at once."""
    code = """
from gevent import monkey
monkey.patch_all()
import gevent, time
from limpet import telemetry
parents = {}
handled = []
def hear(event, measurements, metadata, config):
    parents[metadata["name"]] = metadata["telemetry_parent_span_context"]
def slow(*told):
    time.sleep(0)
    handled.append(1)
    raise ValueError
telemetry.attach("hear", ("work", "start"), hear)
telemetry.attach("slow", ("work", "stop"), slow)
telemetry.metrics([telemetry.counter("work.stop.count")])
def work(name):
    with telemetry.span(("work",), {"name": name}) as span:
        time.sleep(0)
        with telemetry.span(("work",), {"name": name + "'s"}):
            time.sleep(0)
        assert parents[name + "'s"] == span.context and parents[name] is None
polled = gevent.event.Event()
poll = telemetry.poll(polled.set, every="1ms")
gevent.joinall([gevent.spawn(work, str(number)) for number in range(20)], raise_error=True)
assert polled.wait(30)
poll.stop()
(failure,) = telemetry.failures()
assert len(handled) == failure.failed and failure.failed + failure.missed == 40, failure
print(telemetry.snapshot()[0]["samples"])
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(HERE.parents[1] / "agent")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("[[[], 40]]\n", "")


def test_a_poll_of_gevent_s_goes_on_once_in_the_child_of_a_fork() -> None:
    """Greenlets come along into the child, as threads do not."""
    source = """
from gevent import monkey
monkey.patch_all()
import gevent, os
from limpet import telemetry
callers = []
enough = gevent.event.Event()
def polled():
    callers.append(gevent.getcurrent())
    if len(callers) == 8:
        enough.set()
telemetry.poll(polled, every="5ms")
assert enough.wait(30)
child = os.fork()
callers.clear()
enough.clear()
assert enough.wait(30)
assert len(set(callers)) == 1, callers
if child:
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    ran = subprocess.run(
        [sys.executable, "-c", source],
        env={"PYTHONPATH": str(HERE.parents[1] / "agent")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("0\n", "")
