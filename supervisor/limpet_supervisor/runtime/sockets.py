"""The node's listening sockets: bound once, inherited by every process that wants them.

A connection that waits in the queue belongs to the socket, not to a process: whoever accepts next has it.
"""

import errno
import fcntl
import os
import socket
import stat
from contextlib import suppress
from typing import Final

from limpet_supervisor.errors import BootFailed
from limpet_supervisor.model.spec import SocketSpec

from .addresses import NotAnAddress, parse_address

_HIGH: Final = 100
"""Our descriptors of sockets are at least this, so that none is in the way of 3, 4, … in a child."""


class Listeners:
    """Listening sockets, in the order of the configuration."""

    def __init__(self) -> None:
        self.descriptors: list[tuple[str, int]] = []
        self._paths: list[str] = []

    def bind(self, specs: tuple[SocketSpec, ...]) -> None:
        """Binds and listens.

        Raises:
            BootFailed: an address cannot be had; says which, and why.
        """
        for spec in specs:
            try:
                listening = _bound(spec)
            except (OSError, NotAnAddress) as error:
                self.close()
                why = error.strerror if isinstance(error, OSError) else str(error)
                todo = ""
                if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                    todo = f"see who listens there: ss -ltnp | grep {spec.bind.rpartition(':')[2]}"
                raise BootFailed(
                    f"Socket {spec.name} cannot listen on {spec.bind}", why or "", todo
                ) from error
            if listening.family == socket.AF_UNIX:
                self._paths.append(listening.getsockname())
            with listening:
                high = fcntl.fcntl(listening.fileno(), fcntl.F_DUPFD_CLOEXEC, _HIGH)
            self.descriptors.append((spec.name, high))

    def close(self) -> None:
        """Closes all; paths of Unix sockets go."""
        for _name, descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors.clear()
        for path in self._paths:
            with suppress(OSError):
                os.unlink(path)
        self._paths.clear()


def _bound(spec: SocketSpec) -> socket.socket:
    address = parse_address(spec.bind)
    if address.family == socket.AF_UNSPEC:
        family, kind, protocol, _name, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return _listen(socket.socket(family, kind, protocol), where, spec)
    if address.family == socket.AF_UNIX and not address.host.startswith("\0"):
        clear_stale(address.host)
    return _listen(socket.socket(address.family, socket.SOCK_STREAM), address.target, spec)


def _listen(made: socket.socket, where: object, spec: SocketSpec) -> socket.socket:
    try:
        if made.family != socket.AF_UNIX:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        mask = os.umask(0o777 & ~int(spec.mode, 8)) if spec.mode else None
        try:
            made.bind(where)  # type: ignore[arg-type]  # an address of its own family
        finally:
            if mask is not None:
                os.umask(mask)
        made.listen(spec.backlog)
    except OSError:
        made.close()
        raise
    return made


def clear_stale(path: str) -> None:
    """Removes a Unix socket that nobody listens on any more: a crash has left it.

    Raises:
        OSError: somebody listens on it, or it is no socket.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    # connect(2) is refused by any file: it must not be taken for a socket that a crash has left.
    if stat.S_ISSOCK(mode):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)  # whoever listens and accepts nothing would keep us waiting
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
                return
            except BlockingIOError:
                pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
