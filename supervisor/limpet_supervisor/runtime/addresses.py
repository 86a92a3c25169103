"""Addresses as people write them, for probes: `host:port`, `[v6]:port`, `unix:/path`, http URLs."""

import socket
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from limpet_supervisor.runtime.reactor import Reactor


class NotAnAddress(ValueError):
    """What is written is no address of the wanted form; the message says what is."""


class Address(NamedTuple):
    """A stream socket's address."""

    family: socket.AddressFamily
    """AF_UNSPEC: the host is a name, not resolved yet."""
    host: str
    """The path, of a Unix socket."""
    port: int = 0

    @property
    def target(self) -> str | tuple[str, int]:
        """What connect(2) wants."""
        return self.host if self.family == socket.AF_UNIX else (self.host, self.port)


def parse_address(text: str, default_port: int | None = None) -> Address:
    """The address that `text` writes.

    Raises:
        NotAnAddress: it writes none.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path or len(path.encode()) > 107:
            raise NotAnAddress(f"{text!r}: expected unix:/path, of at most 107 bytes")
        return Address(socket.AF_UNIX, "\0" + path[1:] if path.startswith("@") else path)
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
        if not bracket or (rest and not rest.startswith(":")):
            raise NotAnAddress(f"{text!r}: expected [address]:port")
    else:
        host, _colon, port = text.rpartition(":") if ":" in text else (text, "", "")
    if not port and default_port is not None:
        port = str(default_port)
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise NotAnAddress(f"{text!r}: expected host:port, [v6]:port or unix:/path")
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return Address(family, host, int(port))
    return Address(socket.AF_UNSPEC, host, int(port))


def parse_url(url: str) -> tuple[Address, str, str]:
    """An http URL's address, the value of its Host header, and its path with the query.

    Raises:
        NotAnAddress: it is no http URL.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() != "http":
        raise NotAnAddress(f"{url!r}: expected http://host:port/path")
    if not url.isprintable() or " " in url:
        raise NotAnAddress(f"{url!r}: a URL has no spaces and no control characters")
    rest = rest.partition("#")[0]
    at = min((found for mark in "/?" if (found := rest.find(mark)) >= 0), default=len(rest))
    host, path = rest[:at], rest[at:]
    if "@" in host or not path.isascii():
        raise NotAnAddress(f"{url!r}: expected http://host:port/path")
    if not path.startswith("/"):
        path = "/" + path
    return parse_address(host, default_port=80), host, path


def candidates(address: Address) -> list[Address] | None:
    """The addresses to try where that is known without asking anyone; None if a resolver must be asked."""
    if address.family != socket.AF_UNSPEC:
        return [address]
    if address.host == "localhost" or address.host.endswith(".localhost"):  # RFC 6761: always loopback
        return [
            Address(socket.AF_INET, "127.0.0.1", address.port),
            Address(socket.AF_INET6, "::1", address.port),
        ]
    return None


_OnResolved = Callable[[list[Address], str], None]
_asked: Final[dict[tuple[Reactor, str, int], list[_OnResolved]]] = {}
"""Who waits for the addresses of a name: one thread asks, though attempts are given up and repeated."""


def resolve(reactor: Reactor, address: Address, callback: _OnResolved) -> None:
    """Asks the system's resolver in a thread, one a name; `callback` gets the addresses, or none and why.

    Raises:
        RuntimeError: no thread can be started.
    """
    import threading

    host, port = address.host, address.port
    key = (reactor, host, port)
    if (waiting := _asked.get(key)) is not None:
        waiting.append(callback)
        return

    def ask() -> None:
        found: list[Address] = []
        why = ""
        try:
            for family, _kind, _protocol, _name, target in socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
            ):
                found.append(Address(family, str(target[0]), int(target[1])))
        except (OSError, UnicodeError) as error:
            why = f"{host}: {getattr(error, 'strerror', None) or error}"
        reactor.call_from_thread(lambda: answered(found, why))

    def answered(found: list[Address], why: str) -> None:
        for each in _asked.pop(key):
            reactor.call_soon(partial(each, list(found), why))

    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    _asked[key] = [callback]
