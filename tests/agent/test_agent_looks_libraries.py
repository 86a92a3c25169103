"""Looks at processes whose loops and threads are not the standard library's: uvloop, anyio, gevent."""

import sys
import sysconfig
from collections.abc import Iterator
from typing import Any

import pytest

from support.agent import Daemon, Peer, daemon, interpreter


@pytest.fixture
def here() -> Iterator[Daemon]:
    """With this Python, and what is installed for it."""
    python = interpreter(sys.version_info[1])
    assert python is not None
    with daemon(python) as made:
        made.environment["PYTHONPATH"] += f":{sysconfig.get_path('purelib')}"
        yield made


def rows(peer: Peer, what: str, **arguments: Any) -> list[dict[str, Any]]:
    found = peer.ask("inspect", what=what, arguments=arguments)
    assert found.ok, found.error
    return list(found.data["rows"])


UVLOOP = """
import asyncio, sys, uvloop
async def ticks():
    while True:
        await asyncio.sleep(100)
async def main():
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(ticks(), name="ticks")
    while task._fut_waiter is None:
        await asyncio.sleep(0)
    print("up", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
uvloop.run(main())
"""


def test_uvloop_s_timers_and_executor_are_seen(here: Daemon) -> None:
    pytest.importorskip("uvloop")
    child = here.code(UVLOOP)
    peer = here.accept().load()
    assert child.hear() == "up"
    (timer,) = rows(peer, "timers")
    assert timer["task"] == "ticks"
    assert 0 < timer["due"] <= 100
    (loop,) = rows(peer, "loop")
    assert (loop["loop"], loop["thread"], loop["debug"]) == ("uvloop.Loop", "MainThread", False)
    assert (loop["timers"], loop["tasks"], loop["executor_threads"]) == (1, 2, 1)
    assert {row["task"]: row["coroutine"] for row in rows(peer, "tasks")}["ticks"] == "ticks"
    assert child.finish(b"\n") == (0, "", "")


ANYIO = """
import anyio, asyncio, sys
async def child():
    await anyio.sleep(1000)
async def main():
    async with anyio.create_task_group() as group:
        group.start_soon(child, name="child")
        while not any(task.get_name() == "child" and task._fut_waiter for task in asyncio.all_tasks()):
            await asyncio.sleep(0)
        print("up", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        group.cancel_scope.cancel()
anyio.run(main)
"""


def test_who_waits_for_a_task_of_anyio_is_known(here: Daemon) -> None:
    pytest.importorskip("anyio")
    child = here.code(ANYIO)
    peer = here.accept().load()
    assert child.hear() == "up"
    found = {row["task"]: row for row in rows(peer, "tasks")}
    assert found["child"]["awaited_by"] == ["__main__.main"]
    assert child.finish(b"\n") == (0, "", "")


GEVENT = """
import gevent.monkey
gevent.monkey.patch_all()
import gevent, gevent.event, sys, threading
event = gevent.event.Event()
def waits():
    event.wait()
def sleeps():
    gevent.sleep(1000)
kept = [gevent.spawn(waits) for _ in range(3)]
threading.Thread(target=sleeps, daemon=True).start()
gevent.sleep(0.01)
print("up", flush=True)
sys.stdin.readline()
"""


def test_greenlets_are_seen_where_they_wait_and_counted(here: Daemon) -> None:
    pytest.importorskip("gevent")
    child = here.code(GEVENT)
    peer = here.accept().load()
    assert child.hear() == "up"
    found = [row for row in rows(peer, "greenlets") if row["state"] == "waiting"]
    waiting = [row for row in found if row["function"] == "waits"]
    assert len(waiting) == 3
    assert waiting[0]["at"].startswith("waits ")
    # A thread that gevent has made a greenlet.
    assert [row["function"] for row in found if row["function"] == "sleeps"] == ["sleeps"]
    counted = {row["function"]: row["greenlets"] for row in rows(peer, "greenlets", by="function")}
    assert counted["waits"] == 3
    names = {row["thread"]: row["tid"] for row in rows(peer, "threads")}
    assert names["MainThread"] == child.pid
    assert all(tid for name, tid in names.items() if name.startswith("limpet"))


def test_without_greenlets_there_are_none(here: Daemon) -> None:
    here.start("-c", "input()")
    peer = here.accept().load()
    assert peer.value("greenlets()") == "greenlet is not loaded"
