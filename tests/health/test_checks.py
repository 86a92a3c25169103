"""Health checks in an application's process: what each comes to, whatever it does."""

import threading
from typing import Any

import pytest

from limpet import health
from limpet.stage1 import checks
from support.agent import Child, Daemon, Peer

CHECKS = """
import asyncio, functools, sys, threading, time
from limpet import health

calls = []

def check(name, **options):
    return health.check(name, **{"every": 0.05, "timeout": 5, **options})

class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text either")

class Kind(type):
    @property
    def __name__(cls):
        raise RuntimeError("no name")

class Odd(metaclass=Kind):
    def __bool__(self):
        raise RuntimeError("no truth")
    __eq__ = __hash__ = __str__ = __repr__ = __bool__

class Callable:
    async def __call__(self):
        await asyncio.sleep(0)
        return health.warning("nearly full")

check("none")(lambda: None)
check("true")(lambda: True)
check("ok")(lambda: "ok")
check("false")(lambda: False)
check("text", critical=False)(lambda: "the pool is exhausted")
check("warning")(lambda: health.warning("slow"))
check("number")(lambda: 0)
check("odd")(Odd)
check("method")(functools.partial(health.failing, "by hand"))
check("callable")(Callable())

@check("raises")
def raises():
    raise ConnectionError("no route to the database")

@check("unprintable")
def unprintable():
    raise Unprintable

@check("exits")
def exits():
    sys.exit(3)

@check("hangs", timeout=0.1)
def hangs():
    calls.append("hangs")
    threading.Event().wait()

@check("wants_more")
def wants_more(argument):
    pass

@check("async_ok")
async def async_ok():
    await asyncio.sleep(0.001)

@check("async_raises")
async def async_raises():
    await asyncio.sleep(0)
    raise KeyError("row")

@check("async_exits")
async def async_exits():
    sys.exit(3)

@check("async_hangs", timeout=0.1)
async def async_hangs():
    await asyncio.Event().wait()

beats = 0

async def main():
    global beats
    loop = asyncio.get_running_loop()
    line = loop.run_in_executor(None, sys.stdin.readline)
    while not line.done():
        beats += 1
        await asyncio.sleep(0.001)
    names = sorted(task.get_name() for task in asyncio.all_tasks())
    print(calls.count("hangs"), names, flush=True)

asyncio.run(main())
"""

COMES_TO = {
    "none": ("ok", ""),
    "true": ("ok", ""),
    "ok": ("ok", ""),
    "false": ("failing", "it returned False"),
    "text": ("failing", "the pool is exhausted"),
    "warning": ("warning", "slow"),
    "number": ("unknown", "it returned a int, which says nothing"),
    "odd": ("unknown", "it returned a Odd, which says nothing"),
    "method": ("failing", "by hand"),
    "callable": ("warning", "nearly full"),
    "raises": ("failing", "ConnectionError: no route to the database"),
    "unprintable": ("failing", "Unprintable"),
    "exits": ("failing", "SystemExit: 3"),
    "hangs": ("timeout", "no result within 0.1s: it is in "),
    "wants_more": ("failing", "TypeError: wants_more() missing 1 required positional argument"),
    "async_ok": ("ok", ""),
    "async_raises": ("failing", "KeyError: 'row'"),
    "async_exits": ("failing", "SystemExit: 3"),
    "async_hangs": ("timeout", "no result within 0.1s"),
}


def served(node: Daemon, source: str) -> tuple[Child, Peer]:
    """A process whose checks run as soon as it says that it has some (see `told`)."""
    child = node.code(source)
    return child, node.accept().load()


def told(peer: Peer, **wanted: Any) -> dict[str, Any]:
    """The next result in which all of this stands."""
    while True:
        pushed = peer.answer(0)
        if pushed.item == "want":
            peer.send("serve")
        if pushed.item == "health" and all(pushed.data.get(key) == value for key, value in wanted.items()):
            data: dict[str, Any] = pushed.data
            return data


def first_of_each(peer: Peer, names: set[str]) -> dict[str, dict[str, Any]]:
    """The first result of each check that was not cut short by a loop that is not there yet."""
    found: dict[str, dict[str, Any]] = {}
    while names - found.keys():
        result = told(peer)
        if "no event loop runs" not in result["reason"]:
            found.setdefault(result["check"], result)
    return found


def test_what_each_check_comes_to(each_python: Daemon) -> None:
    child, peer = served(each_python, CHECKS)
    found = first_of_each(peer, set(COMES_TO))
    assert {name: result["status"] for name, result in found.items()} == {
        name: status for name, (status, _) in COMES_TO.items()
    }
    for name, (_, reason) in COMES_TO.items():
        assert found[name]["reason"].startswith(reason), name
    assert found["text"]["critical"] is False
    # The loop lives, nothing was printed, and none of our tasks is left but those that are under way.
    code, out, err = child.finish(b"\n")
    assert (code, err) == (0, "")
    assert out.count("limpet health check async_raises") <= 1


def test_a_check_that_hangs_runs_once_and_is_told_of_again_and_again(one_python: Daemon) -> None:
    child, peer = served(one_python, CHECKS)
    ages = [told(peer, check="hangs", status="timeout")["took"] for _ in range(5)]
    assert ages == sorted(ages)
    assert len(set(ages)) == 5
    assert child.finish(b"\n")[1].split()[0] == "1"


BLOCKS = """
import asyncio, sys, time
from limpet import health

@health.check("blocks", every=0.05, timeout=0.2)
async def blocks():
    if sys.argv:
        sys.argv.clear()
        time.sleep(1)

@health.check("other", every=0.05, timeout=0.2)
async def other():
    pass

async def main():
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

asyncio.run(main())
"""


def test_a_check_that_blocks_the_loop_is_told_with_its_place_and_heals(one_python: Daemon) -> None:
    child, peer = served(one_python, BLOCKS)
    late = told(peer, check="blocks", status="timeout")
    assert "the event loop is in blocks (app0.py:" in late["reason"]
    # Once the loop goes round again the same check is well.
    assert told(peer, check="blocks", status="ok")["took"] < 1
    assert child.finish(b"\n")[0] == 0


WAITS = """
import asyncio, sys
from limpet import health

@health.check("database", every=0.05)
async def database():
    pass

print("up", flush=True)
sys.stdin.readline()

async def main():
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

asyncio.run(main())
print("bye", flush=True)
sys.stdin.readline()
"""


def test_what_awaits_is_not_known_without_a_loop_and_never_gets_one_of_its_own(one_python: Daemon) -> None:
    child, peer = served(one_python, WAITS)
    assert told(peer)["reason"] == "it awaits, and no event loop runs"
    child.say("")
    assert told(peer, status="ok")["check"] == "database"
    child.say("")
    assert told(peer, status="unknown")["check"] == "database"
    code, _, err = child.finish(b"\n")
    assert (code, err) == (0, ""), "no coroutine was left without being awaited"


BLOCKED = """
import asyncio, sys
from limpet import health

@health.check("database", every=0.05, timeout=0.2)
async def database():
    if sys.argv:  # its first run hangs; if it was begun in time, it is cancelled
        sys.argv.clear()
        await asyncio.Event().wait()

async def main():
    print("up", flush=True)
    sys.stdin.readline()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

asyncio.run(main())
"""


def test_a_run_whose_time_is_over_before_the_loop_comes_to_it_is_not_begun(one_python: Daemon) -> None:
    """Begun late, nothing would ever cancel it, and it would be the last run of that check."""
    child, peer = served(one_python, BLOCKED)
    assert "has not come to it" in told(peer, status="timeout")["reason"]
    child.say("")
    assert told(peer, status="ok")["check"] == "database"
    assert child.finish(b"\n") == (0, "up\n", ""), "no coroutine was left without being awaited"


def test_a_check_that_hangs_is_looked_at_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = threading.Event()
    known = {"hangs": health.Check("hangs", hanging.wait, 3600.0, 3600.0, critical=True)}
    monkeypatch.setattr(health, "_checks", known)
    now = [1000.0]
    monkeypatch.setattr(checks, "monotonic", lambda: now[0])
    service = checks.serve(lambda _frame: None)
    service.look()
    try:
        waits = []
        for passed in (0.0, 0.1, 1.0, 60.0):
            now[0] = 1000.0 + passed
            waits.append(round(service.tick(), 3))
    finally:
        hanging.set()
    assert waits == [0.02, 0.02, 0.1, 0.5]


FORKS = """
import os, sys
from limpet import health

@health.check("mine", every=0.05)
def mine():
    return health.warning(str(os.getpid()))

sys.stdin.readline()
pid = os.fork()
if not pid:
    sys.stdin.readline()
    os._exit(0)
os.waitpid(pid, 0)
"""


def test_a_fork_runs_the_checks_for_itself(one_python: Daemon) -> None:
    child, peer = served(one_python, FORKS)
    assert told(peer)["reason"] == str(child.pid)
    child.say("")
    other = one_python.accept()
    assert other.answer(0).item == "want", "it asks by itself"
    other.load().ask("serve")
    assert told(other)["reason"] == str(other.hello.pid) != str(child.pid)
    assert child.finish(b"\n")[0] == 0


LATER = """
import sys
from limpet import health

sys.stdin.readline()
health.check("late", every=60)(lambda: None)
sys.stdin.readline()
health.check("late", every=60)(lambda: False)
sys.stdin.readline()
"""


def test_a_check_that_is_registered_later_is_asked_for_then(one_python: Daemon) -> None:
    child = one_python.code(LATER)
    peer = one_python.accept().load()
    assert peer.ask("serve").data == {"checks": [], "telemetry": False}
    child.say("")
    assert peer.answer(0).item == "want"
    assert peer.ask("serve").data["checks"] == ["late"]
    assert told(peer)["status"] == "ok"
    child.say("")
    assert peer.answer(0).item == "want", "registered anew: the function that counts is the last one"
    peer.ask("serve")
    assert told(peer)["status"] == "failing"
    assert child.finish(b"\n")[0] == 0
