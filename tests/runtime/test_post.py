"""A POST has a deadline for all of it, whatever the server does."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from limpet_supervisor.runtime.post import Place, post

BOUND = 30.0


@contextmanager
def serving(serve: Callable[[socket.socket], None], host: str = "127.0.0.1") -> Iterator[Place]:
    """A server that does that with its first client."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        listener.settimeout(BOUND)

        def run() -> None:
            client, _ = listener.accept()
            with client, suppress(OSError):
                client.settimeout(BOUND)
                serve(client)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield Place(secure=False, host=host, port=listener.getsockname()[1], path="/v1/metrics")
        finally:
            thread.join(BOUND)


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_a_server_that_sends_a_byte_now_and_then_is_given_up_in_time() -> None:
    over = threading.Event()

    def drip(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nx: ")
        while not over.wait(0.01):
            client.sendall(b"y")

    with serving(drip) as place:
        try:
            with pytest.raises(TimeoutError):
                post(place, (), b"x", 0.3)
        finally:
            over.set()


def test_a_server_that_reads_nothing_is_given_up_in_time() -> None:
    over = threading.Event()

    def wait(_client: socket.socket) -> None:
        over.wait(BOUND)

    with serving(wait) as place:
        try:
            with pytest.raises(TimeoutError):
                post(place, (), bytes(1 << 24), 0.3)
        finally:
            over.set()


def test_of_an_answer_without_end_the_beginning_is_read() -> None:
    def pour(client: socket.socket) -> None:
        client.recv(1 << 16)
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad Request\r\nX-A: 1\r\n\r\n")
        while True:
            client.sendall(b"x" * 65536)

    with serving(pour) as place:
        answer = post(place, (), b"x", BOUND)
    assert (answer.status, answer.headers["x-a"], len(answer.body)) == (400, "1", 65536)


def test_an_answer_that_comes_before_all_is_sent_is_read() -> None:
    def refuse(client: socket.socket) -> None:
        client.recv(10)
        client.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        while client.recv(1 << 20):
            pass

    with serving(refuse) as place:
        assert post(place, (), bytes(1 << 22), BOUND).status == 413


@pytest.mark.parametrize(("host", "named"), [("127.0.0.1", b"127.0.0.1"), ("::1", b"[::1]")])
def test_the_request_is_whole_and_names_the_host(host: str, named: bytes) -> None:
    heard = bytearray()
    if host == "::1" and not has_ipv6():
        pytest.skip("there is no IPv6 here")

    def answer(client: socket.socket) -> None:
        while not heard.endswith(b"\r\n\r\nbody"):
            heard.extend(client.recv(1 << 16))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\nfine")

    with serving(answer, host) as place:
        assert post(place, (("x-a", "b c"),), b"body", BOUND).body == b"fine"
    lines = {line.lower() for line in bytes(heard).split(b"\r\n")}
    assert heard.startswith(b"POST /v1/metrics HTTP/1.1\r\n")
    assert {b"host: %s:%d" % (named, place.port), b"x-a: b c", b"content-length: 4"} <= lines
