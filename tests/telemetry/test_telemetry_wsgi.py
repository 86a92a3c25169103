"""Requests of WSGI applications, served by the standard library's server and by gunicorn's parts."""

import io
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest

from limpet import telemetry
from limpet.telemetry import wsgi

BOUND = 30.0


class Quiet(WSGIRequestHandler):
    def log_message(self, *_said: object) -> None:
        pass

    def get_stderr(self):
        return io.StringIO()


class Pieces:
    """A body that ends, or raises; whether it was closed."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = iter(pieces)
        self.closed = False

    def __iter__(self):
        return self

    def __next__(self) -> bytes:
        piece = next(self._pieces)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self) -> None:
        self.closed = True


def site(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raises":
        raise ValueError("no thing")
    start_response("201 Created", [("Content-Type", "text/plain")])
    match path:
        case "/list":
            return [b"hello"]
        case "/stream":
            return Pieces(b"12", b"345")
        case "/breaks":
            return Pieces(b"12", ValueError("half way"))
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the server closes it
    file.write(b"from a file")
    file.seek(0)
    return environ["wsgi.file_wrapper"](file)


@contextmanager
def served(application) -> Iterator[tuple[str, int]]:
    with make_server("127.0.0.1", 0, application, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address
        finally:
            server.shutdown()
            thread.join(BOUND)


def request(address, path: str) -> bytes:
    with socket.create_connection(address, BOUND) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        answer = b""
        while data := connection.recv(65536):
            answer += data
        return answer


@pytest.fixture
def ends(heard):
    telemetry.attach_many("h", [(*wsgi.REQUEST, "stop"), (*wsgi.REQUEST, "exception")], heard)
    return heard


@pytest.mark.parametrize(
    ("path", "end", "status", "size"),
    [
        ("/list", "stop", 201, 5),
        ("/stream", "stop", 201, 5),
        ("/file", "stop", 201, 0),
        ("/raises", "exception", 500, 0),
        ("/breaks", "exception", 201, 2),
    ],
)
def test_a_request_is_told_when_it_is_over(ends, path: str, end: str, status: int, size: int) -> None:
    with served(wsgi.TelemetryMiddleware(site, route=lambda environ: f"<{environ['PATH_INFO']}>")) as address:
        answer = request(address, path)
    assert f" {status} ".encode() in answer
    ((event, measured, about),) = ends
    assert event == (*wsgi.REQUEST, end)
    assert measured["duration"] >= 0
    assert measured["response_bytes"] == size
    assert (about["method"], about["path"], about["scheme"], about["status"]) == ("GET", path, "http", status)
    assert about["route"] == f"<{path}>"
    assert about.get("kind") == ("ValueError" if end == "exception" else None)
    if path == "/list":
        assert b"Content-Length: 5" in answer  # the server saw the list itself
    if path == "/file":
        assert answer.endswith(b"from a file")


def test_the_server_sees_its_own_file_wrapper(ends) -> None:
    """With sendfile gunicorn sends only what is one of its own."""
    wrapper = FileWrapper(io.BytesIO(b"x"))
    environ = {"wsgi.file_wrapper": FileWrapper}
    assert wsgi.TelemetryMiddleware(lambda *_: wrapper)(environ, None) is wrapper
    assert len(ends) == 1


def test_what_has_a_close_is_closed_and_the_protocol_is_kept(ends) -> None:
    pieces = Pieces(b"12")

    def application(_environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return pieces

    with served(validator(wsgi.TelemetryMiddleware(validator(application)))) as address:
        assert request(address, "/").endswith(b"12")
    assert pieces.closed
    assert len(ends) == 1


def test_a_client_that_goes_away_ends_the_request(ends) -> None:
    pieces = Pieces(b"1", b"2")
    body = wsgi.TelemetryMiddleware(lambda *_: pieces)({}, None)
    next(iter(body))
    assert ends == []
    body.close()
    assert ends[0][0][-1] == "stop"
    assert telemetry.current_span() is None


def test_what_is_written_is_counted(ends) -> None:
    written = []

    def application(_environ, start_response):
        start_response("200 OK", [])(b"123")
        return []

    wsgi.TelemetryMiddleware(application)({}, lambda *_: written.append)
    assert (written, ends[0][1]["response_bytes"]) == ([b"123"], 3)


def test_with_nobody_attached_the_server_gets_what_the_application_gives() -> None:
    pieces = Pieces()
    assert wsgi.TelemetryMiddleware(lambda *_: pieces)({}, None) is pieces


def test_its_metrics_measure_requests() -> None:
    telemetry.metrics(wsgi.METRICS)
    with served(wsgi.TelemetryMiddleware(site)) as address:
        for path in ("/list", "/raises"):
            request(address, path)
    found = {one["name"]: one["samples"] for one in telemetry.snapshot()}
    assert [labels for labels, _ in found["wsgi_request_stop_duration_seconds"]] == [["GET", "", "201"]]
    assert found["wsgi_request_exception_count"] == [[["GET", "", "ValueError"], 1]]


def test_the_route_is_asked_when_the_answer_begins(ends) -> None:
    """When a Flask application returns, its request is gone from the environ."""

    def application(environ, start_response):
        environ["request"] = "/carts/<cart>"
        start_response("200 OK", [])
        environ["request"] = None
        return []

    wsgi.TelemetryMiddleware(application, route=lambda environ: environ["request"].lower())(
        {}, lambda *_: None
    )
    assert ends[0][2]["route"] == "/carts/<cart>"


def test_a_request_whose_body_cannot_be_iterated_ends_and_is_nobody_s_parent() -> None:
    """A view that forgets its `return` is the usual one."""
    ended: list[str] = []
    telemetry.attach("ends", ("wsgi", "request", "exception"), lambda *told: ended.append(told[2]["kind"]))
    application = wsgi.TelemetryMiddleware(lambda _environ, _start_response: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError):
        application({}, lambda *_told: None)
    assert ended == ["TypeError"]
    assert telemetry.current_span() is None
