"""Each rung of the ladder, on processes that are really stuck."""

import os
import shutil
import signal

import pytest

from limpet_supervisor.model.stacks import Rung
from limpet_supervisor.runtime import procfs, pyspy, threads
from limpet_supervisor.runtime.stacks import Patience
from support.stuck import HOLDS_GIL, INNERMOST, LONG, SHORT, Host, main_calls, why_not


@pytest.mark.parametrize("kind", HOLDS_GIL)
def test_who_holds_the_gil_in_c_is_read_from_outside(there: Host, kind: str) -> None:
    child = there.start(kind)
    found = there.look_until(child.pid, lambda found: found.rung is not Rung.AGENT)
    assert found.rung is Rung.PY_SPY, found.lacks
    assert main_calls(found)[0] == INNERMOST[kind]
    assert "no answer within" in why_not(found, Rung.AGENT)
    assert [lack.rung for lack in found.lacks] == [Rung.AGENT]


@pytest.mark.parametrize("kind", HOLDS_GIL)
def test_without_py_spy_a_signal_makes_it_write_them(
    there: Host, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyspy, "find", lambda: None)
    child = there.start(kind)
    found = there.look_until(child.pid, lambda found: found.rung is not Rung.AGENT)
    assert found.rung is Rung.FAULTHANDLER, found.lacks
    assert main_calls(found)[0] == INNERMOST[kind]
    assert child.process.poll() is None


def test_a_deadlock_is_told_by_the_agent_with_all_its_threads(there: Host) -> None:
    child = there.start("deadlock")
    found = there.look_until(child.pid, lambda found: main_calls(found)[:1] == ["deadlock"], patience=LONG)
    assert (found.rung, found.lacks) == (Rung.AGENT, ())
    other = next(stack for stack in found.stacks if stack.name.startswith("Thread other"))
    assert other.frames[-1].function == "deadlock.<locals>.other"
    assert other.frames[-1].source == "first.acquire()"
    assert not [stack for stack in found.stacks if "limpet agent" in stack.name]


def test_a_blocked_loop_is_told_by_the_agent_with_its_task(there: Host) -> None:
    child = there.start("blocked_loop")
    innermost = INNERMOST["blocked_loop"]
    found = there.look_until(child.pid, lambda found: main_calls(found)[:1] == [innermost], patience=LONG)
    assert found.rung is Rung.AGENT
    assert any(stack.name.startswith("Task request-7 ") for stack in found.stacks)


def test_one_that_is_stopped_is_read_and_stays_stopped(there: Host) -> None:
    child = there.start("computing")
    there.look_until(child.pid, lambda found: main_calls(found)[:1] == ["computing"], patience=LONG)
    os.kill(child.pid, signal.SIGSTOP)
    there.loop.until(lambda: threads.state(child.pid) == "stopped")
    found = there.look(child.pid, native=True)
    assert (found.rung, found.state) == (Rung.PY_SPY, "stopped"), found.lacks
    assert main_calls(found) == ["computing", "<module>"]
    assert found.notes == ("no native frames: its state is stopped",)
    assert threads.state(child.pid) == "stopped"
    os.kill(child.pid, signal.SIGCONT)
    there.loop.until(lambda: threads.state(child.pid) != "stopped")


def test_one_in_an_uninterruptible_wait_is_read(there: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the parent of a vfork is; and all that while it holds the GIL."""
    os.mkfifo(fifo := there.node.directory / "fifo")
    try:
        child = there.start("vforked")
        found = there.look_until(child.pid, lambda found: found.state == "disk sleep")
        assert found.rung is Rung.PY_SPY, found.lacks
        assert main_calls(found) == ["vforked", "<module>"]
        monkeypatch.setattr(pyspy, "find", lambda: None)
        found = there.look(child.pid)
        assert found.rung is Rung.FAULTHANDLER, found.lacks
        assert main_calls(found) == ["vforked", "<module>"]
    finally:
        with open(fifo, "w"):
            fifo.unlink()


@pytest.mark.parametrize(
    "script", ["echo begins; read line", "exec node -e \"console.log('begins'); setInterval(()=>{}, 1e6)\""]
)
def test_what_is_no_python_shows_what_the_kernel_knows(here: Host, script: str) -> None:
    if "node" in script and shutil.which("node") is None:
        pytest.skip("there is no node here")
    child = here.shell(script)
    found = here.look(child.pid)
    name = "node" if "node" in script else "sh"
    assert found.rung is Rung.KERNEL
    assert {lack.why for lack in found.lacks} == {f"{name} is no Python"}
    main = next(stack for stack in found.stacks if stack.tid == child.pid)
    assert main.state == "sleeping, 0% of a CPU"
    assert main.frames
    assert all(frame.file == threads.KERNEL for frame in main.frames)


def test_without_an_agent_it_is_read_from_outside(here: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    child = here.start("deadlock", agent=False)
    found = here.look_until(child.pid, lambda found: main_calls(found)[:1] == ["deadlock"])
    assert (found.rung, why_not(found, Rung.AGENT)) == (Rung.PY_SPY, "it has none")
    monkeypatch.setattr(pyspy, "find", lambda: None)
    found = here.look(child.pid)
    assert found.rung is Rung.KERNEL
    assert "there is no handler" in why_not(found, Rung.FAULTHANDLER)
    assert [stack.state for stack in found.stacks] == ["sleeping, 0% of a CPU"] * 2


def test_who_uses_a_cpu_is_seen_by_the_kernel(here: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyspy, "find", lambda: None)
    child = here.start("long_sum", agent=False)
    here.look_until(child.pid, lambda found: int(found.stacks[0].state.split(", ")[1].split("%")[0]) > 0)


def test_c_functions_are_seen_if_they_are_asked_for(here: Host) -> None:
    child = here.start("c_call")
    found = here.look_until(child.pid, lambda found: "pause" in main_calls(found), native=True)
    assert found.rung is Rung.PY_SPY
    calls = main_calls(found)
    assert calls.index("pause") < calls.index("c_call")


def test_the_signal_disturbs_no_thread_of_the_application(
    here: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pause(2) would return, had the main thread got it."""
    child = here.start("c_call")
    here.look_until(child.pid, lambda found: found.rung is Rung.PY_SPY)
    with monkeypatch.context() as without:
        without.setattr(pyspy, "find", lambda: None)
        for _ in range(3):
            assert here.look(child.pid).rung is Rung.FAULTHANDLER
    assert main_calls(here.look(child.pid))[0] == "c_call"


@pytest.mark.parametrize("reaped", [True, False])
def test_of_one_that_has_ended_it_is_said(here: Host, reaped: bool) -> None:
    child = here.shell("echo begins")
    if reaped:
        child.finish()
    else:
        here.loop.until(lambda: procfs.stat(child.pid) is None or procfs.stat(child.pid).state == "Z")
    found = here.look(child.pid)
    assert (found.state, found.stacks) in {("gone", ()), ("zombie", ())}


def test_one_that_was_left_stopped_by_its_tracer_goes_on(here: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracer that is killed between its SIGSTOP and the process's stop leaves it stopped for ever."""
    tracer = here.node.directory / "py-spy"
    tracer.write_text('#!/bin/sh\nfor pid; do :; done\nkill -STOP "$pid"\nexec sleep 600\n')
    tracer.chmod(0o755)
    monkeypatch.setattr(pyspy, "find", lambda: str(tracer))
    child = here.start("long_sum")
    found = here.look_until(
        child.pid, lambda found: "no answer" in why_not(found, Rung.PY_SPY), patience=Patience(0.5, 1.0)
    )
    assert found.rung is not Rung.PY_SPY
    here.loop.until(lambda: threads.state(child.pid) == "running")
    here.loop.until(lambda: len(here.loop.children) == 0)


def test_many_are_looked_at_a_few_at_a_time(here: Host) -> None:
    children = [here.start("deadlock", agent=False) for _ in range(6)]
    found = {}
    for child in children:
        here.ladder.climb("web.1", child.pid, lambda each: found.update({each.pid: each}))
    most = []
    here.loop.until(lambda: most.append(len(here.loop.children)) or len(found) == len(children))
    assert {each.rung for each in found.values()} == {Rung.PY_SPY}
    assert 1 <= max(most) <= 4


def test_all_who_ask_meanwhile_get_the_same_answer(here: Host) -> None:
    child = here.start("deadlock", agent=False)
    found = []
    for _ in range(3):
        here.ladder.climb("web.1", child.pid, found.append)
    here.loop.until(lambda: len(found) == 3)
    assert found[0] is found[1] is found[2]


def test_who_is_about_to_kill_it_waits_no_longer_for_having_come_second(
    here: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A black box that met a person's look had that one's patience, ended before it, and was empty."""
    monkeypatch.setattr(pyspy, "find", lambda: None)
    child = here.start("c_call")
    here.look_until(child.pid, lambda found: found.rung is not Rung.AGENT)
    found = []
    here.ladder.climb("web.1", child.pid, found.append, patience=Patience(6000.0, 6000.0))
    here.loop.reactor.turn()
    here.ladder.climb("web.1", child.pid, found.append, patience=SHORT)
    here.loop.until(lambda: len(found) == 2)
    assert found[0] is found[1]
    assert why_not(found[0], Rung.AGENT).startswith("no answer within 0.5s")


def test_a_command_that_looks_is_hurried_as_well(here: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    tracer = here.node.directory / "slow"
    tracer.write_text("#!/bin/sh\nexec sleep 600\n")
    tracer.chmod(0o755)
    monkeypatch.setattr(pyspy, "find", lambda: str(tracer))
    child = here.start("deadlock", agent=False)
    found = []
    here.ladder.climb("web.1", child.pid, found.append, patience=Patience(6000.0, 6000.0))
    here.loop.until(lambda: len(here.loop.children) == 1)
    here.ladder.climb("web.1", child.pid, found.append, patience=Patience(0.5, 0.5))
    here.loop.until(lambda: len(found) == 2)
    assert why_not(found[0], Rung.PY_SPY) == "no answer within 0.5s"
    here.loop.until(lambda: len(here.loop.children) == 0)
