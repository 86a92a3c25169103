"""Control frames <-> messages.

A request is two frames: a head, `limpet/1 17` (version, and an id that the client chooses, 1 to 20 digits),
and a body. An answer is likewise a head, `limpet/1 17 i` (an item) or `limpet/1 17 r` (the reply), and a
body.
Bodies are MessagePack maps.
"""

from typing import Any, Final, TypeAlias

import msgspec

from limpet_supervisor.errors import ProtocolError
from limpet_supervisor.model.units import Duration, Shutdown, Size

from .messages import AnyItem, AnyReply, AnyRequest, Failure, Item, Reply, Request

VERSION: Final = b"limpet/1"
MAX_REQUEST: Final = 1024 * 1024
"""Bytes of a request's body; a longer one is garbage."""
_MAX_DIGITS: Final = 20
MAX_ANSWER: Final = 16 * 1024 * 1024

Frames: TypeAlias = list[bytes]


def _plain(value: Any) -> Any:
    if isinstance(value, Shutdown | Duration):
        return float(value)
    if isinstance(value, Size):
        return int(value)
    raise NotImplementedError(type(value))


_encoder: Final = msgspec.msgpack.Encoder(enc_hook=_plain)
_requests: Final = msgspec.msgpack.Decoder(AnyRequest)
_replies: Final = msgspec.msgpack.Decoder(AnyReply)
_items: Final = msgspec.msgpack.Decoder(AnyItem)


def encode_request(request_id: int, request: Request) -> Frames:
    """The frames of a request."""
    return [b"%b %d" % (VERSION, request_id), _encoder.encode(request)]


def decode_request(frames: Frames) -> tuple[int, AnyRequest]:
    """Request id and request.

    Raises:
        ProtocolError: not a request of this version, or too large.
    """
    if len(frames) != 2:
        raise ProtocolError(f"a request has 2 frames, not {len(frames)}")
    head, body = frames
    version, _space, number = head.partition(b" ")
    if version != VERSION:
        raise ProtocolError(f"this node speaks {VERSION.decode()}", f"the request begins with {head[:20]!r}")
    if not (number.isdigit() and len(number) <= _MAX_DIGITS):
        raise ProtocolError(f"a request id is 1 to {_MAX_DIGITS} digits")
    if len(body) > MAX_REQUEST:
        raise ProtocolError(f"a request has at most {MAX_REQUEST} bytes", f"this one has {len(body)}")
    try:
        return int(number), _requests.decode(body)
    except msgspec.DecodeError as error:
        raise ProtocolError("a request that cannot be read", str(error)) from error


def request_id_of(frames: Frames) -> int | None:
    """The id of a request that cannot be read, so that it can be answered so; None: that neither."""
    _version, _space, number = frames[0].partition(b" ") if frames else (b"", b"", b"")
    return int(number) if number.isdigit() and len(number) <= _MAX_DIGITS else None


def encode_answer(request_id: int, answer: Item | Reply) -> Frames:
    """The frames of an item or a reply; of one that cannot be sent, a failure."""
    kind = b"i" if isinstance(answer, Item) else b"r"
    try:
        body = _encoder.encode(answer)
    except OverflowError as error:  # in an application's data: an integer of more than 64 bits
        kind = b"r"
        body = _encoder.encode(Failure("ProtocolError", "the answer cannot be sent", str(error)))
    return [b"%b %d %b" % (VERSION, request_id, kind), body]


def decode_answer(frames: Frames) -> tuple[int, AnyItem | AnyReply]:
    """Request id and item or reply.

    Raises:
        ProtocolError: not an answer of this version.
    """
    head = frames[0].split(b" ") if len(frames) == 2 else []
    if len(head) != 3 or head[0] != VERSION or not head[1].isdigit():
        raise ProtocolError("an answer that cannot be read", todo="are client and node of the same version?")
    try:
        decoder = _items if head[2] == b"i" else _replies
        return int(head[1]), decoder.decode(frames[1])
    except msgspec.DecodeError as error:
        raise ProtocolError("an answer that cannot be read", str(error)) from error
