"""Golden frames between daemon and agent, checked from both sides.

What the daemon's structs encode is byte for byte what is written here, and what a real agent answers to it
decodes into the struct written here. Neither side imports the other: this page binds them.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from limpet_supervisor.model import health
from limpet_supervisor.wire import agent as wire
from support.agent import Daemon, Peer, bundle, daemon, interpreter

HELLO = (
    b'{"hello":1,"pid":7,"ppid":6,"process":"web.1","python":"3.11.7",'
    b'"argv":["python","-c","\\u000a\xc3\xa9"],"forked_from":0,"role":"process"}'
)

FIELDS = {field.name for field in msgspec.structs.fields(wire.AgentAnswer)}


@pytest.fixture(scope="module")
def node() -> Iterator[Daemon]:
    python = interpreter(11)
    if python is None:
        pytest.skip("there is no CPython 3.11 here")
    with daemon(python) as made:
        yield made


@pytest.fixture(scope="module")
def peer(node: Daemon) -> Peer:
    node.start("-c", "input()")
    return node.accept().load()


def test_the_golden_hello_is_a_hello() -> None:
    assert wire.decode_hello(HELLO) == wire.Hello(
        7, 6, "web.1", "3.11.7", ("python", "-c", "\né"), 0, "process"
    )


def test_a_real_hello_has_the_golden_keys_in_their_order(node: Daemon) -> None:
    child = node.start("-c", "input()", "é")
    connection = node.listener.accept()[0]
    connection.settimeout(30)
    splitter = wire.Splitter()
    bodies: list[bytes] = []
    while not bodies:
        bodies = splitter.feed(connection.recv(65536))
    real, golden = msgspec.json.decode(bodies[0]), msgspec.json.decode(HELLO)
    assert list(real) == list(golden)
    assert [type(value) for value in real.values()] == [type(value) for value in golden.values()]
    assert wire.decode_hello(bodies[0]) == wire.Hello(
        child.pid, real["ppid"], "web.1", real["python"], (node.python, "-c", "input()", "é")
    )
    connection.close()
    child.finish(b"\n")


def test_a_hello_of_another_protocol_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        wire.decode_hello(HELLO.replace(b'"hello":1', b'"hello":2'))


REQUESTS: list[tuple[dict[str, Any], bytes, dict[str, Any]]] = [
    ({"op": "ping"}, b'{"id":1,"op":"ping"}', {"re": "pong"}),
    (
        {"op": "attach", "session": "s"},
        b'{"id":1,"op":"attach","session":"s"}',
        {"re": "attached", "loops": 0},
    ),
    (
        {"op": "evaluate", "session": "s", "source": "1 + 1", "timeout": None},
        b'{"id":1,"op":"evaluate","session":"s","source":"1 + 1","timeout":null}',
        {"re": "evaluated", "ok": True, "value": "2", "type": "int"},
    ),
    (
        {"op": "evaluate", "session": "", "source": "1 / 0", "timeout": 5.0},
        b'{"id":1,"op":"evaluate","session":"","source":"1 / 0","timeout":5.0}',
        {"re": "evaluated", "ok": False, "interrupted": False},
    ),
    (
        {"op": "call", "function": "os:getcwd", "arguments": [], "timeout": 5.0},
        b'{"id":1,"op":"call","function":"os:getcwd","arguments":[],"timeout":5.0}',
        {"re": "evaluated", "ok": True, "type": "str"},
    ),
    ({"op": "interrupt", "target": 7}, b'{"id":1,"op":"interrupt","target":7}', {"re": "done"}),
    (
        {"op": "complete", "session": "s", "source": "isinst"},
        b'{"id":1,"op":"complete","session":"s","source":"isinst"}',
        {"re": "completions", "start": 6, "items": (("isinstance", "function"),)},
    ),
    (
        {"op": "signature", "session": "s", "source": "len("},
        b'{"id":1,"op":"signature","session":"s","source":"len("}',
        {"re": "signature", "signature": "len(obj, /)", "doc": "Return the number of items in a container."},
    ),
    (
        {"op": "signature", "session": "s", "source": "len", "name": True},
        b'{"id":1,"op":"signature","session":"s","source":"len","name":true}',
        {"re": "signature", "signature": "len(obj, /)", "doc": "Return the number of items in a container."},
    ),
    (
        {"op": "check", "session": "s", "source": "if x:"},
        b'{"id":1,"op":"check","session":"s","source":"if x:"}',
        {"re": "checked", "state": "incomplete", "indent": 4},
    ),
    ({"op": "stacks"}, b'{"id":1,"op":"stacks"}', {"re": "stacks"}),
    ({"op": "serve"}, b'{"id":1,"op":"serve"}', {"re": "served", "data": {"checks": [], "telemetry": False}}),
    ({"op": "telemetry"}, b'{"id":1,"op":"telemetry"}', {"re": "telemetry", "data": None}),
    (
        {"op": "vitals", "on": False, "limit": 1.0},
        b'{"id":1,"op":"vitals","on":false,"limit":1.0}',
        {"re": "done"},
    ),
    ({"op": "detach", "session": "s"}, b'{"id":1,"op":"detach","session":"s"}', {"re": "done"}),
    ({"op": "nosuch"}, b'{"id":1,"op":"nosuch"}', {"re": "error", "error": "this agent knows no 'nosuch'"}),
]


@pytest.mark.parametrize(("request_", "body", "wanted"), REQUESTS, ids=[str(case[0]) for case in REQUESTS])
def test_requests_and_answers(
    peer: Peer, request_: dict[str, Any], body: bytes, wanted: dict[str, Any]
) -> None:
    assert wire.encode({"id": 1, **request_}) == len(body).to_bytes(4, "big") + body
    answer = peer.ask(**request_)
    assert {name: getattr(answer, name) for name in wanted} == wanted


def test_output_comes_as_items_before_the_reply(peer: Peer) -> None:
    source = "import sys; print('a'); print('é', file=sys.stderr)"
    request = peer.send("evaluate", session="s", source=source, timeout=None)
    items = [peer.answer(request), peer.answer(request)]
    assert [(item.item, item.stream, item.text, item.re) for item in items] == [
        ("output", "stdout", "a\n", ""),
        ("output", "stderr", "é\n", ""),
    ]
    assert peer.answer(request).re == "evaluated"


def test_an_agent_sends_no_field_that_the_struct_does_not_have(peer: Peer) -> None:
    """A misspelt field would be dropped in silence by the decoder."""
    for request_, _body, _wanted in REQUESTS:
        peer.send(**request_)
        answer = msgspec.json.decode(peer.frame())
        assert set(answer) <= FIELDS, answer


def test_vitals_that_are_pushed_are_the_struct_s(peer: Peer) -> None:
    assert peer.ask("vitals", on=True, limit=1.0).re == "done"
    pushed = peer.answer(0)
    peer.ask("vitals", on=False, limit=1.0)
    assert pushed.item == "vitals"
    vitals = msgspec.convert(pushed.data, health.Vitals)
    assert set(pushed.data) == {field.name for field in msgspec.structs.fields(health.Vitals)}
    assert len(vitals.lags.counts) == len(health.LAG_BOUNDS) + 1
    buckets = "vitals and __import__('_limpet_stage1.vitals').vitals.BUCKETS"
    assert peer.value(buckets) == str(health.LAG_BOUNDS)


def test_text_that_cannot_be_encoded_does_not_break_a_frame(peer: Peer) -> None:
    assert peer.value("'\\udc80 \\U0001f41a'") == "'\\udc80 🐚'"
    assert peer.reply(peer.send("evaluate", session="s", source="print('\\udc80')", timeout=None))[1] == "?\n"


def test_the_bundle_is_under_the_frame_limit() -> None:
    assert len(bundle()) < wire.MAX_FRAME / 16
