"""Evaluation in a live process: values, output, errors, and that the application goes on as if alone."""

import time

import pytest

from support.agent import Child, Daemon, Peer, until

Pair = tuple[Child, Peer]


def test_values_underscore_and_out(idle: Pair) -> None:
    child, peer = idle
    first = peer.evaluate("6 * 7")[0]
    assert (first.re, first.ok, first.value, first.type, first.number) == ("evaluated", True, "42", "int", 1)
    assert first.elapsed > 0
    assert peer.value("_ + 1") == "43"
    assert peer.value("Out[1], Out[2]") == "(42, 43)"
    none = peer.evaluate("None")[0]
    assert (none.ok, none.value, none.number) == (True, None, 4)
    assert peer.value("_") == "(42, 43)"
    assert peer.value("x = 5\ny = 6\nx * y") == "30"
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_what_is_not_numbered_leaves_names_and_no_answer(idle: Pair) -> None:
    """A start-up file is no input of the session."""
    _child, peer = idle
    asked = peer.send("evaluate", session="s1", source="found = 6\n7", timeout=None, numbered=False)
    assert peer.reply(asked)[0].number == 0
    assert peer.value("found") == "6"
    assert peer.value("sorted(Out)") == "[1]"


def test_help_prints_its_text_and_asks_no_pager(idle: Pair) -> None:
    _child, peer = idle
    for source, wanted in {
        "help(str.upper)": "upper(self, /)",
        "help(tasks)": "Help on function tasks",
        "help('while')": "while_stmt",
    }.items():
        reply, out, _ = peer.evaluate(source)
        assert reply.ok, reply.error
        assert wanted in out


def test_out_keeps_the_last_twenty_values(idle: Pair) -> None:
    _child, peer = idle
    for number in range(25):
        peer.evaluate(str(number))
    assert peer.value("sorted(Out)") == str(list(range(6, 26)))


def test_sessions_do_not_see_each_other_and_a_detached_one_is_forgotten(idle: Pair) -> None:
    _child, peer = idle
    peer.evaluate("x = 1", "a")
    assert peer.value("x", "a") == "1"
    assert "NameError" in (peer.evaluate("x", "b")[0].error or "")
    assert peer.ask("detach", session="a").re == "done"
    assert "NameError" in (peer.evaluate("x", "a")[0].error or "")


def test_without_a_session_nothing_is_kept(idle: Pair) -> None:
    _child, peer = idle
    assert peer.evaluate("x = 1; x", "")[0].value == "1"
    assert "NameError" in (peer.evaluate("x", "")[0].error or "")


@pytest.mark.parametrize("last", ["a", "print('x')", "1 / 0", "import asyncio; await asyncio.sleep(0); a"])
def test_what_is_asked_once_keeps_none_of_the_application_s_objects(node: Daemon, last: str) -> None:
    """It is gone at once, not when the collector comes: some applications have put that off for ever."""
    source = (
        "import gc, sys\nclass Cart: pass\nkept = []\ngc.disable()\nprint(flush=True)\nsys.stdin.readline()"
    )
    child = node.code(source)
    peer = node.accept().load()
    child.hear()
    made = "import __main__, weakref\na = __main__.Cart()\n__main__.kept[:] = [weakref.ref(a)]\n"
    peer.evaluate(f"{made}{last}", "")
    peer.evaluate("import __main__, time", "s2")
    peer.evaluate("while __main__.kept[0]() is not None: time.sleep(0.001)", "s2", timeout=10)
    assert peer.value("__main__.kept[0]() is None", "s2") == "True"
    assert child.finish(b"\n")[0] == 0


def test_a_future_import_holds_for_the_session(idle: Pair) -> None:
    _child, peer = idle
    peer.evaluate("from __future__ import annotations")
    assert peer.value("def f(a: nowhere): pass\nf.__annotations__") == "{'a': 'nowhere'}"


def test_an_error_shows_the_lines_of_this_and_earlier_inputs_and_no_frame_of_ours(idle: Pair) -> None:
    _child, peer = idle
    peer.evaluate("def broken():\n    return 1 / 0")
    error = peer.evaluate("broken()")[0].error or ""
    assert error.startswith(
        'Traceback (most recent call last):\n  File "<console s1 2>", line 1, in <module>\n'
    )
    assert '  File "<console s1 1>", line 2, in broken\n    return 1 / 0\n' in error
    assert error.endswith("ZeroDivisionError: division by zero")
    assert "limpet" not in error


def test_a_syntax_error_is_shown_where_it_is(idle: Pair) -> None:
    _child, peer = idle
    found = peer.evaluate("a = = b")[0]
    assert not found.ok
    assert "a = = b" in (found.error or "")
    assert "SyntaxError" in (found.error or "")


@pytest.mark.parametrize("source", ["exit()", "quit()", "raise SystemExit(3)", "__import__('sys').exit()",
                                    "raise KeyboardInterrupt", "raise GeneratorExit"])  # fmt: skip
def test_leaving_ends_the_evaluation_and_nothing_else(looping: Pair, source: str) -> None:
    child, peer = looping
    for prefix in ("", "await __import__('asyncio').sleep(0)\n"):
        found = peer.evaluate(prefix + source)[0]
        assert not found.ok
        assert not found.interrupted
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_what_an_evaluation_prints_comes_here_and_what_the_application_prints_stays_there(
    node: Daemon,
) -> None:
    child = node.code("""
import sys, threading
def speak():
    for line in sys.stdin:
        print("app", line.strip(), flush=True)
        print("app error", line.strip(), file=sys.stderr, flush=True)
thread = threading.Thread(target=speak)
thread.start()
print("up", flush=True)
thread.join()
""")
    peer = node.accept().load()
    assert child.hear() == "up"
    request = peer.send("evaluate", session="s1", timeout=None, source="""
import sys
go = True
print("mine")
print("my error", file=sys.stderr)
sys.stdout.write("no newline")
sys.stdout.buffer.write("bytes \\u00e9".encode())
while go: pass
""")  # fmt: skip
    first = peer.answer(request)
    assert first.text == "mine\n", first
    child.say("1")
    assert child.hear() == "app 1"
    peer.evaluate("sys.modules['__main__']", "other")
    peer.evaluate("go = False")
    reply, out, err = peer.reply(request)
    assert reply.ok
    assert (out, err) == ("no newlinebytes é", "my error\n")
    code, out, err = child.finish()
    assert (code, out, err) == (0, "", "app error 1\n")


def test_the_streams_are_the_applications_again_when_everybody_has_left(idle: Pair) -> None:
    child, peer = idle
    peer.evaluate("import sys")
    assert "Proxy" in peer.value("type(sys.stdout).__name__")
    peer.ask("detach", session="s1")
    peer.evaluate(
        "import sys, threading; sys.modules['__main__'].seen = lambda: type(sys.stdout).__name__", ""
    )
    peer.ask("ping")
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_a_stream_that_the_application_has_replaced_meanwhile_is_left_alone(idle: Pair) -> None:
    _child, peer = idle
    peer.ask("attach", session="s1")
    peer.evaluate("import io, sys; sys.stdout = io.StringIO()")
    peer.ask("detach", session="s1")
    peer.ask("attach", session="s2")
    assert peer.value("import sys; type(sys.stdout._real).__name__", "s2") == "'StringIO'"


def test_a_flood_of_output_is_cut_and_counted(idle: Pair) -> None:
    child, peer = idle
    reply, out, err = peer.evaluate("for n in range(400_000): print(n)")
    assert reply.ok
    assert 900_000 < len(out) <= 1_000_000
    assert out.startswith("0\n1\n2\n")
    assert "characters more were printed" in err
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_a_daemon_that_does_not_read_blocks_nobody(looping: Pair) -> None:
    """The socket is full: the loop beats on, and all answers are there afterwards."""
    child, peer = looping
    requests = [peer.send("evaluate", session="", source="'x' * 60_000", timeout=None) for _ in range(40)]
    child.say("how are you")
    assert child.hear() == "beating"
    for request in requests:
        assert peer.reply(request)[0].ok
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_reading_standard_input_and_breakpoints_are_refused(idle: Pair) -> None:
    child, peer = idle
    for source in (
        "input()",
        "import sys; sys.stdin.readline()",
        "for line in sys.stdin: pass",
        "breakpoint()",
    ):
        error = peer.evaluate(source)[0].error or ""
        assert "RuntimeError: " in error
        assert "<limpet" not in error
        assert "input" in error
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_an_await_runs_as_a_task_on_the_applications_own_loop(looping: Pair) -> None:
    child, peer = looping
    source = "[task.get_name() for task in asyncio.all_tasks() if await asyncio.sleep(0, True)]"
    assert "'heart'" in peer.value(source)
    assert peer.value("async with asyncio.timeout(5):\n    x = await asyncio.sleep(0, 3)\nx") == "3"
    assert "ValueError: no" in (
        peer.evaluate("async def f():\n    raise ValueError('no')\nawait f()")[0].error or ""
    )
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_a_print_of_a_task_that_an_evaluation_started_comes_here_while_it_runs(looping: Pair) -> None:
    child, peer = looping
    source = "import asyncio\nasync def f():\n    print('from the task')\nawait asyncio.create_task(f())"
    reply, out, _err = peer.evaluate(source)
    assert (reply.ok, out) == (True, "from the task\n")
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_an_await_without_a_running_loop_gets_a_loop_of_its_own(idle: Pair) -> None:
    child, peer = idle
    assert peer.value("import asyncio\nawait asyncio.sleep(0, 'done')") == "'done'"
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_call_imports_passes_strings_and_awaits(looping: Pair, node: Daemon) -> None:
    child, peer = looping
    (node.directory / "jobs.py").write_text("""
import asyncio
def join(*words):
    print("joining")
    return "-".join(words)
async def wait(word):
    await asyncio.sleep(0)
    return asyncio.get_running_loop() is asyncio.all_tasks().pop().get_loop(), word
class Tools:
    @staticmethod
    def one():
        return 1
""")
    peer.evaluate(f"import sys; sys.path.insert(0, {str(node.directory)!r})")
    reply, out, _ = peer.reply(peer.send("call", function="jobs:join", arguments=["a", "b c"], timeout=5))
    assert (reply.re, reply.ok, reply.value, out) == ("evaluated", True, "'a-b c'", "joining\n")
    assert peer.ask("call", function="jobs:wait", arguments=["x"], timeout=5).value == "(True, 'x')"
    assert peer.ask("call", function="jobs:Tools.one", arguments=[], timeout=5).value == "1"
    assert "ModuleNotFoundError" in (
        peer.ask("call", function="nosuch:f", arguments=[], timeout=5).error or ""
    )
    assert "AttributeError" in (peer.ask("call", function="jobs:nosuch", arguments=[], timeout=5).error or "")
    assert "not module:function" in (peer.ask("call", function="jobs", arguments=[], timeout=5).error or "")
    assert child.finish(b"\n") == (0, "bye\n", "")


def test_a_coroutine_called_without_a_running_loop_is_awaited_too(idle: Pair) -> None:
    _child, peer = idle
    assert peer.ask("call", function="asyncio:sleep", arguments=["0"], timeout=5).error is not None
    peer.evaluate("import sys, types; m = sys.modules['m'] = types.ModuleType('m')\n"
                  "async def f(*a): return a\nm.f = f")  # fmt: skip
    assert peer.ask("call", function="m:f", arguments=["0"], timeout=5).value == "('0',)"


def test_children_that_an_evaluation_starts_have_the_main_threads_signal_mask(idle: Pair) -> None:
    _child, peer = idle
    command = ["grep", "SigBlk", "/proc/self/status"]
    source = f"import subprocess\nsubprocess.run({command}, capture_output=True).stdout"
    assert peer.value(source) == r"b'SigBlk:\t0000000000000000\n'"


def test_the_main_thread_stays_the_main_thread(node: Daemon) -> None:
    """Before 3.13, threading takes the first thread that imports it for the main one: that may be ours."""
    child = node.code("""
import sys
print("up", flush=True)
sys.stdin.readline()
import signal, threading
assert threading.current_thread() is threading.main_thread(), threading.enumerate()
assert threading.active_count() == 1, threading.enumerate()
""")
    peer = node.accept().load()
    assert child.hear() == "up"
    assert peer.value("import threading; threading.main_thread().native_id") == str(child.pid)
    assert child.finish(b"\n") == (0, "", "")


def test_the_switch_interval_is_short_only_while_somebody_evaluates(idle: Pair) -> None:
    _child, peer = idle
    assert float(peer.value("import sys; sys.getswitchinterval()")) == pytest.approx(0.0002, rel=0.1)
    peer.evaluate("sys.setswitchinterval(0.005)")  # as if we had gone: the application's own value now
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if float(peer.value("sys.getswitchinterval()")) == pytest.approx(0.0002, rel=0.1):
            break
    else:
        pytest.fail("the interval was not shortened again")


def test_threads_of_evaluations_leave_nothing_behind(idle: Pair) -> None:
    _child, peer = idle
    peer.evaluate("import logging, threading")
    for _ in range(20):
        peer.evaluate("threading.current_thread().name")
    assert peer.value("len(threading.enumerate()) <= 3") == "True"


def test_a_bad_request_is_answered_and_the_agent_stays(idle: Pair) -> None:
    _child, peer = idle
    assert "no 'nosuch'" in (peer.ask("nosuch").error or "")
    bad = peer.ask("evaluate")
    assert (bad.re, bad.error) == ("error", "KeyError: 'session'")
    assert peer.ask("ping").re == "pong"


def test_attach_tells_how_many_loops_run(looping: Pair, node: Daemon) -> None:
    _child, peer = looping
    assert peer.ask("attach", session="s1").loops == 1
    child = node.start("-c", "input()")
    assert node.accept_pid(child.pid).load().ask("attach", session="s1").loops == 0


@pytest.mark.parametrize("source", ["1", "await __import__('asyncio').sleep(0)"])
def test_a_fork_by_an_evaluation_is_a_process_like_any_other(
    looping: Pair, node: Daemon, source: str
) -> None:
    child, peer = looping
    fork = f"""
import os
{source}
pid = os.fork()
if not pid:
    os._exit(7)
os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""
    peer.evaluate("import warnings; warnings.simplefilter('ignore')")
    request = peer.send("evaluate", session="s1", source=fork, timeout=None)
    assert node.accept().hello.forked_from == child.pid
    assert peer.reply(request)[0].value == "7"
    assert child.finish(b"\n") == (0, "bye\n", "")


OWN_LOOPS = {
    "await": "import asyncio; mine = asyncio.get_running_loop(); print('go'); await asyncio.sleep(1000)",
    "asyncio.run": """
import asyncio
async def main():
    global mine
    mine = asyncio.get_running_loop()
    print('go')
    await asyncio.sleep(1000)
asyncio.run(main())
""",
}


@pytest.mark.parametrize("running", OWN_LOOPS.values(), ids=OWN_LOOPS)
def test_the_loop_of_one_evaluation_is_not_the_applications_to_another(idle: Pair, running: str) -> None:
    """It ends with its evaluation, and would never run what was handed to it."""
    _child, peer = idle
    request = peer.send("evaluate", session="s1", source=running, timeout=None)
    assert peer.answer(request).text == "go\n"
    assert peer.ask("attach", session="s2").loops == 0
    assert peer.value("await asyncio.sleep(0, asyncio.get_running_loop() is mine)") == "False"
    peer.ask("interrupt", target=request)
    assert peer.reply(request)[0].interrupted


FLOOD = """
import asyncio, signal
def told(*_):
    told.times += 1
    print("told")
    signal.setitimer(signal.ITIMER_REAL, 0.0001)
told.times = 0
before = signal.signal(signal.SIGALRM, told)
signal.setitimer(signal.ITIMER_REAL, 0.0001)
try:
    while told.times < 300:
        print("line")
finally:
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
await asyncio.sleep(0)
"""


def test_a_signal_s_handler_that_prints_in_the_middle_of_a_print_holds_up_nobody(looping: Pair) -> None:
    """On the application's own thread, which would wait for a lock of ours for ever."""
    child, peer = looping
    reply, out, _ = peer.evaluate(FLOOD)
    assert reply.ok, reply.error
    assert out.count("told\n") == 300
    assert child.finish(b"x\n\n") == (0, "beating\nbye\n", "")


ENDS = """
import asyncio, sys
loop = asyncio.new_event_loop()
def block():
    print("up", flush=True)
    sys.stdin.readline()
    loop.stop()
loop.call_soon(block)
loop.run_forever()
print("ended", flush=True)
sys.stdin.readline()
loop.run_until_complete(asyncio.sleep(0))
loop.close()
"""


def test_an_await_that_a_loop_has_not_come_to_when_it_ends_ends_as_well(node: Daemon) -> None:
    """Its thread would wait for ever; and the loop may run once more, and then must not run it."""
    child = node.code(ENDS)
    peer = node.accept().load()
    assert child.hear() == "up"
    asked = peer.send("evaluate", session="s1", source="import asyncio\nawait asyncio.sleep(0)", timeout=None)
    until(
        lambda: any(
            "on_loop" in row["at"] for row in peer.ask("inspect", what="jobs", arguments={}).data["rows"]
        ),
        "the evaluation",
    )
    child.say("")
    assert child.hear() == "ended"
    assert "the event loop has ended" in (peer.reply(asked)[0].error or "")
    assert child.finish(b"\n") == (0, "", "")
