"""Whatever is typed at a console, the clients do not notice: under load, in each kind of server."""

import socket
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from limpet_supervisor.wire import messages as m
from support.load import Load, load
from support.node import PYTHON, Node, running

ASGI = """
import asyncio
count = 0
async def beat():
    while True:
        await asyncio.sleep(0.005)
async def app(scope, receive, send):
    global count, heart
    if scope["type"] == "lifespan":
        await receive()
        heart = asyncio.create_task(beat(), name="heart")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return await send({"type": "lifespan.shutdown.complete"})
    if heart.done():
        raise RuntimeError("something has got into the application")
    count += 1
    body = b"well %d" % count
    head = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})
"""
WSGI = """
count = 0
def app(environ, start):
    global count
    count += 1
    body = b"well %d" % count
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
THREADS = """
import sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"well done"
        self.wfile.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%b" % (len(body), body))
    def log_message(self, *arguments): pass
def oops(arguments):
    import os
    os._exit(99)
threading.excepthook = oops
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
SERVERS = {
    "asyncio": "{python} -m uvicorn shop:app --port {port} --loop asyncio --no-access-log",
    "uvloop": "{python} -m uvicorn shop:app --port {port} --loop uvloop --no-access-log",
    "gevent": "{python} -m gunicorn shop:app -b 127.0.0.1:{port} -k gevent --no-control-socket",
    "sync": "{python} -m gunicorn shop:app -b 127.0.0.1:{port} -k sync --no-control-socket",
    "threads": "{python} shop.py {port}",
}


class Served(NamedTuple):
    kind: str
    node: Node
    load: Load

    @property
    def process(self) -> str:
        """Where the requests are worked on: gunicorn's is a fork."""
        names = self.node.status()["web.1"].agents
        return next((name for name in names if "/" in name), "web.1")

    def evaluate(self, source: str, timeout: float = 20.0) -> m.EvaluateReply:
        return self.node.request(m.Evaluate(source=source, process=self.process, timeout=timeout))


@pytest.fixture(params=SERVERS)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    kind = request.param
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = SERVERS[kind].format(python=PYTHON, port=port)
    source = {"asyncio": ASGI, "uvloop": ASGI, "threads": THREADS}.get(kind, WSGI)
    toml = f'[processes.web]\ncommand = "{command}"\nready = {{ tcp = "127.0.0.1:{port}" }}\n'
    with running(toml, files={"shop.py": source}) as node, load(port) as clients:
        pid = node.status()["web.1"].pid
        yield Served(kind, node, clients)
        clients.answered()
        line = node.status()["web.1"]
        assert (line.pid, line.restarts) == (pid, 0), node.output
        assert clients.errors == []


def test_nothing_that_is_evaluated_costs_a_request(served: Served) -> None:
    """The rows of the table: what runs for ever, what cannot be interrupted, what floods, what bites."""
    for source, says in (
        ("while True: pass", "deadline of 0.5s passed"),
        ("while True:\n    try: pass\n    except Exception: pass", "deadline of 0.5s passed"),
        ("import time; time.sleep(5)", "cannot be interrupted where it is"),
        (
            "import _thread; l = _thread.allocate_lock(); l.acquire(); l.acquire(True, 5)",
            "cannot be interrupted",
        ),
        ("while True: print('flood' * 100)", "deadline of 0.5s passed"),
        ("input('name? ')", "standard input"),
        ("breakpoint()", "breakpoint"),
        ("exit()", "SystemExit"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise BaseException('out')", "BaseException: out"),
        ("def f(): f()\nf()", "RecursionError"),
    ):
        reply = served.evaluate(source, timeout=0.5)
        assert not reply.ok, source
        assert says in (reply.error or ""), (source, reply.error)
        served.load.answered(5)


def test_values_that_are_huge_or_hostile_are_shown_and_cost_no_request(served: Served) -> None:
    hostile = """
class Bites:
    def __repr__(self): raise RuntimeError('no')
    def __getattr__(self, name): raise SystemExit(name)
    __class__ = property(lambda self: 1 / 0)
Bites()"""
    for source, shown in (
        ("list(range(2_000_000))", "[0, 1, 2"),
        ("{n: n for n in range(300_000)}", "{0: 0"),
        ("'x' * 50_000_000", "'xxxx"),
        ("10 ** 100_000", "<int of 332,193 bits>"),
        (hostile, "__repr__ raised RuntimeError"),
    ):
        reply = served.evaluate(source)
        assert reply.ok, reply.error
        assert shown in (reply.value or ""), source
        assert len(reply.value or "") < 70_000
        served.load.answered(5)


def test_several_evaluations_at_once_and_interrupts_cost_no_request(served: Served) -> None:
    process = served.process
    with served.node.client() as client:
        sources = ["while True: pass", "while True: print(1)", "import time\nwhile True: time.sleep(0.01)"]
        streams = [
            client.stream(m.Evaluate(source=source, process=process, session=f"s{k}", timeout=20.0))
            for k, source in enumerate(sources * 2)
        ]
        served.load.answered(10)
        for stream in streams:
            stream.cancel()
        for stream in streams:
            assert stream.reply().interrupted
    served.load.answered(5)


def test_awaiting_code_never_stops_the_applications_loop(served: Served) -> None:
    """What has no loop to run on gets one of its own."""
    reply = served.evaluate("import asyncio; await asyncio.sleep(0.01, 'slept')")
    assert reply.value == "'slept'", reply.error
    for source in (
        "import asyncio; await asyncio.sleep(100)",
        "import asyncio\nwhile True: await asyncio.sleep(0)",
    ):
        reply = served.evaluate(source, timeout=0.5)
        assert reply.timed_out, (source, reply)
        assert reply.abandoned is None
        served.load.answered(5)


def test_a_console_that_is_killed_leaves_nothing_running(served: Served) -> None:
    process = served.process
    client = served.node.client()
    client.stream(m.Evaluate(source="while True: pass", process=process, session="gone", timeout=None))
    source = "import sys; [f.f_code.co_filename for f in sys._current_frames().values()]"
    served.node.wait_for(lambda: "<console gone" in str(served.evaluate(source).value))
    client.close()
    served.node.wait_for(lambda: "<console gone" not in str(served.evaluate(source).value))
