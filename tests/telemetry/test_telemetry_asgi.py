"""Requests and websockets of ASGI applications, served by uvicorn."""

import asyncio
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from websockets.sync.client import connect

from limpet import telemetry
from limpet.telemetry import asgi
from support.bookshop import ORIGINAL, requires_bookshop

BOUND = 30.0
ENDS = ("start", "stop", "exception")


class Route:
    path = "/things/{thing}"


class Site:
    """An application with one of each; `ends` is set when a request is over."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "websocket":
            await self.websocket(receive, send)
            return
        scope["route"] = Route
        match scope["path"]:
            case "/raises":
                raise ValueError("no thing")
            case "/silent":
                return
            case "/echo":
                body = b""
                while True:
                    message = await receive()
                    body += message["body"]
                    if not message["more_body"]:
                        break
                await send({"type": "http.response.start", "status": 201, "headers": []})
                await send({"type": "http.response.body", "body": body})
            case "/stream":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                for _ in range(3):
                    await send({"type": "http.response.body", "body": b"12345", "more_body": True})
                await send({"type": "http.response.body"})
            case "/waits":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"1", "more_body": True})
                self.gate.set()
                while (await receive())["type"] != "http.disconnect":
                    pass

    async def websocket(self, receive, send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            if message.get("text") == "bye":
                await send({"type": "websocket.close", "code": 4000})
                return
            await send({"type": "websocket.send", "text": "é"})


@contextmanager
def served(application) -> Iterator[tuple[str, int]]:
    """The address at which uvicorn serves it."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(application, lifespan="off", log_config=None, ws="websockets-sansio", loop="asyncio")
    )
    started = threading.Event()
    startup = server.startup

    async def start(sockets=None) -> None:
        await startup(sockets)
        started.set()

    server.startup = start
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    assert started.wait(BOUND)
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        thread.join(BOUND)
        listener.close()


class Told:
    """Waits for the ends of requests."""

    def __init__(self, name: telemetry.Event) -> None:
        self.events = []
        self._changed = threading.Condition()
        telemetry.attach_many("told", [(*name, end) for end in ENDS], self.hear)

    def hear(self, event, measurements, metadata, _config) -> None:
        with self._changed:
            self.events.append((event[-1], dict(measurements), dict(metadata)))
            self._changed.notify_all()

    def end(self):
        """The next event that is not a start."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(end != "start" for end, _, _ in self.events), BOUND)
            found = next(told for told in self.events if told[0] != "start")
            self.events.remove(found)
            return found


def request(address, path: str, body: bytes = b"", method: str = "GET") -> bytes:
    with socket.create_connection(address, BOUND) as connection:
        head = f"{method} {path}?secret=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = b""
        while data := connection.recv(65536):
            answer += data
        return answer


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[Site, tuple[str, int]]]:
    made = Site()
    with served(asgi.TelemetryMiddleware(made)) as address:
        yield made, address


def test_a_request_is_told_with_route_status_and_sizes(site) -> None:
    told = Told(asgi.REQUEST)
    assert request(site[1], "/echo", b"hello", "POST").endswith(b"5\r\nhello\r\n0\r\n\r\n")
    end, measured, about = told.end()
    assert end == "stop"
    assert (measured["request_bytes"], measured["response_bytes"]) == (5, 5)
    assert 0 <= measured["first_byte"] <= measured["duration"]
    assert {key: about[key] for key in ("method", "path", "scheme", "route", "status", "disconnected")} == {
        "method": "POST",
        "path": "/echo",
        "scheme": "http",
        "route": "/things/{thing}",
        "status": 201,
        "disconnected": False,
    }


def test_a_streamed_answer_ends_with_its_last_piece(site) -> None:
    told = Told(asgi.REQUEST)
    request(site[1], "/stream")
    end, measured, about = told.end()
    assert (end, measured["response_bytes"], about["disconnected"]) == ("stop", 15, False)


@pytest.mark.parametrize(
    ("path", "end", "kind"), [("/raises", "exception", "ValueError"), ("/silent", "stop", None)]
)
def test_an_application_without_an_answer_has_the_servers(site, path: str, end: str, kind) -> None:
    told = Told(asgi.REQUEST)
    assert b" 500 " in request(site[1], path)
    found, _measured, about = told.end()
    assert (found, about.get("kind"), about["status"]) == (end, kind, 500)


def test_a_client_that_goes_away_is_told(site) -> None:
    told = Told(asgi.REQUEST)
    site[0].gate.clear()
    with socket.create_connection(site[1], BOUND) as connection:
        connection.sendall(b"GET /waits HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100)
        assert site[0].gate.wait(BOUND)
    end, measured, about = told.end()
    assert (end, about["disconnected"], measured["response_bytes"]) == ("stop", True, 1)


@pytest.mark.parametrize(("last", "code"), [("bye", 4000), (None, 1000)])
def test_a_websocket_is_told_when_it_closes(site, last, code: int) -> None:
    told = Told(asgi.WEBSOCKET)
    with connect("ws://{}:{}/ws".format(*site[1])) as websocket:
        websocket.send("hi")
        websocket.send(b"\x00\x01\x02")
        assert [websocket.recv(BOUND), websocket.recv(BOUND)] == ["é", "é"]
        if last:
            websocket.send(last)
    end, measured, about = told.end()
    assert end == "stop"
    assert {key: measured[key] for key in ("received", "received_bytes", "sent", "sent_bytes")} == {
        "received": 2 + bool(last),
        "received_bytes": 5 + len(last or ""),
        "sent": 2,
        "sent_bytes": 4,
    }
    assert (about["accepted"], about["code"], about["path"]) == (True, code, "/ws")


def test_its_metrics_measure_requests(site) -> None:
    telemetry.metrics(asgi.METRICS)
    told = Told(asgi.REQUEST)
    for path in ("/stream", "/raises"):
        request(site[1], path)
        told.end()
    found = {one["name"]: one["samples"] for one in telemetry.snapshot()}
    assert [(labels, value["count"]) for labels, value in found["asgi_request_stop_duration_seconds"]] == [
        (["GET", "/things/{thing}", "200"], 1)
    ]
    assert found["asgi_request_exception_count"] == [[["GET", "/things/{thing}", "ValueError"], 1]]
    assert telemetry.failures() == []


def test_with_nobody_attached_the_application_gets_what_the_server_gives() -> None:
    got = []

    async def application(*given) -> None:
        got.append(given)

    wrapped = asgi.TelemetryMiddleware(application)
    given = ({"type": "http"}, object(), object())
    asyncio.run(wrapped(*given))
    assert got == [given]


def test_a_lifespan_passes_through() -> None:
    got = []

    async def application(*given) -> None:
        got.append(given)

    Told(asgi.REQUEST)
    given = ({"type": "lifespan"}, object(), object())
    asyncio.run(asgi.TelemetryMiddleware(application)(*given))
    assert got == [given]


def test_a_server_that_raises_for_a_client_that_is_gone(heard) -> None:
    """ASGI 2.4: send raises an OSError; it is the application's to see."""
    telemetry.attach("h", (*asgi.REQUEST, "exception"), heard)

    async def application(_scope, _receive, send) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def send(_message) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(asgi.TelemetryMiddleware(application)({"type": "http"}, None, send))
    assert heard[0][2]["disconnected"]


def test_a_function_for_the_route_that_raises_harms_no_request(heard) -> None:
    telemetry.attach("h", (*asgi.REQUEST, "stop"), heard)

    async def application(_scope, _receive, _send) -> None:
        pass

    asyncio.run(
        asgi.TelemetryMiddleware(application, route=lambda scope: scope["none"])({"type": "http"}, None, None)
    )
    assert heard[0][2]["route"] == "?"


@requires_bookshop
def test_the_route_of_starlette_is_found() -> None:
    """With the bookshop's Starlette, which is not one of ours."""
    program = """
import asyncio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from limpet import telemetry
from limpet.telemetry.asgi import TelemetryMiddleware
app = TelemetryMiddleware(Starlette(routes=[Route("/carts/{cart}", lambda request: PlainTextResponse("x"))]))
telemetry.attach("h", ("asgi", "request", "stop"), lambda *told: print(told[2]["route"], told[2]["status"]))
async def receive():
    return {"type": "http.request", "body": b""}
async def send(message):
    pass
for path in ("/carts/ada", "/nothing"):
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))
"""
    agent = Path(asgi.__file__).parents[2]
    ran = subprocess.run(
        [ORIGINAL / ".venv/bin/python", "-c", program],
        env={"PYTHONPATH": str(agent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout.splitlines(), ran.stderr) == (["/carts/{cart} 200", " 404"], "")
