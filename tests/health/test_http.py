"""The small HTTP server: whatever clients do, the loop goes on and the others are answered."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet_supervisor.runtime import http
from limpet_supervisor.runtime.addresses import NotAnAddress
from limpet_supervisor.runtime.http import HttpServer, Request, Respond, Response
from support.loop import Loop, loop


class Served:
    """A server on a loop of its own, and clients of the test's in the same thread."""

    def __init__(self, loop: Loop, path: str) -> None:
        self.loop = loop
        self.path = path
        self.asked: list[Request] = []
        self.waiting: list[Respond] = []
        self.server = HttpServer(loop.reactor, f"unix:{path}", self.handle)
        self.clients: list[socket.socket] = []

    def handle(self, request: Request, respond: Respond) -> None:
        """Answers with the path; `/later` when the test says so; `/big` with more than a socket holds."""
        self.asked.append(request)
        if request.path == "/later":
            self.waiting.append(respond)
        elif request.path == "/bug":
            raise RuntimeError("a bug")
        else:
            respond(Response(200, b"x" * 4_000_000 if request.path == "/big" else request.path.encode()))

    def client(self, data: bytes = b"") -> socket.socket:
        """A client that has sent `data`."""
        made = socket.socket(socket.AF_UNIX)
        made.setblocking(False)
        made.connect(self.path)
        self.clients.append(made)
        if data:
            made.sendall(data)
        return made

    def read(self, client: socket.socket, count: int = 1) -> bytes:
        """What the server says, until so many answers have come whole, or the end."""
        said = bytearray()

        def complete() -> bool:
            try:
                data = client.recv(1 << 20)
            except BlockingIOError:
                return False
            said.extend(data)
            return not data or _answers(bytes(said)) >= count

        self.loop.until(complete)
        return bytes(said)

    def ended(self, client: socket.socket) -> bool:
        """Waits until the server has closed the connection; what came before is thrown away."""

        def gone() -> bool:
            try:
                return client.recv(1 << 20) == b""
            except BlockingIOError:
                return False
            except ConnectionResetError:
                return True

        self.loop.until(gone)
        return True


def _answers(said: bytes) -> int:
    """How many whole answers these bytes are."""
    count = 0
    while True:
        head, end, rest = said.partition(b"\r\n\r\n")
        if not end:
            return count
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        if len(rest) < length:
            return count
        count += 1
        said = rest[length:]


def get(path: str, *headers: str) -> bytes:
    """A request."""
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: x", *headers, "", "")).encode()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with loop() as made:
        here = Served(made, str(tmp_path / "h.sock"))
        yield here
        here.server.close()
        for client in here.clients:
            client.close()


def test_one_connection_carries_many_requests_and_they_are_answered_in_order(served: Served) -> None:
    client = served.client(get("/later") + get("/two") + get("/three"))
    served.loop.until(lambda: served.waiting)
    assert [request.path for request in served.asked] == ["/later"], "one at a time"
    served.waiting.pop()(Response(200, b"/one"))
    said = served.read(client, 3)
    assert [part for part in (b"/one", b"/two", b"/three") if said.count(part) == 1] == [
        b"/one",
        b"/two",
        b"/three",
    ]
    assert said.find(b"/one") < said.find(b"/two") < said.find(b"/three")


def test_path_query_and_accept_are_told(served: Served) -> None:
    served.read(served.client(get("/a%20b?x=1&x=2&verbose", "Accept: text/plain")))
    assert served.asked == [Request("GET", "/a b", {"x": ["1", "2"], "verbose": [""]}, "text/plain")]


def test_a_client_that_says_no_more_is_answered(served: Served) -> None:
    """Printf … | nc: it has shut its side down when the answer comes."""
    client = served.client(get("/later"))
    client.shutdown(socket.SHUT_WR)
    served.loop.until(lambda: served.waiting)
    served.waiting.pop()(Response(200, b"late"))
    assert served.read(client).endswith(b"late")
    assert served.ended(client)


def test_a_client_that_leaves_before_the_answer_costs_nothing(served: Served) -> None:
    client = served.client(get("/later"))
    served.loop.until(lambda: served.waiting)
    client.close()
    served.loop.until(lambda: not served.server._connections)
    served.waiting.pop()(Response(200, b"nobody"))
    assert served.read(served.client(get("/next"))).endswith(b"/next")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", b"405"),
        (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 70_000, b"413"),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"431"),
    ],
    ids=["nonsense", "TLS", "no host", "POST", "large body", "large head"],
)
def test_what_is_no_request_of_ours_is_told_so(served: Served, data: bytes, status: bytes) -> None:
    client = served.client()
    client.setblocking(True)
    client.sendall(data)
    client.setblocking(False)
    assert served.read(client).split()[1] == status
    assert served.read(served.client(get("/next"))).endswith(b"/next")


def test_a_bug_is_500_and_the_loop_hears_of_it(served: Served) -> None:
    heard: list[Exception] = []
    served.loop.reactor.on_error = heard.append
    assert served.read(served.client(get("/bug"))).split()[1] == b"500"
    assert [str(error) for error in heard] == ["a bug"]


def test_a_client_that_sends_too_slowly_is_dropped(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REQUEST_WITHIN", 0.05)
    slow = served.client(b"GET / HT")
    silent = served.client()
    assert served.ended(slow)
    assert served.ended(silent)
    assert served.server.dropped == 1


def test_a_client_that_takes_nothing_is_dropped_and_the_others_are_answered(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ANSWER_WITHIN", 0.3)
    slow = served.client(get("/big"))
    served.loop.until(lambda: served.asked)
    assert served.read(served.client(get("/next"))).endswith(b"/next")
    served.loop.until(lambda: served.server.dropped)
    assert served.ended(slow)


def test_a_large_answer_comes_whole(served: Served) -> None:
    said = served.read(served.client(get("/big")))
    assert said.endswith(b"x" * 4_000_000)


def test_of_too_many_connections_the_one_that_waits_longest_gives_way(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "CONNECTIONS", 3)
    first = served.client()
    busy = served.client(get("/later"))
    others = [served.client() for _ in range(2)]
    served.loop.until(lambda: served.waiting)
    assert served.ended(first)
    served.waiting.pop()(Response(200, b"kept"))
    assert served.read(busy).endswith(b"kept")
    others[-1].sendall(get("/last"))
    assert served.read(others[-1]).endswith(b"/last")


def test_a_stale_socket_is_taken_over_and_one_that_lives_is_not(served: Served, tmp_path: Path) -> None:
    stale = str(tmp_path / "stale")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(stale)
    HttpServer(served.loop.reactor, f"unix:{stale}", served.handle).close()
    assert not os.path.exists(stale)
    with pytest.raises(OSError, match="in use"):
        HttpServer(served.loop.reactor, f"unix:{served.path}", served.handle)


def test_a_file_that_is_no_socket_is_left_alone(served: Served, tmp_path: Path) -> None:
    """connect(2) is refused by it as by a socket that nobody listens on."""
    precious = tmp_path / "precious"
    precious.write_text("kept")
    with pytest.raises(OSError, match="in use"):
        HttpServer(served.loop.reactor, f"unix:{precious}", served.handle)
    assert precious.read_text() == "kept"


def test_a_socket_whose_owner_accepts_nothing_keeps_nobody_waiting(served: Served, tmp_path: Path) -> None:
    path = str(tmp_path / "full")
    with socket.socket(socket.AF_UNIX) as full, socket.socket(socket.AF_UNIX) as waits:
        full.bind(path)
        full.listen(0)
        waits.connect(path)
        with pytest.raises(OSError, match="in use"):
            HttpServer(served.loop.reactor, f"unix:{path}", served.handle)


def test_a_name_is_refused_rather_than_served_elsewhere(served: Served) -> None:
    """LIMPET_HEALTH=example.com:80 was served on 127.0.0.1."""
    with pytest.raises(NotAnAddress, match="not a name"):
        HttpServer(served.loop.reactor, "example.com:9464", served.handle)


@pytest.mark.parametrize("mode", ["666", "0600"])
def test_a_unix_socket_has_the_permissions_that_it_is_given(
    served: Served, tmp_path: Path, mode: str
) -> None:
    """A proxy runs as another user, and a connection takes the right to write."""
    path = tmp_path / "open.sock"
    made = HttpServer(served.loop.reactor, f"unix:{path}", served.handle, mode)
    assert oct(path.stat().st_mode & 0o7777) == oct(int(mode, 8))
    made.close()
