"""What measuring a process's vitals costs it, and how right they are.

    .venv/bin/python bench/vitals.py [SECONDS]

CPU: of the process, by /proc, with stage 1 loaded and vitals off, then on; idle, and as an echo server under
load (requests a second, interleaved). Right: a loop that is blocked for 300 ms once a second, at times that
are in no step with the measuring; the longest lag that each push tells of the last ten seconds.
"""

import asyncio
import os
import statistics
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / part) for part in ("tests", "supervisor")]

from floor import ECHO as SERVER  # noqa: E402

from support.agent import MINORS, Daemon, Peer, daemon, interpreter  # noqa: E402 - found by the path above

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
ROUNDS = 8
BLOCKED = """
import asyncio, random, time
async def main():
    print("up", flush=True)
    while True:
        await asyncio.sleep(0.7 + random.random() * 0.05)
        time.sleep(0.3)
asyncio.run(main())
"""


def spent(pid: int) -> float:
    """Seconds of CPU, from the scheduler: finer than clock ticks."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def idle(pid: int) -> float:
    before, began = spent(pid), time.monotonic()
    time.sleep(SECONDS)
    return 100 * (spent(pid) - before) / (time.monotonic() - began)


async def load(port: int, seconds: float) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    end = time.monotonic() + seconds
    done = 0
    while time.monotonic() < end:
        for _ in range(20):
            writer.write(b"x\n")
            await reader.readline()
        done += 20
    writer.close()
    return done / seconds


def switch(peer: Peer, on: bool) -> None:
    peer.ask("vitals", on=on, limit=1.0)


def drain(peer: Peer) -> None:
    """Takes what was pushed, so that the agent's socket is never full."""
    peer.socket.setblocking(False)
    try:
        while peer.socket.recv(1 << 20):
            pass
    except BlockingIOError:
        peer.socket.settimeout(30)


def cost(node: Daemon) -> None:
    child = node.code(SERVER)
    peer = node.accept().load()
    port = int(child.hear())
    switch(peer, on=False)
    off = idle(child.pid)
    switch(peer, on=True)
    time.sleep(1)
    on = idle(child.pid)
    rates: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for wanted in (False, True):
            switch(peer, on=wanted)
            rates[wanted].append(asyncio.run(load(port, 1.0)))
    ratio = statistics.median(a / b for a, b in zip(rates[True], rates[False], strict=True))
    print(f"  idle: {off:.3f} % of a CPU off, {on:.3f} % on; throughput {ratio:.3f}x")


def right(node: Daemon) -> None:
    child = node.code(BLOCKED)
    peer = node.accept().load()
    child.hear()
    switch(peer, on=True)
    longest = []
    end = time.monotonic() + 10 + SECONDS
    began = time.monotonic()
    while time.monotonic() < end:
        pushed = peer.answer(0)
        if pushed.item == "vitals" and time.monotonic() - began > 5 and pushed.data["lag"]:
            longest.append(pushed.data["lag"]["max"] * 1000)
    within = sum(270 <= each <= 330 for each in longest)
    print(
        f"  a block of 300 ms: told as {min(longest):.0f} to {max(longest):.0f} ms, "
        f"{within} of {len(longest)} within 10 %"
    )


def main() -> None:
    for minor in MINORS:
        if python := interpreter(minor):
            print(f"Python 3.{minor}")
            with daemon(python) as node:
                cost(node)
            with daemon(python) as node:
                right(node)


if __name__ == "__main__":
    main()
