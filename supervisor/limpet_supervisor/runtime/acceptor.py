"""Accepting connections on the loop."""

import socket
from collections.abc import Callable
from typing import Final

from .limits import SHORTAGES
from .reactor import Reactor, Timer

_PAUSE: Final = 0.5
"""Seconds without a look at the socket when there is no descriptor left for a connection."""


class Acceptor:
    """Accepts what comes to a listening socket, which it owns.

    Args:
        listening: the socket, not blocking.
        accepted: called with each connection; it does not block either.
        most: connections in one turn of the loop.
    """

    def __init__(
        self,
        reactor: Reactor,
        listening: socket.socket,
        accepted: Callable[[socket.socket], None],
        *,
        most: int,
    ) -> None:
        self._reactor = reactor
        self._socket = listening
        self._accepted = accepted
        self._most = most
        self._paused: Timer | None = None
        self._look()

    def close(self) -> None:
        """Accepts no more, and closes the socket."""
        if self._paused is not None:
            self._paused.cancel()
        self._reactor.remove(self._socket.fileno())
        self._socket.close()

    def _look(self) -> None:
        self._reactor.add(self._socket.fileno(), self._accept)

    def _accept(self, _events: int) -> None:
        for _ in range(self._most):
            try:
                connection, _address = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in SHORTAGES:
                    # A connection that cannot be accepted would wake the loop all the time.
                    self._reactor.remove(self._socket.fileno())
                    self._paused = self._reactor.call_later(_PAUSE, self._look)
                return
            connection.setblocking(False)
            self._accepted(connection)
