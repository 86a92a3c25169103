"""What is evaluated in a process can be listed and ended; its values are at hand; a value is watched."""

import re

from support.agent import Child, Peer, until

Pair = tuple[Child, Peer]


def test_jobs_lists_what_others_evaluate_and_what_was_abandoned(looping: Pair) -> None:
    child, peer = looping
    assert peer.evaluate("jobs()")[0].value == "no other evaluation runs"
    peer.evaluate("import time; time.sleep(900)", "abandon", timeout=0.1)
    busy = peer.send("evaluate", session="a", source="print('go')\nwhile True:\n    pass", timeout=None)
    assert peer.answer(busy).text == "go\n"
    source = "import asyncio\nprint('go')\nawait asyncio.sleep(900)"
    awaiting = peer.send("evaluate", session="", source=source, timeout=None)
    assert peer.answer(awaiting).text == "go\n"
    until(
        lambda: "sleep" in peer.ask("inspect", what="jobs", arguments={}).data["rows"][2]["at"], "the await"
    )
    rows = peer.evaluate("jobs()", "a")[0].data["rows"]
    assert [(row["session"], row["state"], row["source"]) for row in rows] == [
        ("abando", "abandoned", "import time; time.sleep(900)"),
        ("this one", "running", "print('go') while True: pass"),
        ("a single call", "running", "import asyncio print('go') await asyncio.sleep(900)"),
    ]
    assert re.fullmatch(r"<module> \(<console abandon 1>:1\)", rows[0]["at"])
    assert re.fullmatch(r"<module> \(<console a 1>:[23]\)", rows[1]["at"])
    assert re.fullmatch(r"sleep asyncio/tasks\.py:\d+ in limpet evaluation \d+", rows[2]["at"])
    assert all(row["elapsed"] >= 0 for row in rows)
    for row, request in zip(rows[1:], (busy, awaiting), strict=True):
        assert peer.value(f"kill_job({row['job']})") == f"job {row['job']} is interrupted"
        reply = peer.reply(request)[0]
        assert reply.interrupted
        assert "killed by another console" in (reply.error or "")
    assert "there is no job 999; there are: " in (peer.evaluate("kill_job(999)")[0].error or "")
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_an_abandoned_job_that_returns_from_c_is_ended_by_kill_job(idle: Pair) -> None:
    child, peer = idle
    source = "lock = _thread.allocate_lock(); lock.acquire(); share.append(lock); lock.acquire(); go()"
    peer.evaluate("import sys; sys.share = share = []", "b")
    peer.evaluate("import _thread, sys; share = sys.share\ndef go():\n    while True: pass", "a")
    assert peer.evaluate(source, "a", timeout=0.1)[0].abandoned is not None
    job = peer.evaluate("jobs()", "b")[0].data["rows"][0]["job"]
    peer.value(f"kill_job({job})", "b")
    assert peer.value("len(jobs())", "b") == "1"
    peer.value("share[0].release()", "b")
    until(lambda: peer.value("len(jobs())", "b") == "0", "its end")
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_v_gives_earlier_values_by_number_and_counted_back(idle: Pair) -> None:
    _child, peer = idle
    for source in ("'one'", "None", "'three'"):
        peer.evaluate(source)
    assert peer.value("v(), v(-1), v(-2), v(1), v(3)") == "('three', 'three', 'one', 'one', 'three')"
    assert "LookupError: there is no value 2; there are: 1, 3, 4" in (peer.evaluate("v(2)")[0].error or "")
    assert "there is no value -9" in (peer.evaluate("v(-9)")[0].error or "")
    assert "there is no value -1; there are: none" in (peer.evaluate("v()", "other")[0].error or "")


def test_watch_prints_changes_only_and_ends_with_its_time(idle: Pair) -> None:
    child, peer = idle
    peer.evaluate("import sys; sys.found = found = [1]", "b")
    peer.evaluate("import sys; found = sys.found")
    request = peer.send(
        "evaluate", session="s1", timeout=None, source="watch('found[0]', seconds=900, every=0.01)"
    )
    shown = {
        "1": "found[0] = 2",
        "2": "found.clear()",
        "raised IndexError: list index out of range": "found.append('x')",
        "'x'": "pass",
    }
    for value, change in shown.items():
        assert re.fullmatch(rf"\d\d:\d\d:\d\d\.\d{{3}} {value}\n", peer.answer(request).text)
        peer.evaluate(change, "b")
    peer.ask("interrupt", target=request)
    found = peer.reply(request)[0]
    assert (found.interrupted, found.abandoned) == (True, None)
    assert found.ok, found.error
    assert [row["value"] for row in found.data["rows"]] == list(shown)
    reply, out, _ = peer.evaluate("watch('len(found)', seconds=0.1, every=0.01)", timeout=0.01)
    assert reply.ok, reply.error
    assert (reply.value or "").startswith("1 value in ")
    assert [row["value"] for row in reply.data["rows"]] == ["1"]
    assert out.endswith(" 1\n")
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_watch_refuses_what_it_cannot_watch(idle: Pair) -> None:
    _child, peer = idle
    for source, wanted in {
        "watch('nowhere')": "NameError: name 'nowhere' is not defined",
        "watch('x = 1')": "ValueError: watch() takes an expression that does not await, not 'x = 1'",
        "watch('await x')": "ValueError: watch() takes an expression that does not await, not 'await x'",
        "watch('1 +')": "SyntaxError: invalid syntax",
    }.items():
        assert wanted in (peer.evaluate(source)[0].error or "")


def test_an_answer_that_is_too_large_for_a_frame_is_an_error_and_the_agent_stays(looping: Pair) -> None:
    child, peer = looping
    made = """
import asyncio
many = [asyncio.create_task(asyncio.sleep(900), name="x" * 2000) for _ in range(9000)]
await asyncio.sleep(0)
"""
    assert peer.evaluate(made)[0].ok
    reply = peer.ask("inspect", what="tasks", arguments={"n": 10_000})
    assert re.fullmatch(r"it is [\d,]+ bytes: ask for less", reply.error or "")
    assert len(peer.ask("inspect", what="tasks", arguments={"n": 5}).data["rows"]) == 5
    assert peer.evaluate("[each.cancel() for each in many].count(True)\nawait asyncio.sleep(0)")[0].ok
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_an_interruption_that_follows_another_is_told_once(idle: Pair) -> None:
    """As one does that lands again, in a `finally` of what the first has ended."""
    child, peer = idle
    source = """
from _limpet_stage1.interrupt import Interrupted
print("go")
try:
    while True: pass
finally:
    raise Interrupted
"""
    request = peer.send("evaluate", session="s1", source=source, timeout=None)
    assert peer.answer(request).text == "go\n"
    peer.ask("interrupt", target=request)
    error = peer.reply(request)[0].error or ""
    assert error.count("Traceback") == 1
    assert error.endswith("\nInterrupted")
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_who_has_too_many_evaluations_is_told_what_to_do_and_may_look_at_them(idle: Pair) -> None:
    child, peer = idle
    source = "import time\nprint('go')\nwhile True:\n    time.sleep(0.01)"
    running = [peer.send("evaluate", session="", source=source, timeout=None) for _ in range(64)]
    assert [peer.answer(each).text for each in running] == ["go\n"] * 64
    refused = peer.evaluate("1")[0]
    assert refused.re == "error"
    assert "64 evaluations run already" in (refused.error or "")
    assert "limpet ctl jobs" in (refused.error or "")
    assert len(peer.ask("inspect", what="jobs", arguments={}).data["rows"]) == 64
    for each in running:
        peer.ask("interrupt", target=each)
    assert all(peer.reply(each)[0].interrupted for each in running)
    assert peer.value("1") == "1"
    assert child.finish(b"\n") == (0, "bye\n", "")
