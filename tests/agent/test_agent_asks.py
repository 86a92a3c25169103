"""What an agent says unasked, and the looks that are taken by name."""

import msgspec
import pytest

from support.agent import MINORS, Daemon, daemon, interpreter

WANTS = "import limpet.agent; limpet.agent.want(); input()"


@pytest.fixture(params=MINORS)
def node(request: pytest.FixtureRequest):
    python = interpreter(request.param)
    if python is None:
        pytest.skip(f"there is no CPython 3.{request.param} here")
    with daemon(python) as made:
        yield made


def pushed(peer) -> dict[str, object]:
    return msgspec.json.decode(peer.frame())


def test_an_application_that_wants_stage_1_says_so_with_or_without_it(node: Daemon) -> None:
    child = node.code(
        "import limpet.agent\nfor _ in range(2):\n    input()\n    limpet.agent.want()\ninput()"
    )
    peer = node.accept()
    child.say("")
    assert pushed(peer) == {"id": 0, "item": "want"}
    peer.load()
    assert peer.ask("ping").re == "pong"
    child.say("")
    assert pushed(peer) == {"id": 0, "item": "want"}


def test_the_child_of_a_fork_wants_what_its_parent_wanted(node: Daemon) -> None:
    node.code(f"import os\n{WANTS.partition(' input')[0]}\nif not os.fork():\n    input()\nos.wait()")
    first = node.accept()
    assert pushed(first) == {"id": 0, "item": "want"}
    second = node.accept()
    assert second.hello.forked_from == first.hello.pid
    assert pushed(second) == {"id": 0, "item": "want"}


def test_a_connection_that_is_made_anew_wants_it_again(node: Daemon) -> None:
    node.code(WANTS)
    assert pushed(node.accept()) == {"id": 0, "item": "want"}
    node.vanish()
    node.listen()
    assert pushed(node.accept()) == {"id": 0, "item": "want"}


def test_a_look_gives_rows_for_a_machine_and_a_table_for_a_person(node: Daemon) -> None:
    node.start("-c", "input()")
    peer = node.accept().load()
    found = peer.ask("inspect", what="threads", arguments={})
    assert found.ok
    assert found.value is not None
    assert found.value.splitlines()[0].split() == [
        *("THREAD", "IDENT", "TID", "DAEMON", "CPU", "STATE", "AT")
    ]
    assert "MainThread" in {row["thread"] for row in found.data["rows"]}
    assert peer.evaluate("threads()")[0].data["kind"] == "threads"


def test_a_look_that_there_is_not_is_refused(node: Daemon) -> None:
    node.start("-c", "input()")
    peer = node.accept().load()
    found = peer.ask("inspect", what="eval", arguments={})
    assert not found.ok
    assert "there is no look 'eval'" in (found.error or "")


LOADED = "[name for name in __import__('sys').modules if name.startswith('_limpet_stage1.')]"


def test_what_nobody_has_asked_for_is_not_executed(node: Daemon) -> None:
    """Stage 1 is large, and most processes need little of it."""
    node.start("-c", "input()")
    peer = node.accept().load()
    few = peer.value(LOADED)
    assert "_limpet_stage1.wire" in few
    assert not {"heap", "complete", "trace", "vitals", "checks", "levels"} & {
        name.partition(".")[2]
        for name in eval(few)  # noqa: S307 - a list of names
    }
    assert ("types", "function") in peer.ask("complete", session="s", source="typ").items
    assert peer.value(LOADED) == peer.value(LOADED)
    assert "TYPE" in peer.value("types(3)")
    assert "_limpet_stage1.heap" in peer.value(LOADED)
    assert peer.ask("signature", session="s", source="growth(").signature.startswith("growth(seconds")


def test_a_name_of_ones_own_is_no_look(node: Daemon) -> None:
    node.start("-c", "input()")
    peer = node.accept().load()
    peer.evaluate("types = 3")
    assert peer.value("types") == "3"
    peer.evaluate("def f():\n    return mem()")
    assert "resident" in peer.value("f()")
