"""One POST over HTTP or HTTPS, for a thread: no redirect is followed, nothing waits beyond a deadline.

The standard library's client has no deadline: a server that sends a byte now and then keeps it for ever.
"""

import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import ssl

_MOST: Final = 64 * 1024
"""Bytes of an answer that are read; what comes after them is of no interest."""
_CHUNK: Final = 16 * 1024


class Place(NamedTuple):
    """Where to."""

    secure: bool
    host: str
    port: int
    path: str
    certificate: str = ""
    """A file with the certificates of the authorities that are trusted; empty: the system's."""
    client_certificate: str = ""
    client_key: str = ""


class Answer(NamedTuple):
    """What has come back."""

    status: int
    headers: dict[str, str]
    """Names in lower case; of several of one name the last."""
    body: bytes


def post(place: Place, headers: Sequence[tuple[str, str]], body: bytes, within: float) -> Answer:
    """Sends it and waits for the answer. Only the look-up of the host's name may take longer than `within`.

    Raises:
        OSError: it could not be sent, or nothing has come in time (TimeoutError); also what is wrong with
            certificates (ssl.SSLError).
        ValueError: what has come is no HTTP.
    """
    import h11

    deadline = time.monotonic() + within
    connection = _connect(place, deadline)
    try:
        client = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST)
        host = f"[{place.host}]" if ":" in place.host else place.host
        usual = place.port == (443 if place.secure else 80)
        fields = [
            ("host", host if usual else f"{host}:{place.port}"),
            ("content-length", str(len(body))),
            ("connection", "close"),
            *headers,
        ]
        try:
            head = client.send(h11.Request(method="POST", target=place.path, headers=fields))
            data = client.send(h11.Data(data=body))
            client.send(h11.EndOfMessage())
        except h11.LocalProtocolError as error:
            raise ValueError(f"it cannot be asked so: {error}") from None
        with suppress(ConnectionError):  # a refusal may have come before all was sent; read it
            _left(connection, deadline)
            connection.sendall((head or b"") + (data or b""))
        return _answer(client, connection, deadline)
    finally:
        connection.close()


def _answer(client: "object", connection: socket.socket, deadline: float) -> Answer:
    import h11

    assert isinstance(client, h11.Connection)
    status, headers, body = 0, {}, bytearray()
    try:
        while True:
            event = client.next_event()
            if event is h11.NEED_DATA:
                _left(connection, deadline)
                client.receive_data(connection.recv(_CHUNK))
            elif isinstance(event, h11.Response):
                status = event.status_code
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) >= _MOST:
                    break
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                break
    except h11.RemoteProtocolError as error:
        if not status:  # else what there is of the body is all there will be
            raise ValueError(f"no HTTP: {error}") from None
    if not status:
        raise ValueError("no HTTP: it closed the connection without an answer")
    return Answer(status, headers, bytes(body[:_MOST]))


def _connect(place: Place, deadline: float) -> socket.socket:
    """A connection to the first address that takes one, with TLS if it shall be secure."""
    trouble: OSError = ConnectionRefusedError("there is no address of that name")
    for family, kind, protocol, _, address in _addresses(place):
        made = socket.socket(family, kind | socket.SOCK_CLOEXEC, protocol)
        try:
            _left(made, deadline)
            made.connect(address)
            if not place.secure:
                return made
            _left(made, deadline)
            return _context(place).wrap_socket(made, server_hostname=place.host)
        except OSError as error:
            made.close()
            trouble = error
            if time.monotonic() >= deadline:
                break
    raise trouble


def _addresses(place: Place) -> Iterable[tuple[int, int, int, str, tuple[str, int]]]:
    return socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)  # type: ignore[return-value]


def _context(place: Place) -> "ssl.SSLContext":
    import ssl

    made = ssl.create_default_context(cafile=place.certificate or None)
    if place.client_certificate:
        made.load_cert_chain(place.client_certificate, place.client_key or None)
    return made


def _left(connection: socket.socket, deadline: float) -> None:
    """Lets the next call wait for as long as there is time.

    Raises:
        TimeoutError: there is none.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("it has not answered in time")
    connection.settimeout(left)
