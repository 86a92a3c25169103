"""sd_notify(3), both ends: what our processes tell us, and what we tell the service manager above us."""

import os
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from limpet_supervisor.errors import LimpetError
from limpet_supervisor.runtime.reactor import Reactor

_CREDENTIALS: Final = struct.Struct("3i")
_SIZE: Final = 16384
_PER_TURN: Final = 64
_QUEUED: Final = 4096
"""More datagrams than any socket holds (net.unix.max_dgram_qlen is 512 at most in practice)."""
_PATH_BYTES: Final = 107


def parse(datagram: bytes) -> dict[str, str]:
    """The assignments of one datagram, a line each: of a variable given twice the last; others ignored."""
    found = {}
    for line in datagram.decode("utf-8", "replace").splitlines():
        variable, equals, value = line.partition("=")
        if equals and variable:
            found[variable] = value
    return found


class NotifySocket:
    """The socket on which one supervised process tells READY=1, STATUS=…, WATCHDOG=1 and their like.

    The path is the process's NOTIFY_SOCKET. Descriptors that come along (FDSTORE=1, BARRIER=1) are closed:
    a barrier is met by that, a store is not offered.
    """

    def __init__(self, reactor: Reactor, path: str, callback: Callable[[dict[str, str], int], None]) -> None:
        """Binds the socket; a stale one of this path is replaced.

        Args:
            reactor: the loop that calls back.
            path: of the socket, mode 0600, at most 107 bytes.
            callback: gets the assignments of each message, and the pid of its sender as the kernel knows it.

        Raises:
            LimpetError: it cannot be bound.
        """
        self.path = path
        self._reactor = reactor
        self._callback = callback
        if len(os.fsencode(path)) > _PATH_BYTES:
            raise LimpetError(f"cannot listen on {path}", f"a socket's path has at most {_PATH_BYTES} bytes")
        self._socket = socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            os.fchmod(self._socket.fileno(), 0o600)  # before bind: the path has this mode from birth
            with suppress(FileNotFoundError):
                os.unlink(path)
            self._socket.bind(path)
        except OSError as error:
            self._socket.close()
            raise LimpetError(f"cannot listen on {path}", error.strerror or str(error)) from error
        reactor.add(self._socket.fileno(), self._readable)

    def chown(self, uid: int, gid: int) -> None:
        """Lets a process of another user send to it."""
        os.chown(self.path, uid, gid)

    def close(self) -> None:
        """Nothing is received from here on; the path is removed."""
        if self._socket.fileno() >= 0:
            self._reactor.remove(self._socket.fileno())
            self._socket.close()
            with suppress(FileNotFoundError):
                os.unlink(self.path)

    def drain(self) -> None:
        """Takes all that has been sent so far."""
        if self._socket.fileno() >= 0:
            self._receive(_QUEUED)

    def _readable(self, _events: int) -> None:
        self._receive(_PER_TURN)

    def _receive(self, most: int) -> None:
        for _ in range(most):
            try:
                datagram, ancillary, _flags, _address = self._socket.recvmsg(
                    _SIZE, socket.CMSG_SPACE(_CREDENTIALS.size), socket.MSG_CMSG_CLOEXEC
                )
            except OSError:  # nothing more, or a fault that is its sender's
                return
            pid = 0
            for level, kind, data in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                    pid = _CREDENTIALS.unpack(data)[0]
                elif level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    whole = len(data) - len(data) % 4
                    for (fd,) in struct.iter_unpack("i", data[:whole]):
                        os.close(fd)
            if message := parse(datagram):
                self._callback(message, pid)
            if self._socket.fileno() < 0:  # the callback closed us
                return


def notify(state: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Tells the service manager `state` (`READY=1`, or several assignments, a line each).

    Where NOTIFY_SOCKET is not set nobody wants to know, and that is all. Never blocks and never raises.

    Returns:
        Whether it was sent: False also if the service manager cannot take it now (try again).
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(
        socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    ) as sender:
        try:
            sender.sendto(state.encode(), address)
        except OSError:
            return False
    return True
