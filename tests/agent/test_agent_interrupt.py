"""An evaluation can be ended, or is abandoned with its place; the application notices neither."""

import pytest

from support.agent import Child, Peer

Pair = tuple[Child, Peer]

RUNAWAYS = {
    "a loop": "while True: pass",
    "a loop that catches Exception": "while True:\n    try: pass\n    except Exception: pass",
    "a loop in a function": "def f():\n    while True: pass\nf()",
    "a list that grows": "x = []\nwhile True: x.append(1); x.clear()",
    "an import of a module that loops": "import runaway",
    "a repr that loops": "class A:\n    def __repr__(self):\n        while True: pass\nA()",
    "an error that cannot be shown": "class E(Exception):\n    def __str__(self):\n        while True: pass\n"
    "raise E",
}
AWAITING = {
    "asyncio.sleep": "import asyncio\nawait asyncio.sleep(1000)",
    "a loop on the event loop": "import asyncio\nawait asyncio.sleep(0)\nwhile True: pass",
    "a loop that gives way": "import asyncio\nwhile True: await asyncio.sleep(0)",
    "a loop that catches Exception": "import asyncio\nwhile True:\n    try: await asyncio.sleep(0)\n"
    "    except Exception: pass",
    "a future that never comes": "import asyncio\nawait asyncio.get_running_loop().create_future()",
}


@pytest.mark.parametrize("source", RUNAWAYS.values(), ids=RUNAWAYS)
def test_the_deadline_ends_running_python(idle: Pair, source: str) -> None:
    child, peer = idle
    if "runaway" in source:
        peer.evaluate("import sys, tempfile, pathlib; d = tempfile.mkdtemp(); sys.path.insert(0, d)\n"
                      "pathlib.Path(d, 'runaway.py').write_text('while True: pass')")  # fmt: skip
    found = peer.evaluate(source, timeout=0.2)[0]
    assert not found.ok
    assert found.abandoned is None, found.error
    assert "deadline of 0.2s passed" in (found.error or "") or "<exception str() failed>" in (
        found.error or ""
    )
    assert peer.value("6 * 7") == "42"
    assert child.finish(b"\n") == (0, "bye\n", "")


@pytest.mark.parametrize("source", AWAITING.values(), ids=AWAITING)
def test_the_deadline_ends_code_on_the_loop_and_the_loop_goes_on(looping: Pair, source: str) -> None:
    child, peer = looping
    found = peer.evaluate(source, timeout=0.3)[0]
    assert found.abandoned is None, found.error
    assert found.interrupted
    assert found.timed_out
    assert "deadline of 0.3s passed" in (found.error or "")
    assert peer.value("import asyncio; await asyncio.sleep(0, 42)") == "42"
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_an_interrupt_names_where_the_code_was(idle: Pair) -> None:
    _child, peer = idle
    request = peer.send("evaluate", session="s1", source="print('go')\nwhile True: pass", timeout=None)
    assert peer.answer(request).text == "go\n"
    assert peer.ask("interrupt", target=request).text == "interrupted"
    found = peer.reply(request)[0]
    assert found.interrupted
    assert (found.error or "").endswith("\nInterrupted")
    assert not found.timed_out
    assert 'File "<console s1 1>", line' in (found.error or "")


def test_an_interrupt_of_what_has_ended_is_told(idle: Pair) -> None:
    _child, peer = idle
    peer.evaluate("1")
    assert peer.ask("interrupt", target=1).text == "it does not run any more"


BLOCKING = (
    "import time; time.sleep(1000)",
    "import _thread; lock = _thread.allocate_lock(); lock.acquire(); lock.acquire()",
)


@pytest.mark.parametrize("source", BLOCKING)
def test_what_blocks_in_c_is_abandoned_with_its_place(idle: Pair, source: str) -> None:
    child, peer = idle
    found = peer.evaluate(source, timeout=0.1)[0]
    assert (found.ok, found.interrupted) == (False, True)
    assert found.abandoned == "<module> (<console s1 1>:1)"
    place = "it cannot be interrupted where it is (<module> (<console s1 1>:1)), and goes on"
    assert found.error == f"deadline of 0.1s passed; not waited for any longer: {place}"
    assert found.timed_out
    assert peer.value("1 + 1") == "2"
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_what_swallows_every_exception_is_abandoned(idle: Pair) -> None:
    child, peer = idle
    source = """
def f():
    try:
        while True: pass
    except BaseException:
        f()
import sys
sys.setrecursionlimit(100_000)
while True:
    try: f()
    except BaseException: pass
"""
    found = peer.evaluate(source, timeout=0.1)[0]
    assert found.abandoned is not None
    assert peer.value("1 + 1") == "2"
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_holding_the_event_loop_is_ended_without_a_deadline(looping: Pair) -> None:
    child, peer = looping
    source = "import asyncio\nawait asyncio.sleep(0)\nwhile True: pass"
    found = peer.evaluate(source, timeout=None)[0]
    assert found.interrupted
    assert "it held the application's event loop for more than 1s" in (found.error or "")
    child.say("how are you")
    assert child.hear() == "beating"
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_a_loop_that_is_stuck_itself_never_runs_what_came_too_late(looping: Pair) -> None:
    child, peer = looping
    peer.evaluate("import __main__, asyncio, time; loop = asyncio.Task.get_loop("
                  "next(t for t in asyncio.tasks.all_tasks(asyncio.get_running_loop()) if t)) if await "
                  "asyncio.sleep(0, True) else None; gate = []")  # fmt: skip
    peer.evaluate("def stick():\n    while not gate: time.sleep(0.001)\nloop.call_soon_threadsafe(stick)")
    found = peer.evaluate("await asyncio.sleep(0); ran = True", timeout=0.1)[0]
    assert (found.interrupted, found.abandoned) == (True, None)
    assert "the event loop, which is in stick (<console s1 2>:2), did not come to it" in (found.error or "")
    peer.evaluate("gate.append(1)")
    assert peer.value("await asyncio.sleep(0, 5)") == "5"
    assert "NameError" in (peer.evaluate("ran")[0].error or "")
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_detaching_ends_what_the_session_still_runs(idle: Pair) -> None:
    _child, peer = idle
    request = peer.send("evaluate", session="s1", source="while True: pass", timeout=None)
    assert peer.ask("detach", session="s1").re == "done"
    found = peer.reply(request)[0]
    assert found.interrupted
    assert "the session was closed" in (found.error or "")


def test_a_lost_daemon_ends_what_runs(node, idle: Pair) -> None:
    """Nobody waits for the answer any more, and nobody would keep the deadline."""
    child, peer = idle
    request = peer.send("evaluate", session="s1", source="print('go')\nwhile True: pass", timeout=None)
    assert peer.answer(request).text == "go\n"
    node.vanish()
    node.listen()
    again = node.accept().load()
    source = """
import sys, time
def consoles():
    frames = [f for f in sys._current_frames().values()]
    names = []
    while frames:
        f = frames.pop()
        names.append(f.f_code.co_filename)
        if f.f_back: frames.append(f.f_back)
    return [name for name in names if name == "<console s1 1>"]
"""
    again.evaluate(source, "s2")
    while again.value("consoles()", "s2") != "[]":
        pass
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_a_shot_never_lands_in_the_applications_tasks(looping: Pair) -> None:
    """Interrupts at arbitrary moments, many times over: the heart would end, and the process with it."""
    child, peer = looping
    peer.evaluate("import asyncio")
    source = "while True:\n    await asyncio.sleep(0)\n    sum(range(200))"
    for _ in range(60):
        request = peer.send("evaluate", session="s1", source=source, timeout=None)
        peer.ask("interrupt", target=request)
        assert peer.reply(request)[0].interrupted
    assert (
        peer.value(
            "[t.get_name() for t in asyncio.all_tasks() if await asyncio.sleep(0, True)].count('heart')"
        )
        == "1"
    )
    child.say("how are you")
    assert child.hear() == "beating"
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_an_interrupt_while_printing_leaves_the_agent_whole(idle: Pair) -> None:
    """A shot inside the agent's own locks or half a frame would silence it for ever."""
    child, peer = idle
    for _ in range(60):
        request = peer.send("evaluate", session="s1", source="while True: print('x' * 50)", timeout=None)
        assert peer.answer(request).item == "output"
        peer.ask("interrupt", target=request)
        assert peer.reply(request)[0].interrupted
    assert peer.value("6 * 7") == "42"
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_an_interrupt_never_lands_in_a_thread_that_the_evaluation_starts(idle: Pair) -> None:
    """Before 3.12 a thread that has not run yet goes by the ident of the one that starts it."""
    child, peer = idle
    source = "import threading\nwhile True: threading.Thread(target=int).start()"
    for _ in range(60):
        request = peer.send("evaluate", session="s1", source=source, timeout=None)
        peer.ask("interrupt", target=request)
        assert peer.reply(request)[0].interrupted
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_what_an_evaluation_keeps_the_others_from_is_told(looping: Pair) -> None:
    """The GIL, by a call into C that does not let go of it; the event loop, by code on it that blocks."""
    child, peer = looping
    holding = "import ctypes\nctypes.PyDLL(None).usleep(400000)"
    assert peer.evaluate(holding)[0].stalled >= 0.2
    blocking = "import asyncio, time\nawait asyncio.sleep(0)\ntime.sleep(0.4)"
    assert peer.evaluate(blocking)[0].stalled >= 0.4
    child.finish(b"\n")


def test_an_interrupt_never_leaves_the_import_lock_taken(idle: Pair) -> None:
    """Whoever imports anything would wait for it for ever: the application, too."""
    child, peer = idle
    source = """
import sys
print('go')
while True:
    sys.modules.pop('colorsys', None)
    import colorsys
"""
    for _ in range(60):
        request = peer.send("evaluate", session="s1", source=source, timeout=None)
        assert peer.answer(request).text == "go\n"
        peer.ask("interrupt", target=request)
        found = peer.reply(request)[0]
        assert found.interrupted, found.error
        assert found.abandoned is None, found.error
    assert peer.value("import colorsys; 6 * 7") == "42"
    assert child.finish(b"\n") == (0, "bye\n", "")


@pytest.mark.parametrize("lock", ["logging._lock", "logging.root.handlers[0].lock"])
def test_an_interrupt_never_leaves_a_lock_of_logging_s_taken(idle: Pair, lock: str) -> None:
    """Until 3.12 they are taken before the block that gives them back: whoever logs would wait for ever."""
    child, peer = idle
    peer.evaluate("import logging; logging.basicConfig(level=50)")
    for source in (
        f"lock = {lock}\nlock.acquire(); lock.acquire()\nprint('go')\nwhile True: pass",
        "print('go')\nwhile True: logging.getLogger('shop').warning('x')",
    ):
        for _ in range(5):
            request = peer.send("evaluate", session="s1", source=source, timeout=None)
            assert peer.answer(request).text == "go\n"
            peer.ask("interrupt", target=request)
            found = peer.reply(request)[0]
            assert found.interrupted, found.error
            assert found.abandoned is None, found.error
    free = f"[not {lock}.acquire(False) for _ in range(2)]"
    assert peer.value(f"x = {free}; {lock}.release(); {lock}.release(); x", "s2") == "[False, False]"
    assert child.finish(b"\n") == (0, "bye\n", "")


OWN = {
    "of stage 0": "import limpet.agent\nlock = limpet.agent.agent._lock",
    "of handlers": "import limpet.telemetry.dispatch\nlock = limpet.telemetry.dispatch._lock",
    "of a metric": """
from limpet import telemetry
telemetry.metrics([telemetry.counter("shop.sale.count")])
lock = next(iter(telemetry.dispatch._attached.values())).function.__self__._lock
""",
    "of stage 1": """
import sys
lock = sys.modules["_limpet_stage1"].load("tasks")._numbers._lock
""",
}


@pytest.mark.parametrize("lock", OWN)
def test_an_interrupt_never_leaves_a_lock_of_ours_taken(idle: Pair, lock: str) -> None:
    """In 3.14 it may arrive after `with` has taken it and before the block that gives it back."""
    child, peer = idle
    assert peer.evaluate(OWN[lock])[0].ok
    source = "lock.acquire(); lock.acquire()\nprint('go')\nwhile True: pass"
    request = peer.send("evaluate", session="s1", source=source, timeout=None)
    assert peer.answer(request).text == "go\n"
    peer.ask("interrupt", target=request)
    found = peer.reply(request)[0]
    assert found.interrupted, found.error
    assert peer.value("repr(lock).partition(' ')[0]") == "'<unlocked'"  # idents are given again
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_an_interrupt_never_lands_where_the_agent_s_channel_is_locked(idle: Pair) -> None:
    """Evaluated code that registers a check asks the daemon to look: left taken, nothing could be sent."""
    child, peer = idle
    source = """
import sys, time
from limpet import agent
share = []
turn = sys.modules["_limpet_stage1.wire"]._running[0].channel._turn
put = turn.take
def slow(*arguments):
    turn.take = put
    job = sys.modules["_limpet_stage1.loading"].running.get()
    while not job.guard._wanted:
        time.sleep(0.001)
    time.sleep(0.02)
    put(*arguments)
    share.append("sent")
"""
    assert peer.evaluate(source)[0].ok
    found = peer.evaluate("turn.take = slow; agent.want()", timeout=0.05)[0]
    assert found.interrupted, found
    assert peer.value("share") == "['sent']"
    assert peer.answer(0).item == "want"
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_an_import_lock_that_was_being_given_back_is_given_back(idle: Pair) -> None:
    """Interrupted between counting down and giving up, it has an owner and no count."""
    child, peer = idle
    source = """
import importlib._bootstrap
lock = importlib._bootstrap._get_module_lock('half_released')
lock.acquire()
lock.count = 0 if type(lock.count) is int else []
print('go')
while True: pass
"""
    request = peer.send("evaluate", session="s1", source=source, timeout=None)
    assert peer.answer(request).text == "go\n"
    peer.ask("interrupt", target=request)
    assert peer.reply(request)[0].interrupted
    assert peer.value("lock.owner, lock.count in (0, [])") == "(None, True)"
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_an_interrupt_that_a_finalizer_swallows_is_followed_by_another(idle: Pair) -> None:
    """The interpreter prints what a finalizer raises, and goes on: the evaluation ends all the same."""
    child, peer = idle
    source = """
class Last:
    def __del__(self):
        print('go')
        while True: pass
Last()
while True: pass
"""
    request = peer.send("evaluate", session="s1", source=source, timeout=None)
    assert peer.answer(request).text == "go\n"
    peer.ask("interrupt", target=request)
    found = peer.reply(request)[0]
    assert found.interrupted
    assert found.abandoned is None, found.error
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_evaluations_that_do_nothing_but_wait_for_a_lock_of_loggings_are_interrupted(idle: Pair) -> None:
    """Each is in the code that takes it whenever one looks; it is left alone for a while only."""
    child, peer = idle
    source = "import logging\nprint('go')\nwhile True: logging.getLogger('limpet.test')"
    requests = [
        peer.send("evaluate", session=f"s{number}", source=source, timeout=None) for number in range(4)
    ]
    for request in requests:
        assert peer.answer(request).text == "go\n"
    for request in requests:
        peer.ask("interrupt", target=request)
    for request in requests:
        found = peer.reply(request)[0]
        assert found.interrupted
        assert found.abandoned is None, found.error
    assert peer.value("import logging; logging.getLogger('limpet.test').name") == "'limpet.test'"
    assert child.finish(b"\n") == (0, "bye\n", "")
