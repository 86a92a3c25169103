"""What an application's clients notice of tools that look into it: trace, snapshot, watch, profile, looks.

    .venv/bin/python bench/tracing.py [-n ROUNDS] [--rate N] [PYTHON…]

An asyncio server each of whose answers calls the function that is looked into; a client of its own process
asks it `--rate` times a second, and counts an answer's time from when it was to be asked: a pause of the
server makes all late that fall into it. In each round every tool has its two seconds, one after the other, so
that what else the machine does hits all alike: medians of the rounds.
"""

import argparse
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / part) for part in ("tests", "supervisor")]

SECONDS = 2.0
_BEHIND = 0.05
"""Seconds that the client lets itself be behind; requests that it cannot make up for are left out."""
APPLICATION = """
import asyncio, sys
count = 0
class Cart:
    def __init__(self, n):
        self.items = ["book"] * (n % 4)
def price(cart, code="SPRING"):
    amount = 39 * len(cart.items)
    return amount
async def serve(reader, writer):
    global count
    while (line := await reader.readline()):
        count += 1
        writer.write(b"%d\\n" % price(Cart(count)))
    writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
asyncio.run(main())
"""
LINE = APPLICATION[: APPLICATION.index("    return amount")].count("\n") + 1
AGAIN = "import time\nend = time.monotonic() + 2\nwhile time.monotonic() < end: {}; time.sleep(0.1)"
PHASES = (
    ("nobody", ""),
    ("trace, no call is meant", "trace('__main__:price', 10_000, 2, where='False')"),
    ("trace, 100 lines", "trace('__main__:price', 100, 2, returns=True)"),
    ("trace, all of 10,000 lines", "trace('__main__:price', 10_000, 2, returns=True)"),
    ("snapshot, 10", f"snapshot('__main__:{LINE}', 10, 2)"),
    ("snapshot, none is meant", f"snapshot('__main__:{LINE}', 1000, 2, when='amount < 0')"),
    ("snapshot, 1,000 at once", f"snapshot('__main__:{LINE}', 1000, 2)"),
    ("watch", "watch('__main__.count', 2)"),
    ("profile from inside", "profile(2)"),
    ("tasks() ten times a second", AGAIN.format("tasks()")),
    ("types() ten times a second", AGAIN.format("types()")),
)


def client(port: int, rate: float) -> None:
    """For each line on standard input, asks for so many seconds; answers with p50, p99 (ms) and the count."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for line in sys.stdin:
            times = []
            due = time.perf_counter()
            end = due + float(line)
            while due < end:
                while (left := due - time.perf_counter()) > 0:
                    time.sleep(left)
                connection.sendall(b"ask\n")
                if not connection.recv(100).endswith(b"\n"):
                    raise ConnectionResetError
                now = time.perf_counter()
                times.append(now - due)
                due = max(due + 1 / rate, now - _BEHIND)
            times.sort()
            p50, p99 = statistics.median(times), times[int(len(times) * 0.99)]
            print(p50 * 1000, p99 * 1000, len(times) / float(line), flush=True)


def measured(python: str, rounds: int, rate: float) -> None:
    from support.agent import daemon

    with daemon(python) as node:
        child = node.code(APPLICATION)
        peer = node.accept().load()
        asks = [sys.executable, __file__, "--client", child.hear(), "--rate", str(rate)]
        with subprocess.Popen(asks, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
            assert load.stdin is not None
            assert load.stdout is not None
            found: dict[str, list[list[float]]] = {}
            for number in range(rounds + 1):
                for name, source in PHASES:
                    # Without a session nothing of it is kept for the collector to go through.
                    request = peer.send("evaluate", session="", source=source, timeout=30) if source else 0
                    load.stdin.write(f"{SECONDS}\n")
                    load.stdin.flush()
                    figures = [float(word) for word in load.stdout.readline().split()]
                    if request:
                        reply = peer.reply(request)[0]
                        assert reply.ok, (source, reply.error)
                    if number:  # the first round loads what the tools are made of
                        found.setdefault(name, []).append(figures)
            load.stdin.close()
        child.finish(b"\n")
    print(f"{python}: p50, p99 (ms), requests a second; medians of {rounds} rounds")
    for name, every in found.items():
        p50, p99, count = (statistics.median(column) for column in zip(*every, strict=True))
        print(f"  {name:30} {p50:7.2f} {p99:7.2f} {count:7.0f}")


def main() -> None:
    from support.agent import MINORS, interpreter

    options = argparse.ArgumentParser()
    options.add_argument("-n", type=int, default=5)
    options.add_argument("--rate", type=float, default=5000.0)
    options.add_argument("--client", type=int)
    options.add_argument("pythons", nargs="*")
    arguments = options.parse_args()
    if arguments.client is not None:
        client(arguments.client, arguments.rate)
        return
    for python in arguments.pythons or filter(None, map(interpreter, MINORS)):
        measured(python, arguments.n, arguments.rate)


if __name__ == "__main__":
    main()
