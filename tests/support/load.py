"""Requests without end against a test's HTTP server, each answer checked, each error and time kept."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

BOUND = 30.0
REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


@dataclass
class Load:
    """What the clients have seen so far."""

    errors: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """Seconds of each answer."""
    ended: threading.Event = field(default_factory=threading.Event)
    came: threading.Condition = field(default_factory=threading.Condition)

    def answered(self, more: int = 20) -> None:
        """Waits for so many more answers: the server lives."""
        with self.came:
            target = len(self.times) + more
            assert self.came.wait_for(lambda: len(self.times) >= target, BOUND), self.errors[:3]

    def run(self, port: int) -> None:
        """One client: a connection, used until the server closes it, then the next."""
        connection: socket.socket | None = None
        while not self.ended.is_set():
            began = time.perf_counter()
            try:
                connection = connection or socket.create_connection(("127.0.0.1", port), BOUND)
                connection.sendall(REQUEST)
                head, body = _answer(connection)
            except OSError as error:
                self.errors.append(repr(error))
                connection = None
                self.ended.wait(0.05)
                continue
            if not head.startswith(b"HTTP/1.1 200") or not body.startswith(b"well "):
                self.errors.append(repr((head[:60], body[:60])))
            with self.came:
                self.times.append(time.perf_counter() - began)
                self.came.notify_all()
            if b"connection: close" in head.lower():
                connection.close()
                connection = None
        if connection is not None:
            connection.close()


def _answer(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += _more(connection)
    return head, body


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionResetError("closed in the middle of an answer")
    return data


@contextlib.contextmanager
def load(port: int, clients: int = 3) -> Iterator[Load]:
    """Clients that ask without pause until the end of the block; the first answers have come."""
    made = Load()
    threads = [threading.Thread(target=made.run, args=(port,)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        made.answered()
        yield made
    finally:
        made.ended.set()
        for thread in threads:
            thread.join(BOUND)
