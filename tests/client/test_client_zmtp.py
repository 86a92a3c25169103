"""The client's own ZMTP: pieces of any size, and peers that are no node."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet_supervisor.errors import ProtocolError
from limpet_supervisor.wire import zmtp

GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06ROUTER"


def fed(chunks: list[bytes]) -> tuple[zmtp.Receiver, list[list[bytes]]]:
    receiver = zmtp.Receiver()
    return receiver, [message for chunk in chunks for message in receiver.feed(chunk)]


@given(
    st.lists(st.lists(st.binary(max_size=600), min_size=1, max_size=4), max_size=4),
    st.lists(st.integers(min_value=1, max_value=200), max_size=40),
)
def test_messages_arrive_whole_whatever_the_pieces(messages: list[list[bytes]], sizes: list[int]) -> None:
    data = GREETING + READY + b"".join(map(zmtp.encode, messages))
    chunks = []
    for size in sizes:
        chunks.append(data[:size])
        data = data[size:]
    receiver, got = fed([*chunks, data])
    assert got == messages
    assert receiver.ready


def test_a_ping_is_answered_with_its_context() -> None:
    receiver, _ = fed([GREETING, READY, b"\x04\x0a\x04PING\x00\x00ctx"])
    assert bytes(receiver.replies) == b"\x04\x08\x04PONGctx"


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff" + bytes(8) + b"\x7f\x01",
        GREETING.replace(b"NULL", b"PLAI"),
        GREETING + b"\x04\x0a\x05ERROR\x03bad",
        GREETING + b"\x02" + (1 << 40).to_bytes(8, "big"),
    ],
)
def test_what_does_not_speak_zmtp_is_a_protocol_error(greeting: bytes) -> None:
    with pytest.raises(ProtocolError):
        fed([greeting])
