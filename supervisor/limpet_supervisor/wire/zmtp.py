"""ZeroMQ's wire protocol as pure bytes: the client end of ZMTP 3.0 (RFC 23), NULL mechanism, DEALER socket.

libzmq costs a client 30 ms of import, a thread, and the knowledge of when its peer is gone: it reconnects in
silence. A client that speaks the protocol itself sees the end of the node as the end of the stream.

A frame is: flags (1 more follows, 2 the size is long, 4 a command), size (1 or 8 bytes), body.
"""

from typing import Final

from limpet_supervisor.errors import ProtocolError

MORE: Final = 1
LONG: Final = 2
COMMAND: Final = 4
MAX_FRAME: Final = 64 * 1024 * 1024
GREETING_SIZE: Final = 64
_SIGNATURE: Final = b"\xff" + bytes(8) + b"\x7f"
_GREETING: Final = _SIGNATURE + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)


def _property(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + len(value).to_bytes(4, "big") + value


def _frame(flags: int, body: bytes) -> bytes:
    if len(body) > 255:
        return bytes([flags | LONG]) + len(body).to_bytes(8, "big") + body
    return bytes([flags, len(body)]) + body


HELLO: Final = _GREETING + _frame(
    COMMAND, b"\x05READY" + _property(b"Socket-Type", b"DEALER") + _property(b"Identity", b"")
)
"""What a client sends first. Requests must wait for the peer's READY: libzmq drops a peer whose message
comes before it has sent its own."""


def encode(frames: list[bytes]) -> bytes:
    """A message of these frames."""
    last = len(frames) - 1
    return b"".join(_frame(MORE if k < last else 0, body) for k, body in enumerate(frames))


class Receiver:
    """Turns what the peer sends into messages; `replies` collects what must be sent back to it."""

    def __init__(self) -> None:
        self.ready = False
        """Whether the peer has said READY: requests may be sent."""
        self._buffer = bytearray()
        self._greeted = False
        self._parts: list[bytes] = []
        self.replies = bytearray()

    def feed(self, data: bytes) -> list[list[bytes]]:
        """The messages completed by `data`.

        Raises:
            ProtocolError: the peer does not speak ZMTP 3, refuses us, or sends too large a frame.
        """
        buffer = self._buffer
        buffer += data
        if not self._greeted:
            if not self._greeting():
                return []
            self._greeted = True
        messages = []
        position = 0
        while len(buffer) - position >= 2:
            flags = buffer[position]
            start = position + (9 if flags & LONG else 2)
            if len(buffer) < start:
                break
            size = int.from_bytes(buffer[position + 1 : start], "big")
            if size > MAX_FRAME:
                raise ProtocolError(f"a frame of {size} bytes")
            if len(buffer) < start + size:
                break
            body = bytes(buffer[start : start + size])
            position = start + size
            if flags & COMMAND:
                self._command(body)
                continue
            self._parts.append(body)
            if not flags & MORE:
                messages.append(self._parts)
                self._parts = []
        del buffer[:position]
        return messages

    def _greeting(self) -> bool:
        """Takes the peer's greeting off the buffer, once it is whole."""
        buffer = self._buffer
        old = len(buffer) > 10 and (buffer[9] != 0x7F or buffer[10] < 3)
        if old or bytes(buffer[:1]) not in {b"", b"\xff"}:
            raise ProtocolError(
                "What listens there does not speak ZMTP 3", todo="is it a Limpet node's socket?"
            )
        if len(buffer) < GREETING_SIZE:
            return False
        mechanism = bytes(buffer[12:32]).rstrip(b"\0")
        if mechanism != b"NULL":
            raise ProtocolError(f"The node wants the mechanism {mechanism!r}")
        del buffer[:GREETING_SIZE]
        return True

    def _command(self, body: bytes) -> None:
        name = body[1 : 1 + body[0]] if body else b""
        if name == b"READY":
            self.ready = True
        elif name == b"ERROR":
            raise ProtocolError(
                "The node refused the connection", body[2 + body[0] :].decode(errors="replace")
            )
        elif name == b"PING":  # its two bytes of time to live are not echoed, its context is
            self.replies += _frame(COMMAND, b"\x04PONG" + body[7:])
