"""Processes that are stuck, each in a way of its own, and the daemon's end that looks at them."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

from limpet_supervisor.model.stacks import ProcessStacks, Rung
from limpet_supervisor.runtime import faults
from limpet_supervisor.runtime.agents import Agents
from limpet_supervisor.runtime.stacks import Ladder, Patience
from support.agent import Child, Daemon, bundle, daemon
from support.loop import Loop, loop

SOURCE = """
import asyncio, ctypes, os, re, sys, threading, time

def c_call():
    ctypes.PyDLL(None).pause()

def regular_expression():
    re.match("(a+)+$", "a" * 64 + "b")

def long_sum():
    sum(range(10**15))

def deadlock():
    first, second, both = threading.Lock(), threading.Lock(), threading.Barrier(2)
    def other():
        with second:
            both.wait()
            first.acquire()
    threading.Thread(target=other, name="other").start()
    with first:
        both.wait()
        second.acquire()

def blocked_loop():
    async def request():
        time.sleep(10**6)
    async def main():
        await asyncio.create_task(request(), name="request-7")
    asyncio.run(main())

def vforked():
    os.posix_spawn("/bin/true", ["true"], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, "fifo", os.O_RDONLY, 0)])

def computing():
    while True:
        for _ in range(1000):
            pass

print("begins", flush=True)
input()
"""
INNERMOST = {
    "c_call": "c_call",
    "regular_expression": "match",
    "long_sum": "long_sum",
    "deadlock": "deadlock",
    "blocked_loop": "blocked_loop.<locals>.request",
    "computing": "computing",
}
"""The Python function that the main thread of each is in."""
HOLDS_GIL = ("c_call", "regular_expression", "long_sum")
SHORT = Patience(0.5, 30.0)
"""For whoever will not answer anyhow."""
LONG = Patience(30.0, 30.0)
"""For whoever answers in the end, on however busy a machine."""


class Host:
    """A daemon's loop, agents and ladder."""

    def __init__(self, made: Loop, node: Daemon) -> None:
        self.loop = made
        self.node = node
        node.vanish()
        self.agents = Agents(
            made.reactor,
            str(node.path),
            bundle=lambda *_: bundle(),
            uids=frozenset(),
            owner=lambda _pid: None,
        )
        self.ladder = Ladder(made.reactor, made.children, self.agents)

    def start(self, kind: str, *, agent: bool = True) -> Child:
        """A process that gets stuck so; its agent has connected."""
        child = self.node.code(f"{SOURCE}{kind}()\n", environment={} if agent else {"LIMPET_AGENT": ""})
        assert child.hear() == "begins"
        if agent:
            self.loop.until(lambda: self.agent(child.pid) and is_armed(child.pid))
        child.say("go on")
        return child

    def agent(self, pid: int) -> Any:
        """The agent of that pid, if it has said hello."""
        return next((each for each in self.agents if each.pid == pid), None)

    def shell(self, script: str) -> Child:
        """A shell that has said `begins`."""
        process = subprocess.Popen(
            ["/bin/sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        child = Child(process)
        self.node.children.append(child)
        assert child.hear() == "begins"
        return child

    def look(self, pid: int, **options: Any) -> ProcessStacks:
        """What the ladder finds."""
        found: list[ProcessStacks] = []
        self.ladder.climb("web.1", pid, found.append, **{"patience": SHORT, **options})
        self.loop.until(lambda: found)
        return found[0]

    def look_until(self, pid: int, is_so: Callable[[ProcessStacks], Any], **options: Any) -> ProcessStacks:
        """The first look of which `is_so` says so: it may not be stuck yet."""
        found: list[ProcessStacks] = []

        def looked() -> bool:
            found.append(self.look(pid, **options))
            return bool(is_so(found[-1]))

        self.loop.until(looked)
        return found[-1]


def is_armed(pid: int) -> bool:
    """Whether the process's agent is ready to be asked for stacks by a signal."""
    file = faults.open_file(pid)
    if file < 0:
        return False
    with open(file, "rb") as opened:
        return opened.read().startswith(b"%d " % pid)


def main_calls(found: ProcessStacks) -> list[str]:
    """Functions of the main thread, the innermost first."""
    for stack in found.stacks:
        if stack.name.startswith("Thread MainThread"):
            return [frame.function for frame in reversed(stack.frames)]
    return []


def why_not(found: ProcessStacks, rung: Rung) -> str:
    """Why it was not that rung."""
    return next((lack.why for lack in found.lacks if lack.rung is rung), "")


@contextlib.contextmanager
def host(python: str) -> Iterator[Host]:
    """A Host whose children run that interpreter."""
    with loop() as made, daemon(python) as node:
        there = Host(made, node)
        try:
            yield there
        finally:
            for child in node.children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGKILL)
            there.agents.close()
