"""Random evaluations and interrupts in an application under load: what its clients notice.

    .venv/bin/python bench/safety.py [-n EVALUATIONS] [PYTHON…]

An asyncio server (two tasks beside it), and a server of threads; three clients ask each without pause and
check every answer. First the clients' times with nobody at the console, then while one evaluation burns the
CPU; then EVALUATIONS at random (values, errors, loops, awaits, generators, floods, threads, locks, imports,
C that keeps the interpreter's lock, looks, traces), a third of them interrupted at a random moment, many with
a deadline of milliseconds. An answer that is wrong or missing, an exception that strays into the application,
a lock of the interpreter's that is left taken, an evaluation without an answer: each is an error.
"""

import argparse
import random
import statistics
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / part) for part in ("tests", "supervisor")]

from support.agent import MINORS, Child, Peer, daemon, interpreter, until  # noqa: E402 - found by the path above
from support.load import load  # noqa: E402 - same reason

ASYNC = """
import asyncio, sys
async def beat(pause):
    while True:
        await asyncio.sleep(pause)
async def serve(reader, writer):
    n = 0
    while (line := await reader.readline()):
        if line == b"\\r\\n":
            n += 1
            body = b"well %d" % n
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%b" % (len(body), body))
    writer.close()
async def main():
    hearts = [asyncio.create_task(beat(pause)) for pause in (0.001, 0.01)]
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    import colorsys, netrc, plistlib, logging
    logging.getLogger("limpet.bench").info("no lock is left taken")
    print("strayed" if any(heart.done() for heart in hearts) else "whole", flush=True)
    for heart in hearts: heart.cancel()
asyncio.run(main())
"""
THREADS = """
import sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
strayed = []
threading.excepthook = lambda arguments: strayed.append(arguments)
def beat():
    while True: ended.wait(0.001)
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.wfile.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\nwell done")
    def log_message(self, *arguments): pass
ended = threading.Event()
heart = threading.Thread(target=beat, daemon=True)
heart.start()
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.readline()
import colorsys, netrc, plistlib, logging
logging.getLogger("limpet.bench").info("no lock is left taken")
print("strayed" if strayed or not heart.is_alive() else "whole", flush=True)
"""
SOURCES = (
    "1 + 1",
    "x = [n * n for n in range(1000)]; x",
    "{n: str(n) for n in range(2000)}",
    "1 / 0",
    "raise SystemExit",
    "while True: pass",
    "while True:\n    try: [0] * 100\n    except Exception: pass",
    "import asyncio; await asyncio.sleep(0.001)",
    "import asyncio\nwhile True: await asyncio.sleep(0)",
    "import asyncio\nwhile True:\n    await asyncio.sleep(0)\n    sum(range(500))",
    "import asyncio; await asyncio.gather(*(asyncio.sleep(0.001, n) for n in range(20)))",
    "import asyncio\nasync with asyncio.timeout(5): await asyncio.sleep(50)",
    "for n in range(200): print('line', n)",
    "while True: print('flood')",
    "import threading\nfor _ in range(3): threading.Thread(target=int).start()",
    "import time; time.sleep(0.002)",
    "tasks()",
    "threads()",
    "stacks()",
    "mem()",
    "import json; json.loads(json.dumps(list(range(3000))))",
    "import re; re.findall('(a|b)+', 'ab' * 2000)",
    "class A:\n    def __repr__(self): return 'a' * 10_000\n[A() for _ in range(100)]",
    "def f(n): return f(n - 1) if n else 1 / 0\nf(50)",
    "input()",
    (
        "import asyncio\nasync def f(n): return await f(n - 1) if n else await asyncio.sleep(0.02)\n"
        "await asyncio.create_task(f(20))"
    ),
    (
        "import asyncio\nasync with asyncio.TaskGroup() as g:\n"
        "    for n in range(5): g.create_task(asyncio.sleep(0.02))"
    ),
    "import asyncio\nasync with asyncio.Lock(), asyncio.timeout(0.02): await asyncio.sleep(0.1)",
    (
        "import asyncio\nasync def g():\n    while True:\n        yield 1\n        await asyncio.sleep(0)\n"
        "async for _ in g(): pass"
    ),
    "def g():\n    try:\n        while True: yield 1\n    finally: x = 1\nfor _ in g(): pass",
    "import re; re.match('(a+)+$', 'a' * 16 + 'b')",
    "import json; len(json.loads('[' + '1,' * 50_000 + '1]'))",
    (
        "import sqlite3; sqlite3.connect(':memory:').execute('with recursive n(x) as "
        "(select 1 union all select x + 1 from n limit 20000) select sum(x) from n').fetchall()"
    ),
    "len(sorted(range(20_000), key=lambda n: -n))",
    (
        "import importlib, sys\nwhile True:\n    for name in ('colorsys', 'netrc', 'plistlib', 'tabnanny'):\n"
        "        sys.modules.pop(name, None); importlib.import_module(name)"
    ),
    "import threading\nlock = threading.Lock()\nwhile True:\n    with lock: pass",
    "import threading\nready = threading.Condition()\nwhile True:\n    with ready: ready.wait(0.001)",
    "import queue\nwaiting = queue.Queue(1)\nwhile True:\n    waiting.put(1); waiting.get()",
    "import logging\nwhile True: logging.getLogger('limpet.bench').debug('x')",
    "trace('__main__:beat', 3, 0.05)",
    "watch('len(__main__.__dict__)', 0.02)",
    "profile(0.02)",
    "growth(0.01)",
    "types()",
    "fds()",
)


def spread(times: list[float]) -> str:
    ordered = sorted(times)
    p99 = ordered[int(len(ordered) * 0.99)]
    return f"p50 {statistics.median(ordered) * 1000:6.2f} ms  p99 {p99 * 1000:6.2f} ms  of {len(ordered):,}"


def noticed(child: Child, peer: Peer, port: int, count: int) -> None:
    with load(port) as clients:
        for what, source in (
            ("nobody at the console", ""),
            ("an evaluation burns the CPU", "while True: pass"),
        ):
            request = peer.send("evaluate", session="b", source=source, timeout=60) if source else 0
            clients.times.clear()
            time.sleep(5)
            print(f"    {what:32} {spread(clients.times)}")
            if request:
                peer.ask("interrupt", target=request)
                peer.reply(request)
        clients.times.clear()
        began = time.perf_counter()
        answered, interrupted, abandoned = at_random(peer, count)
        print(f"    {count:,} at random, in {time.perf_counter() - began:.0f} s   {spread(clients.times)}")
        print(f"    answered {answered:,}, of them interrupted {interrupted:,}, abandoned {abandoned:,}")
        until(lambda: peer.value("1") == "1", "the last evaluation")
        clients.answered(50)
        errors = clients.errors
    child.say("")
    print(f"    errors of the clients: {len(errors)} {errors[:3]}; the application is {child.hear()}")


def at_random(peer: Peer, count: int) -> tuple[int, int, int]:
    """Four at a time; (answered, interrupted, abandoned)."""
    chance = random.Random(count)
    running: list[int] = []
    ended = [0, 0, 0]

    def end(request: int) -> None:
        reply = peer.reply(request)[0]
        ended[0] += 1
        ended[1] += reply.interrupted
        ended[2] += reply.abandoned is not None

    for _ in range(count):
        timeout = chance.choice((0.002, 0.01, 0.05, 0.05))
        source = chance.choice(SOURCES)
        running.append(
            peer.send("evaluate", session=f"s{chance.randrange(5)}", source=source, timeout=timeout)
        )
        if chance.random() < 0.3:
            peer.ask("interrupt", target=chance.choice(running))
        if len(running) >= 4:
            end(running.pop(chance.randrange(len(running))))
    for request in running:
        end(request)
    return ended[0], ended[1], ended[2]


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("-n", type=int, default=10_000)
    options.add_argument("pythons", nargs="*", default=[*filter(None, map(interpreter, MINORS))])
    arguments = options.parse_args()
    for python in arguments.pythons:
        print(python)
        for kind, source in (("asyncio", ASYNC), ("threads", THREADS)):
            print(f"  {kind}")
            with daemon(python) as node:
                child = node.code(source)
                peer = node.accept().load()
                noticed(child, peer, int(child.hear()), arguments.n)


if __name__ == "__main__":
    main()
