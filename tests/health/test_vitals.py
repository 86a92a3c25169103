"""Loop lag, waits for the GIL, collections: measured while somebody wants it, and nothing of it is left."""

import gc
from typing import Any

import pytest

from limpet.stage1 import vitals as vitals_module
from support.agent import Daemon, Peer

APP = """
import asyncio, gc, sys, time
gaps = []
async def main():
    loop = asyncio.get_running_loop()
    print("up", flush=True)
    while True:
        line = (await loop.run_in_executor(None, sys.stdin.readline)).strip()
        if line == "block":
            began = time.monotonic()
            time.sleep(1)
            await asyncio.sleep(0)
            gaps.append(time.monotonic() - began)
            print(gaps[-1], flush=True)
        elif line == "collect":
            gc.collect()
            print("collected", flush=True)
        elif line == "callbacks":
            print(len(gc.callbacks), flush=True)
        else:
            return
asyncio.run(main())
"""


def vitals(peer: Peer) -> dict[str, Any]:
    """The next push."""
    while (pushed := peer.answer(0)).item != "vitals":
        pass
    data: dict[str, Any] = pushed.data
    return data


def test_a_block_of_the_loop_is_told_while_it_lasts_and_measured_when_it_is_over(each_python: Daemon) -> None:
    child = each_python.code(APP)
    peer = each_python.accept().load()
    assert child.hear() == "up"
    peer.ask("vitals", on=True, limit=0.3)
    while not vitals(peer)["loops"]:
        pass
    child.say("block")
    while (now := vitals(peer))["lag"]["now"] <= 0.3:
        pass
    assert "main (app0.py:" in now["blocked_in"]
    gap = float(child.hear())
    while (after := vitals(peer))["blocked_in"]:
        pass
    # It is the loop's own gap, less the time to the first marker in it.
    assert 0.8 < after["lag"]["max"] <= gap + 0.1
    assert after["lag"]["p50"] < after["lag"]["max"]
    assert sum(after["lags"]["counts"]) > 1
    assert after["gil_wait"]["max"] >= after["gil_wait"]["p50"] >= 0
    assert child.finish(b"\n")[0] == 0


def test_collections_are_measured_and_nothing_is_left_when_nobody_wants_them(each_python: Daemon) -> None:
    child = each_python.code(APP)
    peer = each_python.accept().load()
    assert child.hear() == "up"
    peer.ask("vitals", on=True, limit=1.0)
    child.say("collect")
    assert child.hear() == "collected"
    while not (found := vitals(peer))["gc"]["collections"][2]:
        pass
    assert found["gc"]["seconds"] >= found["gc"]["pause"] > 0
    child.say("callbacks")
    assert child.hear() == "1"
    peer.ask("vitals", on=False, limit=1.0)
    child.say("callbacks")
    assert child.hear() == "0"
    assert child.finish(b"\n")[0] == 0


def test_a_daemon_that_is_gone_wants_nothing_any_more(one_python: Daemon) -> None:
    child = one_python.code(APP)
    peer = one_python.accept().load()
    assert child.hear() == "up"
    peer.ask("vitals", on=True, limit=1.0)
    vitals(peer)
    one_python.vanish()
    one_python.listen()
    one_python.accept()  # it has seen that the old connection is lost
    child.say("callbacks")
    assert child.hear() == "0"
    assert child.finish(b"\n")[0] == 0


def test_the_look_measures_for_as_long_as_it_is_asked_to(one_python: Daemon) -> None:
    child = one_python.code(APP)
    peer = one_python.accept().load()
    assert child.hear() == "up"
    found = peer.ask("inspect", what="vitals", arguments={"seconds": 0.2}, timeout=30.0)
    assert found.ok, found.error
    assert [row["what"] for row in found.data["rows"]] == ["loop lag", "GIL wait", "gc pause"]
    child.say("callbacks")
    assert child.hear() == "0"
    assert child.finish(b"\n")[0] == 0


class Loop:
    """A loop whose end is seen while somebody else lets go of the vitals."""

    def __init__(self, service: vitals_module.Vitals) -> None:
        self._service = service

    def call_soon_threadsafe(self, _callback: object) -> None:
        self._service.release("evaluation")
        raise RuntimeError("it is closed")


def test_who_lets_go_while_a_loop_is_found_to_have_ended_costs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The look runs in the agent's thread, which would lose its connection; letting go, in another."""
    before = list(gc.callbacks)
    service = vitals_module.serve(lambda _frame, **_options: None)
    loop = Loop(service)
    monkeypatch.setattr(vitals_module, "running_loops", lambda: {loop: 1})
    monkeypatch.setattr(vitals_module, "runs", lambda _loop: True)
    service.hold("evaluation")
    assert service.tick() > 0
    assert service.facts()["loops"] == 0
    assert gc.callbacks == before
