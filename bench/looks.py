"""What each look at a live process takes, and how long it keeps the process's other threads waiting.

    .venv/bin/python bench/looks.py [MINOR…]

The process has 1.0 million objects that the collector tracks, 10,000 asyncio tasks and 200 threads. `took` is
the look's own time in the process, `stall` the longest time for which a thread that sleeps half a millisecond
at a time was late meanwhile: medians of the rounds; the first line is the lateness with nobody looking.
"""

import statistics
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / part) for part in ("tests", "supervisor")]

from support.agent import MINORS, Peer, daemon, interpreter  # noqa: E402 - found by the path above

ROUNDS = 5
APPLICATION = """
import asyncio, gc, sys, threading, time
class Order:
    def __init__(self, number):
        self.number, self.lines = number, [number]
late = 0.0
def pulse():
    global late
    while True:
        began = time.perf_counter()
        time.sleep(0.0005)
        late = max(late, time.perf_counter() - began - 0.0005)
async def leaf(event):
    await event.wait()
async def branch(event):
    await leaf(event)
async def root(event):
    await branch(event)
async def main():
    event = asyncio.Event()
    tasks = [asyncio.create_task(root(event)) for _ in range(10_000)]
    forever = threading.Lock()
    forever.acquire()
    for k in range(198):
        threading.Thread(target=forever.acquire, name=f"worker {k}", daemon=True).start()
    threading.Thread(target=pulse, daemon=True).start()
    await asyncio.sleep(0.5)
    print(len(gc.get_objects()), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    sys.exit()
orders = []
while len(gc.get_objects()) < 900_000:
    orders += [Order(number) for number in range(50_000)]
asyncio.run(main())
"""
LOOKS = (
    ("tasks", {}),
    ("tasks", {"n": 10_000}),
    ("tasks", {"by": "coroutine"}),
    ("tasks", {"filter": "nobody"}),
    ("task", {"which": "Task-5000"}),
    ("timers", {}),
    ("loop", {}),
    ("threads", {}),
    ("stacks", {}),
    ("mem", {}),
    ("mem", {"arenas": True}),
    ("types", {}),
    ("instances", {"cls": "__main__.Order"}),
    ("gc_stats", {}),
    ("fds", {}),
    ("sockets", {}),
    ("environ", {}),
    ("modules", {}),
    ("runtime_info", {}),
)
TOOLS = ("refs(__main__.orders[5])", "collect()")


def measured(peer: Peer, ask) -> tuple[float, float]:
    took, stalls = [], []
    for _ in range(ROUNDS):
        peer.evaluate("__main__.late = 0.0")
        found = ask()
        assert found.ok, found.error
        took.append(found.elapsed * 1000)
        stalls.append(float(peer.value("__main__.late")) * 1000)
    return statistics.median(took), statistics.median(stalls)


def main() -> None:
    for minor in map(int, sys.argv[1:]) if sys.argv[1:] else MINORS:
        python = interpreter(minor)
        if python is None:
            continue
        with daemon(python) as node:
            child = node.code(APPLICATION)
            peer = node.accept().load()
            print(f"Python 3.{minor}, {int(child.hear()):,} objects: took, stall (ms)")
            peer.evaluate("import __main__, time")
            rows = [("(nothing)", measured(peer, lambda peer=peer: peer.evaluate("time.sleep(0.05)")[0]))]
            for what, arguments in LOOKS:
                given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
                rows.append(
                    (
                        f"{what}({given})",
                        measured(
                            peer,
                            lambda peer=peer, what=what, arguments=arguments: peer.ask(
                                "inspect", what=what, arguments=arguments
                            ),
                        ),
                    )
                )
            rows += [
                (source, measured(peer, lambda peer=peer, source=source: peer.evaluate(source)[0]))
                for source in TOOLS
            ]
            for name, (took, stall) in rows:
                print(f"  {name:34} {took:8.1f} {stall:8.1f}")
            child.finish(b"\n")


if __name__ == "__main__":
    main()
