"""Looks at a live process find what the application has made: tasks, timers, objects, sockets."""

import json
import os
import re
import socket
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from limpet.stage1 import sockets
from support.agent import Child, Daemon, Peer

Pair = tuple[Child, Peer]

TASKS = """
import asyncio, sys
async def inner(event, password="hunter2"):
    cart = ["book"]
    await event.wait()
async def outer(event):
    await inner(event)
async def numbers():
    await asyncio.sleep(1000)
    yield 1
async def counts():
    async for number in numbers():
        print(number)
async def group():
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.sleep(1000), name="child")
async def gathers(*awaited):
    await asyncio.gather(*awaited)
async def main():
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    waiter = asyncio.create_task(outer(event), name="waiter")
    kept = [
        asyncio.create_task(gathers(waiter, asyncio.sleep(1000)), name="gathers"),
        asyncio.create_task(asyncio.wait([waiter]), name="waits"),
        asyncio.create_task(asyncio.wait_for(asyncio.shield(waiter), 1000), name="waits_for"),
        asyncio.create_task(group(), name="group"),
        asyncio.create_task(counts(), name="counts"),
    ]
    while any(task._fut_waiter is None for task in asyncio.all_tasks() - {asyncio.current_task()}):
        await asyncio.sleep(0)
    print("up", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
asyncio.run(main())
"""


@pytest.fixture
def busy(node: Daemon) -> Pair:
    """A process with tasks that wait for each other in all the ways that asyncio has."""
    child = node.code(TASKS)
    peer = node.accept().load()
    assert child.hear() == "up"
    return child, peer


def rows(peer: Peer, what: str, **arguments: Any) -> list[dict[str, Any]]:
    """What a look by its name finds, as an observer asks for it."""
    found = peer.ask("inspect", what=what, arguments=arguments)
    assert found.ok, found.error
    assert found.data["kind"] == what
    assert json.loads(json.dumps(found.data)) == found.data
    return list(found.data["rows"])


def one(found: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    """The only row with these values."""
    (row,) = [row for row in found if wanted.items() <= row.items()]
    return row


def test_tasks_know_who_waits_for_them_and_where_they_wait(busy: Pair) -> None:
    child, peer = busy
    found = rows(peer, "tasks")
    waiter = one(found, task="waiter")
    assert waiter["coroutine"] == "outer"
    assert [link.split()[0] for link in waiter["chain"]] == ["outer", "inner", "Event.wait"]
    assert sorted(waiter["awaited_by"]) == ["gathers", "waits", "waits_for"]
    assert one(found, task="child")["awaited_by"] == ["group"]
    # Through an async generator, of which asyncio shows nothing.
    assert [link.split()[0] for link in one(found, task="counts")["chain"]] == ["counts", "numbers", "sleep"]
    assert child.finish(b"\n") == (0, "", "")


def test_tasks_are_filtered_cut_and_counted(busy: Pair) -> None:
    _child, peer = busy
    assert [row["task"] for row in rows(peer, "tasks", filter="waits")] == ["waits", "waits_for"]
    assert {row["task"] for row in rows(peer, "tasks", filter="numbers")} == {"counts"}
    assert len(rows(peer, "tasks", n=3)) == 3
    assert "more: tasks(n=…)" in peer.value("tasks(n=3)")
    assert one(rows(peer, "tasks", by="coroutine"), coroutine="sleep")["tasks"] == 2
    assert "not counted by 'colour'" in (peer.evaluate("tasks(by='colour')")[0].error or "")


@pytest.mark.parametrize("by", ["coroutine", "at", "state", "loop", "task"])
def test_counted_tasks_are_those_that_are_listed(busy: Pair, by: str) -> None:
    """Counting walks along the same awaits in a shorter way."""
    _child, peer = busy
    alone = rows(peer, "tasks")
    listed = Counter(re.sub(r"\d+", "N", row[by]) if by == "task" else row[by] for row in alone)
    counted = rows(peer, "tasks", by=by)
    assert {row[by]: row["tasks"] for row in counted} == dict(listed)
    for row in counted if by == "coroutine" else ():
        same = Counter(each["at"] for each in alone if each["coroutine"] == row[by])
        assert (row["waiting"], row["ready"]) == (row["tasks"], 0)
        assert row["mostly_at"].partition(" (")[0] in same


def test_a_task_shows_its_variables_without_secrets_and_keeps_none_of_them(busy: Pair) -> None:
    _child, peer = busy
    (task,) = rows(peer, "task", which="waiter")
    inner = one(task["chain"], function="inner")
    assert inner["variables"]["cart"] == "['book']"
    assert inner["variables"]["password"] == "***"
    text = peer.value("task('waiter')")
    assert "hunter2" not in text
    assert "password = ***" in text
    assert one(rows(peer, "task", which="gathers"), task="gathers")["waits_for"].startswith(
        "gather of 2, not done: waiter"
    )
    assert "no task that still runs is 'nobody'" in (peer.evaluate("task('nobody')")[0].error or "")


def test_a_number_finds_a_task_again_and_cancels_it(busy: Pair) -> None:
    _child, peer = busy
    number = one(rows(peer, "tasks"), task="child")["id"]
    assert one(rows(peer, "task", which=number), id=number)["task"] == "child"
    assert peer.value(f"cancel({number})") == "child is cancelled"
    assert "child" not in {row["task"] for row in rows(peer, "tasks")}
    assert "no task that still runs" in (peer.evaluate(f"cancel({number})")[0].error or "")


def test_a_timer_says_whom_it_wakes(busy: Pair) -> None:
    _child, peer = busy
    found = rows(peer, "timers")
    assert 0 < one(found, task="child")["due"] <= 1000
    assert {"waits_for", "counts"} <= {row["task"] for row in found}
    (loop,) = rows(peer, "loop")
    assert loop["loop"] == "asyncio._UnixSelectorEventLoop"
    assert (loop["thread"], loop["timers"], loop["executor_threads"]) == ("MainThread", len(found), 1)
    assert loop["tasks"] == len(rows(peer, "tasks"))


HEAP = """
import sys, threading, time
class Cart:
    def __init__(self, user): self.user = user; self.token = "hunter2"
class Big(Cart):
    __slots__ = ("weight",)
carts = {f"user{k}": Cart(k) for k in range(500)}
special = Big(-1)
special.weight = 3
def keep(cart):
    def inside(): return cart
    return inside
kept = keep(special)
print("up", flush=True)
growing = threading.Event()
def grow():
    while True:
        growing.wait()
        carts.update((object(), Cart(k)) for k in range(10))
        time.sleep(0.001)
threading.Thread(target=grow, daemon=True).start()
sys.stdin.readline()
"""


@pytest.fixture
def heap(node: Daemon) -> Pair:
    """A process with 501 carts, which makes more all the time once `__main__.growing` is set."""
    child = node.code(HEAP)
    peer = node.accept().load()
    assert child.hear() == "up"
    return child, peer


def test_objects_are_counted_by_type_and_found_by_class(heap: Pair) -> None:
    _child, peer = heap
    assert one(rows(peer, "types", n=1000), type="__main__.Cart")["count"] == 500
    assert "501 instances" in peer.value("instances('__main__.Cart', n=2)")
    (big,) = rows(peer, "instances", cls="__main__.Big")
    assert big["value"] == "Big(user=-1, token=***)"
    assert "no class __main__.Nothing" in (peer.evaluate("instances('__main__.Nothing')")[0].error or "")
    assert peer.value("instances('__main__.Big').objects[0].weight") == "3"


def test_who_refers_to_an_object_is_named(heap: Pair) -> None:
    _child, peer = heap
    peer.evaluate("import __main__")
    how = {row["how"] for row in peer.evaluate("refs(__main__.special)")[0].data["rows"]}
    assert "key 'special' of module __main__" in how
    assert any(text.startswith("variable cart of the closure of keep.<locals>.inside") for text in how)
    (row,) = peer.evaluate("refs(__main__.carts['user7'])")[0].data["rows"]
    assert row["how"] == "key 'user7' of dict of 500: carts of module __main__"
    assert (
        peer.evaluate("x = [__main__.Cart(1)]; refs(x[0])")[0].data["rows"][0]["how"]
        == "item 0 of a list of 1"
    )


def test_what_grows_between_two_counts_is_told(heap: Pair) -> None:
    _child, peer = heap
    peer.evaluate("import __main__; __main__.growing.set()")
    found = peer.evaluate("growth(0.3, n=3)")[0]
    assert found.ok, found.error
    cart = one(found.data["rows"], type="__main__.Cart")
    assert 0 < cart["grown"] < cart["count"]


def test_the_lines_that_keep_memory_are_found_and_the_application_is_left_without_tracing(heap: Pair) -> None:
    child, peer = heap
    peer.evaluate("import __main__, tracemalloc; __main__.growing.set()")
    found = peer.evaluate("allocations(0.3)")[0]
    assert found.ok, found.error
    assert any("app0.py:" in row["at"] and row["grown"] > 0 for row in found.data["rows"])
    assert peer.value("tracemalloc.is_tracing()") == "False"
    assert child.finish(b"\n") == (0, "", "")


def test_a_tracing_of_the_applications_own_goes_on(heap: Pair) -> None:
    _child, peer = heap
    peer.evaluate("import tracemalloc; tracemalloc.start()")
    assert "it stays on" in peer.value("allocations(0.1)")
    assert peer.value("tracemalloc.is_tracing()") == "True"


def test_a_heap_that_is_too_large_is_refused_with_the_estimate(heap: Pair) -> None:
    _child, peer = heap
    large = "types; from _limpet_stage1 import heap; heap.estimate = lambda: 6_000_000"
    assert peer.evaluate(large)[0].ok
    refused = peer.evaluate("types()")[0]
    assert not refused.ok
    assert "about 6,000,000 objects: listing them would stop every thread for" in (refused.error or "")
    assert "Cart" in peer.value("types(n=1000, force=True)")


SOCKETS = """
import os, socket, sys
tcp = socket.create_server(("127.0.0.1", 0))
ipv6 = os.path.exists("/proc/net/if_inet6")
six = socket.create_server(("::1", 0), family=socket.AF_INET6) if ipv6 else None
out = socket.create_connection(tcp.getsockname())
into = tcp.accept()[0]
out.sendall(b"x" * 100)
into.recv(40)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
unix = socket.socket(socket.AF_UNIX)
unix.bind("here.sock")
unix.listen()
file = open("data.txt", "w+")
file.write("12345")
file.flush()
print(tcp.getsockname()[1], udp.getsockname()[1], into.fileno(), file.fileno(), flush=True)
sys.stdin.readline()
"""


def test_sockets_and_descriptors_are_what_the_application_opened(node: Daemon) -> None:
    child = node.code(SOCKETS)
    peer = node.accept().load()
    tcp, udp, into, file = map(int, child.hear().split())
    found = rows(peer, "sockets")
    assert one(found, kind="tcp", state="listening", local=f"127.0.0.1:{tcp}")["remote"] == ""
    accepted = one(found, fd=into)
    assert (accepted["kind"], accepted["local"], accepted["state"]) == (
        "tcp",
        f"127.0.0.1:{tcp}",
        "established",
    )
    assert accepted["unread"] == 60
    assert one(found, kind="udp")["local"] == f"127.0.0.1:{udp}"
    assert one(found, kind="unix stream", state="listening")["local"] == "here.sock"
    assert any(row["remote"] == "limpet agent" for row in found)
    opened = rows(peer, "fds")
    data = one(opened, fd=file)
    assert (data["kind"], data["mode"], data["position"]) == ("file", "rw", 5)
    assert data["what"].endswith("/data.txt")
    assert one(opened, fd=into)["what"].startswith(f"127.0.0.1:{tcp} -> 127.0.0.1:")


def test_a_table_of_many_connections_is_not_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy server's has a line for each connection of the last minute; a look reads all of them."""
    line = "{}: 0100007F:1F90 0100007F:{:04X} 06 00000000:00000000 03:00000000 00000000 0 0 {} 3 0\n"
    lines = [line.format(number, number % 65536, 0) for number in range(50_000)]
    with socket.create_server(("127.0.0.1", 0)) as server:
        inode = os.fstat(server.fileno()).st_ino
        table = tmp_path / "tcp"
        table.write_text("".join(["header\n", *lines, line.format(50_000, 443, inode)]))

        def opened(path: str, *arguments: Any, **named: Any) -> Any:
            return open(table if path == "/proc/self/net/tcp" else path, *arguments, **named)

        monkeypatch.setattr(sockets, "open", opened, raising=False)
        del lines
        tracemalloc.start()
        try:
            found = sockets.sockets()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert one(found.data["rows"], inode=inode)["remote"] == "127.0.0.1:443"
    assert peak < 1_000_000


def test_the_environment_is_shown_without_secrets_and_with_what_has_changed(node: Daemon) -> None:
    node.code(
        "import os, sys; os.environ['ADDED'] = 'x'; del os.environ['GONE']; sys.stdin.readline()",
        environment={"API_KEY": "hunter2", "DATABASE_URL": "postgres://shop:hunter2@db/shop", "GONE": "1"},
    )
    peer = node.accept().load()
    found = {row["name"]: (row["value"], row["change"]) for row in rows(peer, "environ")}
    assert found["API_KEY"] == ("***", "")
    assert found["DATABASE_URL"] == ("postgres://shop:***@db/shop", "")
    assert found["ADDED"] == ("x", "added")
    assert found["GONE"] == (None, "removed")


def test_the_process_at_a_glance(idle: Pair) -> None:
    child, peer = idle
    facts = {(row["topic"], row["name"]): row for row in rows(peer, "runtime_info")}
    assert facts["system", "pid"]["value"] == child.pid
    assert facts["limits", "descriptors"]["limit"] >= facts["limits", "descriptors"]["value"] > 3
    assert facts["memory", "resident (RSS)"]["value"] > 1 << 20
    assert {row["topic"] for row in rows(peer, "runtime_info", topic="gc")} == {"gc"}
    assert "there is no topic 'weather'" in (peer.evaluate("runtime_info('weather')")[0].error or "")
    sizes = {row["memory"]: row["bytes"] for row in rows(peer, "mem", arenas=True)}
    assert 0 < sizes["unique"] <= sizes["resident"] <= sizes["peak"] <= sizes["virtual"]
    assert sizes["malloc"] >= sizes["malloc used"] > 0
    assert [row["generation"] for row in rows(peer, "gc_stats")] == [0, 1, 2]
    assert "unreachable" in peer.value("collect()")
    sys_row = one(rows(peer, "modules"), module="sys")
    assert sys_row["file"] == ""
    assert {row["module"] for row in rows(peer, "modules", filter="json.")} >= {"json.decoder"}


FORKS = """
import os, sys, tracemalloc
sys.stdin.readline()
while not tracemalloc.is_tracing():
    pass
if pid := os.fork():
    os.waitpid(pid, 0)
    while tracemalloc.is_tracing():
        pass
    print("off", flush=True)
    sys.stdin.readline()
else:
    print(tracemalloc.is_tracing(), flush=True)
"""


def test_a_fork_is_not_left_with_the_tracing_of_its_parent(node: Daemon) -> None:
    child = node.code(FORKS)
    peer = node.accept().load()
    asked = peer.send("evaluate", session="s1", source="allocations(20)", timeout=30.0)
    child.say("")
    assert child.hear() == "False"
    # Interrupted, it is off at once, and not after its time.
    assert peer.ask("interrupt", target=asked).re == "done"
    assert not peer.reply(asked)[0].ok
    assert child.hear() == "off"
    assert child.finish(b"\n")[0] == 0
