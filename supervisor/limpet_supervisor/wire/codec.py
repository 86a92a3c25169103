"""Control frames <-> messages.

A request is three frames: version, request id (chosen by the client, 1 to 20 digits), body. An answer has
the same version and id, then a kind (`i` item, `r` reply) and a body. Bodies are MessagePack maps.
"""

from typing import Any, Final, TypeAlias

import msgspec

from limpet_supervisor.errors import ProtocolError
from limpet_supervisor.model.units import Duration, Shutdown, Size

from .messages import AnyItem, AnyReply, AnyRequest, Item, Reply, Request

VERSION: Final = b"limpet/1"
MAX_REQUEST: Final = 1024 * 1024
"""Bytes of a request's body; a longer one is garbage."""
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
    return [VERSION, b"%d" % request_id, _encoder.encode(request)]


def decode_request(frames: Frames) -> tuple[int, AnyRequest]:
    """Request id and request.

    Raises:
        ProtocolError: not a request of this version, or too large.
    """
    if len(frames) != 3:
        raise ProtocolError(f"a request has 3 frames, not {len(frames)}")
    version, request_id, body = frames
    if version != VERSION:
        raise ProtocolError(f"this node speaks {VERSION.decode()}", f"the request is {version[:20]!r}")
    if not (request_id.isdigit() and len(request_id) <= 20):
        raise ProtocolError("a request id is 1 to 20 digits")
    if len(body) > MAX_REQUEST:
        raise ProtocolError(f"a request has at most {MAX_REQUEST} bytes", f"this one has {len(body)}")
    try:
        return int(request_id), _requests.decode(body)
    except msgspec.DecodeError as error:
        raise ProtocolError("a request that cannot be read", str(error)) from error


def encode_answer(request_id: int, answer: Item | Reply) -> Frames:
    """The frames of an item or a reply."""
    kind = b"i" if isinstance(answer, Item) else b"r"
    return [VERSION, b"%d" % request_id, kind, _encoder.encode(answer)]


def decode_answer(frames: Frames) -> tuple[int, AnyItem | AnyReply]:
    """Request id and item or reply.

    Raises:
        ProtocolError: not an answer of this version.
    """
    if len(frames) != 4 or frames[0] != VERSION or not frames[1].isdigit():
        raise ProtocolError("an answer that cannot be read", todo="are client and node of the same version?")
    try:
        decoder = _items if frames[2] == b"i" else _replies
        return int(frames[1]), decoder.decode(frames[3])
    except msgspec.DecodeError as error:
        raise ProtocolError("an answer that cannot be read", str(error)) from error
