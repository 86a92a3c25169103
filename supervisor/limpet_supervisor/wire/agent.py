"""Frames between the daemon and an agent: 4 bytes of length (big-endian), then one JSON object.

The agent is `limpet.agent` (standard library only) inside the application's process; it dials the daemon's
agent socket and says Hello. It then understands one frame, the stage 1 bundle; from there on, requests.
The bundle is source, or for the daemon's own version of Python code: then the JSON object is followed by a
zero byte and what `marshal` wrote. An agent whose interpreter has another magic number nevertheless asks for
the source by the push `source`.


    {"id": 7, "op": "evaluate", "session": "s1", "source": "1 + 1", "timeout": 30.0}
    -> {"id": 7, "item": "output", "stream": "stdout", "text": "…"}        any number
    -> {"id": 7, "re": "evaluated", "ok": true, "value": "2", …}          exactly one

A request that fails in the agent itself is answered by {"id": 7, "re": "error", "error": "…"}.

What nobody has asked for has the id 0 (a push): {"id": 0, "item": "health", "data": {…}}. One of them,
`want`, may come before stage 1: the application uses what stage 1 serves.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

MAX_FRAME: Final = 16 * 1024 * 1024
PROTOCOL: Final = 1


class Hello(Struct, frozen=True, tag_field="hello", tag=1):
    """An agent's first frame; the tag is the protocol's number."""

    pid: int
    ppid: int
    process: str
    """LIMPET_PROCESS of its environment: the instance it belongs to."""
    python: str
    """"3.11.7"."""
    argv: tuple[str, ...] = ()
    forked_from: int = 0
    """Pid of the process it is a fork of; 0 after an exec."""
    role: str = "process"
    """`helper` for multiprocessing's resource tracker and fork server: labelled, and left out of `--all`."""


class AgentAnswer(Struct, frozen=True, omit_defaults=True):
    """An item (`item` set) or a final reply (`re` set) to request `id`."""

    id: int
    item: str = ""
    re: str = ""
    # output
    stream: str = ""
    text: str = ""
    # lasts: the evaluation has so long from now
    seconds: float = 0.0
    # evaluated
    ok: bool = False
    value: str | None = None
    type: str | None = None
    error: str | None = None
    elapsed: float = 0.0
    interrupted: bool = False
    timed_out: bool = False
    abandoned: str | None = None
    stalled: float = 0.0
    """Seconds for which it kept the event loop, or all other threads, from running."""
    number: int = 0
    data: Any = None
    """What a look found, or what a push brings, as plain JSON."""
    # attached
    loops: int = 0
    # completions: [[text, kind], …] replacing the last `start` characters
    start: int = 0
    items: tuple[tuple[str, str], ...] = ()
    # signature
    signature: str = ""
    doc: str = ""
    # checked
    state: str = ""
    indent: int = 0


_hello: Final = msgspec.json.Decoder(Hello)
_answer: Final = msgspec.json.Decoder(AgentAnswer)
_encoder: Final = msgspec.json.Encoder()


def encode(frame: dict[str, Any]) -> bytes:
    """A frame to an agent, with its length."""
    body = _encoder.encode(frame)
    return len(body).to_bytes(4, "big") + body


class Module(NamedTuple):
    """One module of stage 1, as it travels."""

    name: str
    text: str | bytes
    """Its source, or its code, marshalled."""
    needs: tuple[str, ...] = ()
    """Modules that it imports when it is executed."""
    uses: tuple[str, ...] = ()
    """Modules that its functions import: executed after it."""


def bundle(modules: Sequence[Module]) -> bytes:
    """The stage 1 bundle.

    The last module is executed first, with what it needs, and its `start(connection)` takes the connection
    over; the others are executed when they are needed.
    """
    return encode({"stage1": modules})


def code_bundle(magic: bytes, modules: bytes) -> bytes:
    """The same, compiled.

    Args:
        magic: the interpreter's magic number (importlib.util.MAGIC_NUMBER).
        modules: a list of tuples as Module is, marshalled.
    """
    body = _encoder.encode({"stage1": magic.hex()}) + b"\0" + modules
    return len(body).to_bytes(4, "big") + body


def decode_hello(body: bytes) -> Hello:
    """The hello in `body`.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _hello.decode(body)


def decode_answer(body: bytes) -> AgentAnswer:
    """The answer in `body`.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _answer.decode(body)


class Splitter:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies completed by `data`.

        Raises:
            ValueError: a frame announces more than MAX_FRAME bytes.
        """
        buffer = self._buffer
        buffer += data
        found = []
        while len(buffer) >= 4:
            size = int.from_bytes(buffer[:4], "big")
            if size > MAX_FRAME:
                raise ValueError(f"a frame of {size} bytes")
            if len(buffer) < 4 + size:
                break
            found.append(bytes(buffer[4 : 4 + size]))
            del buffer[: 4 + size]
        return found
