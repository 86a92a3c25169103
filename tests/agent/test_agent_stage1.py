"""Stage 1 comes compiled to a process on the daemon's own version of Python, and as source to any other."""

import importlib.util
import marshal
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from limpet_supervisor.daemon.bundle import Stage1
from limpet_supervisor.runtime.reactor import Reactor
from limpet_supervisor.wire import agent as wire
from support.agent import SOURCES, Daemon, bundle, daemon
from support.loop import turn_until

OURS = sys.version.split()[0]


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A copy of stage 1's modules, of which nothing is compiled."""
    place = tmp_path / "stage1"
    shutil.copytree(SOURCES / "stage1", place, ignore=shutil.ignore_patterns("__pycache__"))
    return place


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    """A loop of its own."""
    made = Reactor()
    yield made
    made.close()


@pytest.fixture
def node() -> Iterator[Daemon]:
    """A listener for agents on the Python that the tests run on."""
    with daemon(sys.executable) as made:
        yield made


def compiled(stage1: Stage1, reactor: Reactor) -> bytes:
    """The compiled frame, once it is made."""
    while not is_compiled(frame := stage1.frame(OURS)):
        reactor.turn()
    return frame


def is_compiled(frame: bytes) -> bool:
    """Whether a frame brings code."""
    return b"\0" in frame[4:]


def test_the_source_goes_to_another_version_and_to_our_own_until_it_is_compiled(
    modules: Path, reactor: Reactor
) -> None:
    stage1 = Stage1(reactor, str(modules))
    assert stage1.frame("3.99.0") == stage1.frame() == stage1.frame(OURS) == bundle()
    assert compiled(stage1, reactor) != bundle()
    assert stage1.frame("3.99.0") == bundle()


def test_what_python_has_compiled_is_sent_at_once(modules: Path, reactor: Reactor) -> None:
    import compileall

    compileall.compile_dir(modules, quiet=1)
    assert is_compiled(Stage1(reactor, str(modules)).frame(OURS))


@pytest.mark.parametrize("spoil", ["older", "cut", "other"])
def test_byte_code_that_is_not_the_source_s_is_never_sent(
    modules: Path, reactor: Reactor, spoil: str
) -> None:
    import compileall

    source = modules / "natives.py"
    for other in modules.glob("*.py"):
        other.unlink()
    cache = Path(importlib.util.cache_from_source(str(source)))
    source.write_text("first = 1\n")
    compileall.compile_dir(modules, quiet=1)
    source.write_text("second = 2\n")
    if spoil == "other":
        cache.write_bytes(b"\0\0\0\0" + cache.read_bytes()[4:])
    elif spoil == "cut":
        os.truncate(cache, 20)
    stage1 = Stage1(reactor, str(modules))
    assert not is_compiled(stage1.frame(OURS))
    frame = compiled(stage1, reactor)
    [(name, code, needs, uses)] = marshal.loads(frame[4:].partition(b"\0")[2])  # noqa: S302 - our own
    assert (name, marshal.loads(code).co_names) == ("natives", ("second",))  # noqa: S302 - same
    assert (needs, uses) == ((), ())


def test_compiled_stage_1_works_and_has_the_same_names_in_tracebacks(
    node: Daemon, modules: Path, reactor: Reactor
) -> None:
    child = node.start("-c", "input()")
    peer = node.accept()
    peer.socket.sendall(compiled(Stage1(reactor, str(modules)), reactor))
    assert peer.value("1 + 1") == "2"
    names = peer.value("__import__('sys').modules['_limpet_stage1.wire']._Agent.handle.__code__.co_filename")
    assert names == "'<limpet wire>'"
    assert child.finish(b"\n")[0] == 0


def test_an_agent_of_another_build_asks_for_the_source_and_loses_no_request(node: Daemon) -> None:
    """The same version of Python may have been built with another byte code."""
    child = node.start("-c", "input()")
    peer = node.accept()
    peer.socket.sendall(wire.code_bundle(b"\0\0\0\0", marshal.dumps([])))
    first = peer.send("ping")
    second = peer.send("evaluate", session="", source="6 * 7", timeout=None)
    assert msgspec.json.decode(peer.frame()) == {"id": 0, "item": "source"}
    peer.load()
    assert peer.reply(first)[0].re == "pong"
    assert peer.reply(second)[0].value == "42"
    assert child.finish(b"\n")[0] == 0


def test_requests_that_waited_for_a_source_that_does_not_load_are_told_why(node: Daemon) -> None:
    child = node.start("-c", "input()")
    peer = node.accept()
    peer.socket.sendall(wire.code_bundle(b"\0\0\0\0", marshal.dumps([])))
    waiting = peer.send("ping")
    assert msgspec.json.decode(peer.frame()) == {"id": 0, "item": "source"}
    peer.socket.sendall(wire.bundle((wire.Module("bad", "x ="),)))
    assert "stage 1 does not load: SyntaxError" in peer.reply(waiting)[0].error
    assert child.finish(b"\n")[0] == 0


def test_the_daemon_sends_the_source_when_it_is_asked_for_it(tmp_path: Path, reactor: Reactor) -> None:
    """Once: an agent that goes on asking has a fault, or is no agent."""
    import socket

    from limpet_supervisor.runtime.agents import Agents

    asked: list[str] = []

    def frame(python: str) -> bytes:
        asked.append(python)
        return wire.bundle((wire.Module("m", python or "source"),))

    agents = Agents(
        reactor, str(tmp_path / "a.sock"), bundle=frame, uids=frozenset(), owner=lambda _pid: None
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
        agent.connect(str(tmp_path / "a.sock"))
        hello = wire.Hello(os.getpid(), 1, "web.1", OURS)
        body = msgspec.json.encode(hello)
        agent.sendall(len(body).to_bytes(4, "big") + body)
        turn_until(reactor, lambda: bool(agents.of("web.1")))
        answered: list[str] = []
        agents.of("web.1")[0].request("ping", lambda answer: answered.append(answer.re))
        agent.sendall(wire.encode({"id": 0, "item": "source"}) * 3)
        turn_until(reactor, lambda: len(asked) > 1)
        agent.sendall(wire.encode({"id": 1, "re": "pong"}))
        turn_until(reactor, lambda: bool(answered))
    assert asked == [OURS, ""]
    agents.close()


def test_of_an_agent_that_is_gone_nobody_waits_for_an_answer(tmp_path: Path, reactor: Reactor) -> None:
    import socket

    from limpet_supervisor.runtime.agents import GONE, Agents

    path = str(tmp_path / "a.sock")
    agents = Agents(reactor, path, bundle=lambda _python: b"", uids=frozenset(), owner=lambda _pid: None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
        agent.connect(path)
        body = msgspec.json.encode(wire.Hello(os.getpid(), 1, "web.1", OURS))
        agent.sendall(len(body).to_bytes(4, "big") + body)
        turn_until(reactor, lambda: bool(agents.of("web.1")))
    (connection,) = agents.of("web.1")
    turn_until(reactor, lambda: connection.closed)
    answered: list[str] = []
    connection.request("ping", lambda answer: answered.append(answer.re))
    assert not answered  # never before it has returned
    turn_until(reactor, lambda: bool(answered))
    assert answered == [GONE]
    agents.close()
