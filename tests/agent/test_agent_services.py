"""A fault in one part of the agent costs neither the others nor the connection."""

from support.agent import Child, Peer, until

Pair = tuple[Child, Peer]

BREAK = """
import sys
def broken():
    raise ValueError("a fault that lasts")
sys.modules["_limpet_stage1.services"].service({name!r}).tick = broken
"""


def test_a_service_whose_clock_raises_is_dropped_and_the_console_stays(idle: Pair) -> None:
    """It cost the connection, and the next one too: every console was detached, for ever."""
    child, peer = idle
    assert peer.value("(kept := 41)") == "41"
    assert peer.evaluate(BREAK.format(name="levels"))[0].ok
    told = peer.answer(0)
    assert told.item == "failed"
    assert told.data == {"service": "levels", "error": "ValueError: a fault that lasts"}
    assert peer.value("kept + 1") == "42"
    asked = peer.ask("level", logger="", level="reset", seconds=1.0)
    assert asked.re == "level", "whoever asks for it begins it anew"
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_whoever_waits_for_an_evaluation_is_told_when_those_have_failed(idle: Pair) -> None:
    child, peer = idle
    waiting = peer.send("evaluate", session="s1", source="import time; time.sleep(900)", timeout=None)
    peer.send("evaluate", session="s2", source=BREAK.format(name="evaluate"), timeout=None)
    assert "have failed, and begin anew" in (peer.reply(waiting)[0].error or "")
    told = peer.answer(0)
    assert (told.item, told.data["service"]) == ("failed", "evaluate")
    for _ in range(2):
        assert peer.evaluate("print('here')")[1] == "here\n"
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_requests_that_cannot_be_answered_take_no_thread_without_limit(idle: Pair) -> None:
    """A disk that hangs, or a lock of the application's, left a thread for each key pressed at a console."""
    child, peer = idle
    stuck = """
import _thread, sys
gate = _thread.allocate_lock(); gate.acquire()
checked = sys.modules["_limpet_stage1"].load("source").check
def hangs(*arguments):
    with gate:
        return checked(*arguments)
sys.modules["_limpet_stage1.source"].check = hangs
"""
    assert peer.evaluate(stuck)[0].ok
    waiting = [peer.send("check", session="s1", source="1 + 1") for _ in range(16)]
    refused = peer.ask("check", session="s1", source="1 + 1")
    assert refused.re == "error"
    assert "16 requests wait in this process already" in (refused.error or "")
    assert peer.value("gate.release()") is None
    assert {peer.reply(request)[0].state for request in waiting} == {"complete"}
    until(lambda: peer.ask("check", session="s1", source="1 + 1").re == "checked", "room for another")
    assert child.finish(b"\n") == (0, "bye\n", "")
