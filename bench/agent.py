"""What the agent costs a process: start-up, memory, throughput; and how fast it answers.

    .venv/bin/python bench/agent.py [PYTHON…]

Variants are interleaved inside one run, so read ratios and differences. `bare`: no agent; `unarmed`: the
directory is on PYTHONPATH, LIMPET_AGENT is not set; `agent`: armed. Start-up counts from posix_spawn; the
agent's largest part is the `_socket` module, which most applications load anyway.
"""

import contextlib
import os
import socket
import statistics
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / part) for part in ("tests", "supervisor")]

from floor import ECHO as SERVER  # noqa: E402

from support.agent import MINORS, Daemon, daemon, interpreter  # noqa: E402 - found by the path above

STARTS = 40


def environments(node: Daemon) -> dict[str, dict[str, str]]:
    agent = {key: value for key, value in node.environment.items() if key != "PYTHONDONTWRITEBYTECODE"}
    unarmed = {key: value for key, value in agent.items() if key != "LIMPET_AGENT"}
    bare = {key: value for key, value in unarmed.items() if key != "PYTHONPATH"}
    return {"bare": bare, "unarmed": unarmed, "agent": agent}


def drain(node: Daemon) -> None:
    """Takes whatever has dialled; between the measurements, so as not to take part in them."""
    node.listener.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            node.listener.accept()[0].close()
    node.listener.settimeout(30)


def startup(node: Daemon, what: str, source: str) -> None:
    took: dict[str, list[float]] = {}
    for round_ in range(STARTS + 3):
        for name, environment in environments(node).items():
            began = time.perf_counter()
            os.waitpid(os.posix_spawn(node.python, [node.python, "-c", source], environment), 0)
            if round_ >= 3:  # the first ones compile and warm up
                took.setdefault(name, []).append((time.perf_counter() - began) * 1000)
        drain(node)
    bare = took["bare"]
    for name, times in took.items():
        middle = statistics.median(ours - theirs for ours, theirs in zip(times, bare, strict=True))
        extra = f"{middle:+.2f} ms (pairwise median), {min(times) - min(bare):+.2f} ms (of the fastest)"
        print(
            f"  {what:24} {name:8} p50 {statistics.median(times):6.2f} ms  {'' if name == 'bare' else extra}"
        )


def memory(node: Daemon) -> None:
    read = "print(open('/proc/self/smaps_rollup').read(), flush=True)"
    found: dict[str, list[tuple[int, int]]] = {}
    for _ in range(7):
        for name, environment in environments(node).items():
            text = node.start("-c", read, environment=replaced(environment)).finish()[1]
            facts = {line.split(":")[0]: line.split()[1] for line in text.splitlines() if " kB" in line}
            found.setdefault(name, []).append((int(facts["Rss"]), int(facts["Private_Dirty"])))
    drain(node)
    bare = [statistics.median(column) for column in zip(*found["bare"], strict=True)]
    for name, rows in found.items():
        rss, dirty = (statistics.median(column) for column in zip(*rows, strict=True))
        more = f"RSS {rss - bare[0]:+.0f} kB, dirty {dirty - bare[1]:+.0f} kB"
        print(f"  memory {name:8} RSS {rss:6.0f} kB, dirty {dirty:6.0f} kB  {'' if name == 'bare' else more}")


def replaced(environment: dict[str, str]) -> dict[str, str]:
    """For Daemon.start, which adds to its own environment."""
    return {"PYTHONPATH": "", "LIMPET_AGENT": "", **environment}


def throughput(node: Daemon, rounds: int = 20, seconds: float = 0.15) -> None:
    """CPU time per request of one echo server with, and two without an agent: the two show the noise."""
    servers = {}
    for name, kind in (("bare", "bare"), ("agent", "agent"), ("bare again", "bare")):
        child = node.code(SERVER, environment=replaced(environments(node)[kind]))
        servers[name] = (child.pid, socket.create_connection(("127.0.0.1", int(child.hear()))))
    kept = node.accept()
    spent: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, (pid, connection) in servers.items():
            before, count = cpu(pid), 0
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                connection.sendall(b"x\n")
                connection.recv(10)
                count += 1
            spent[name].append((cpu(pid) - before) / count / 1000)
    base = statistics.median(spent["bare"])
    for name, values in spent.items():
        each = statistics.median(values)
        print(f"  echo {name:10} {each:6.1f} us of CPU a request   {each / base:.3f}x")
    kept.socket.close()
    for _pid, connection in servers.values():
        connection.close()


def cpu(pid: int) -> int:
    """Nanoseconds on the CPU, of all threads."""
    return sum(
        int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()
    )


def answers(node: Daemon) -> None:
    child = node.code(SERVER)
    child.hear()
    peer = node.accept()
    began = time.perf_counter()
    peer.load()
    peer.ask("ping")
    print(
        f"  first attach (stage 1 sent, compiled, executed): {(time.perf_counter() - began) * 1000:6.1f} ms"
    )
    peer.evaluate("import asyncio")
    for name, ask in (
        ("ping", lambda: peer.ask("ping")),
        ("1 + 1", lambda: peer.evaluate("1 + 1")),
        ("print", lambda: peer.evaluate("print(1)")),
        ("await asyncio.sleep(0)", lambda: peer.evaluate("await asyncio.sleep(0)")),
        ("complete `asyncio.`", lambda: peer.ask("complete", session="s1", source="asyncio.")),
    ):
        times = []
        for _ in range(200):
            began = time.perf_counter()
            ask()
            times.append((time.perf_counter() - began) * 1000)
        times.sort()
        print(f"  {name:24} p50 {times[100]:6.3f} ms  p99 {times[197]:6.3f} ms")
    switches = wakeups(child.pid)
    time.sleep(5)
    print(f"  idle for 5 s: {wakeups(child.pid) - switches} context switches of all its threads")


def wakeups(pid: int) -> int:
    return sum(
        int(line.split()[1])
        for task in Path(f"/proc/{pid}/task").iterdir()
        for line in (task / "status").read_text().splitlines()
        if "ctxt_switches" in line
    )


def main() -> None:
    for python in sys.argv[1:] or filter(None, map(interpreter, MINORS)):
        with daemon(python) as node:
            print(python)
            startup(node, "to the first line", "import os; os._exit(0)")
            startup(node, "with `import socket`", "import os, socket; os._exit(0)")
            startup(node, "until everything is over", "pass")
            memory(node)
            throughput(node)
            answers(node)


if __name__ == "__main__":
    main()
