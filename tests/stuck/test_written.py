"""What others say of stacks, read: faulthandler, the agent, py-spy and its failures, _remote_debugging."""

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from limpet_supervisor.model.stacks import Frame, Lack, ProcessStacks, Rung, Stack
from limpet_supervisor.runtime import pyspy, remote, threads, written


def test_stacks_of_the_agent_are_read() -> None:
    text = (
        'Thread MainThread (0x7f01):\n  File "/srv/a b.py", line 3, in <module>\n    work()\n'
        '  File "/srv/a b.py", line 9, in work\n\n'
        "Task request-7 of the loop in MainThread, awaited by Task-1:\n"
        '  File "/srv/x.py", line 4, in handler\n    await sleep(1)\n  FutureIter\n'
    )
    main, task = written.by_agent(text)
    assert main.name == "Thread MainThread (0x7f01)"
    assert main.frames == (Frame("<module>", "/srv/a b.py", 3, "work()"), Frame("work", "/srv/a b.py", 9))
    assert task.frames[-1] == Frame("FutureIter")


def test_stacks_of_faulthandler_are_read_from_the_outermost_call_and_the_main_thread_first() -> None:
    text = (
        'Current thread 0x00007f02 (most recent call first):\n  File "/x/agent.py", line 1 in run\n\n'
        'Thread 0x00007f01 (most recent call first):\n  File "/a.py", line 9 in inner\n'
        '  File "/a.py", line ??? in outer\n'
    )
    main, other = written.by_faulthandler(text)
    assert (main.name, other.name) == ("Thread MainThread", "Thread 0x7f02")
    assert main.frames == (Frame("outer", "/a.py", 0), Frame("inner", "/a.py", 9))


@pytest.mark.parametrize("text", ["", "nonsense\n", '  File "x", line 1 in y\n', "\0\0\0"])
def test_what_is_no_stack_gives_none(text: str) -> None:
    assert written.by_faulthandler(text) == ()
    assert written.by_agent(text) == ()


@pytest.mark.parametrize(
    "printed", [b"", b"{}", b"[1]", b'[{"frames": []}]', b'[{"thread_id": 1, "frames": [{}]}]']
)
def test_an_answer_of_py_spy_that_cannot_be_read_says_so(printed: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        pyspy.stacks(printed)


def test_collapsed_stacks_are_read() -> None:
    text = "a (x.py:1);b (y y.py:2) 12\nnonsense\n;; 3\nc 4\n"
    assert pyspy.collapsed(text) == ((("a (x.py:1)", "b (y y.py:2)"), 12), (("", "", ""), 3), (("c",), 4))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            b"Error: Failed to get stack traces\n\nCaused by:\n    0: Bad address (os error 14)\n",
            "Bad address",
        ),
        (b"Error: Failed to suspend process\nReason: EPERM: Operation not permitted\n", "CAP_SYS_PTRACE"),
        (b"", "it said nothing"),
    ],
)
def test_why_py_spy_failed(said: bytes, why: str) -> None:
    assert why in pyspy.why(said)


@pytest.mark.parametrize("scope", [0, 1, 2, 3])
def test_the_missing_right_is_named(monkeypatch: pytest.MonkeyPatch, scope: int) -> None:
    monkeypatch.setattr(pyspy, "yama_scope", lambda: scope)
    assert ("ptrace_scope is" in pyspy.trace_right()) == (scope > 0)


class Unwinder:
    """As `_remote_debugging` of the version that `shape` is of."""

    shape = ""

    def __init__(self, pid: int, *, all_threads: bool) -> None:
        assert (pid, all_threads) == (7, True)

    def get_stack_trace(self) -> list[Any]:
        if self.shape == "3.14":
            inner = SimpleNamespace(funcname="work", filename="/a.py", lineno=3)
            outer = SimpleNamespace(funcname="main", filename="/a.py", lineno=9)
            return [(11, [inner, outer])]
        place = SimpleNamespace(lineno=3)
        inner = SimpleNamespace(funcname="work", filename="/a.py", location=place)
        outer = SimpleNamespace(funcname="main", filename="/a.py", location=None)
        return [SimpleNamespace(threads=[SimpleNamespace(thread_id=11, frame_info=[inner, outer])])]


@pytest.mark.parametrize("shape", ["3.14", "3.15"])
def test_the_answers_of_both_interpreters_are_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shape: str
) -> None:
    monkeypatch.setattr(Unwinder, "shape", shape)
    monkeypatch.setitem(sys.modules, "_remote_debugging", SimpleNamespace(RemoteUnwinder=Unwinder))  # type: ignore[arg-type]
    monkeypatch.setattr(sys, "argv", ["-c", "7"])
    exec(remote.command("python3.14", 7)[-2], {})  # noqa: S102 - it is what another interpreter is given
    (stack,) = remote.stacks(capsys.readouterr().out.encode())
    assert stack.tid == 11
    assert [frame.function for frame in stack.frames] == ["main", "work"]
    assert stack.frames[-1] == Frame("work", "/a.py", 3)


def test_its_own_interpreter_says_what_failed() -> None:
    with pytest.raises(ValueError, match="PermissionError: no"):
        remote.stacks(json.dumps({"error": "PermissionError: no"}).encode())
    with pytest.raises(ValueError, match="cannot be read"):
        remote.stacks(b"")


def test_kernel_stacks_are_read() -> None:
    look = [threads.Thread(7, "python", "D", 10, "do_wait"), threads.Thread(8, "python", "R", 30, "")]
    kernel = "/proc/7/task/7/stack:[<0>] inner+0x1/0x2\n/proc/7/task/7/stack:[<0>] outer+0x1/0x2\njunk\n"
    first, second = threads.stacks(look, look, 0.2, kernel)
    assert [frame.function for frame in first.frames] == ["outer", "inner"]
    assert (first.state, second.state) == ("disk sleep, 0% of a CPU", "running, 0% of a CPU")


def test_lines_for_a_person_name_the_way_and_what_the_better_ones_lacked() -> None:
    found = ProcessStacks(
        process="web.1",
        pid=7,
        command="python app.py",
        state="running",
        rung=Rung.FAULTHANDLER,
        took=2.5,
        stacks=(Stack("Thread MainThread", 7, "waits", (Frame("f", "/a.py", 3, "x()"), Frame("g"))),),
        lacks=(Lack(Rung.AGENT, "silent"), Lack(Rung.PY_SPY, "no"), Lack(Rung.REMOTE, "no")),
    )
    assert found.lines() == [
        "web.1 (pid 7, running): python app.py",
        "  by faulthandler in 2.50s",
        "  not by agent: silent",
        "  not by py-spy, _remote_debugging: no",
        "",
        "Thread MainThread (tid 7): waits",
        '  File "/a.py", line 3, in f',
        "    x()",
        "  g",
    ]
