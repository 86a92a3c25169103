"""Requests that httpx sends to a real server."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from limpet import telemetry
from limpet.telemetry import httpx as instrumentation

ENDS = ("start", "stop", "exception")


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302 if self.path.startswith("/old") else 200)
        self.send_header("Location", "/new")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_said: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield "http://{}:{}".format(*made.server_address)
        made.shutdown()
        thread.join()


@pytest.fixture
def requests(heard):
    telemetry.attach_many("h", [(*instrumentation.REQUEST, end) for end in ENDS], heard)
    return heard


def synchronous(*, url: str, own: bool) -> None:
    if own:
        with httpx.Client(transport=instrumentation.Transport(), follow_redirects=True) as client:
            assert client.get(url).text == "ok"
        return
    with httpx.Client(follow_redirects=True, mounts={"all://elsewhere": httpx.HTTPTransport()}) as client:
        instrumentation.instrument(client)
        instrumentation.instrument(client)
        assert client.get(url).text == "ok"


def asynchronous(*, url: str, own: bool) -> None:
    async def main() -> None:
        if own:
            async with httpx.AsyncClient(
                transport=instrumentation.AsyncTransport(), follow_redirects=True
            ) as client:
                assert (await client.get(url)).text == "ok"
            return
        async with httpx.AsyncClient(follow_redirects=True) as client:
            instrumentation.instrument(client)
            instrumentation.instrument(client)
            assert (await client.get(url)).text == "ok"

    asyncio.run(main())


@pytest.mark.parametrize("own", [True, False], ids=["transport", "instrument"])
@pytest.mark.parametrize("get", [synchronous, asynchronous])
def test_each_request_that_goes_out_is_told_without_what_may_be_secret(
    requests, server: str, get, own: bool
) -> None:
    get(url=f"{server}/old?token=secret", own=own)
    assert [(event[-1], about["path"]) for event, _, about in requests] == [
        ("start", "/old"),
        ("stop", "/old"),
        ("start", "/new"),
        ("stop", "/new"),
    ]
    _, measured, about = requests[1]
    assert measured["duration"] >= 0
    assert (about["method"], about["scheme"], about["host"], about["status"]) == (
        "GET",
        "http",
        "127.0.0.1",
        302,
    )
    assert about["port"] == int(server.rpartition(":")[2])
    assert "secret" not in repr(requests)


def test_a_request_without_a_response_is_told_with_its_exception(requests) -> None:
    telemetry.metrics(instrumentation.METRICS)
    client = httpx.Client()
    instrumentation.instrument(client)
    with client, pytest.raises(httpx.ConnectError):
        client.get("http://127.0.0.1:1/")
    assert [event[-1] for event, _, _ in requests] == ["start", "exception"]
    found = {one["name"]: one["samples"] for one in telemetry.snapshot()}
    assert found["httpx_request_exception_count"] == [[["GET", "127.0.0.1", "ConnectError"], 1]]
