"""Profiles of real processes, from outside and from inside."""

from typing import Any

import pytest

from limpet_supervisor.errors import LimpetError, UsageError
from limpet_supervisor.model.stacks import ProcessProfile, Rung
from limpet_supervisor.runtime import procfs, pyspy
from limpet_supervisor.runtime.profiler import Profiling, check
from support.stuck import Host


class Taking:
    """A profile that is being taken."""

    def __init__(self, there: Host, pid: int, **options: Any) -> None:
        self.found: list[ProcessProfile | LimpetError] = []
        self._there = there
        options = {"seconds": 1.0, "rate": 100.0, "native": False, "gil": False, **options}
        self.profiling = Profiling(there.ladder, "web.1", "web.1", pid, self.found.append, **options)

    def profile(self) -> ProcessProfile:
        """What was seen; AssertionError if it failed."""
        self._there.loop.until(lambda: self.found)
        found = self.found[0]
        assert isinstance(found, ProcessProfile), found
        return found


def share(profile: ProcessProfile, function: str) -> float:
    """The part of the samples in which that function was the innermost."""
    inside = sum(count for stack, count in profile.stacks if stack[-1].startswith(f"{function} ("))
    return inside / max(1, sum(count for _, count in profile.stacks))


def test_where_the_time_goes_is_seen_from_outside(there: Host) -> None:
    child = there.start("computing")
    found = Taking(there, child.pid).profile()
    assert (found.by, found.lacks) == (Rung.PY_SPY, ())
    assert share(found, "computing") > 0.8
    assert not [stack for stack, _ in found.stacks if "limpet/agent.py" in stack[0]]
    assert found.samples >= sum(count for _, count in found.stacks) > 0


def test_without_py_spy_the_agent_samples_and_it_is_said(
    there: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyspy, "find", lambda: None)
    child = there.start("computing")
    found = Taking(there, child.pid).profile()
    assert found.by is Rung.AGENT
    assert [lack.rung for lack in found.lacks] == [Rung.PY_SPY]
    assert share(found, "computing") > 0.8
    assert all("limpet" not in stack[0] for stack, _ in found.stacks)


def test_threads_that_wait_are_none_of_the_agents_samples(
    there: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyspy, "find", lambda: None)
    child = there.start("deadlock")
    assert Taking(there, child.pid, seconds=0.3).profile().stacks == ()


def test_c_code_that_holds_the_gil_is_seen_from_outside(there: Host) -> None:
    child = there.start("regular_expression")
    assert share(Taking(there, child.pid).profile(), "match") > 0.8


@pytest.mark.parametrize("from_outside", [True, False])
def test_one_that_is_ended_early_is_answered(
    here: Host, monkeypatch: pytest.MonkeyPatch, from_outside: bool
) -> None:
    if not from_outside:
        monkeypatch.setattr(pyspy, "find", lambda: None)
    child = here.start("computing")
    taking = Taking(here, child.pid, seconds=600.0)
    here.loop.until(lambda: taking.profiling.under_way)
    taking.profiling.end()
    here.loop.until(lambda: taking.found)
    here.loop.until(lambda: not here.ladder.traced)
    here.loop.until(lambda: len(here.loop.children) == 0)
    assert procfs.stat(child.pid).state in "RS"


def test_stacks_can_be_had_of_one_that_is_being_profiled(here: Host) -> None:
    child = here.start("regular_expression")
    taking = Taking(here, child.pid, seconds=600.0)
    here.loop.until(lambda: here.ladder.traced)
    found = here.look_until(child.pid, lambda found: found.rung is Rung.PY_SPY)
    assert found.stacks
    taking.profiling.end()
    here.loop.until(lambda: taking.found)


def test_what_is_no_python_cannot_be_profiled(here: Host) -> None:
    child = here.shell("echo begins; read line")
    taking = Taking(here, child.pid)
    here.loop.until(lambda: taking.found)
    (found,) = taking.found
    assert isinstance(found, LimpetError)
    assert "is no Python" in str(found)


def test_one_that_ends_meanwhile_has_a_profile_or_an_error(here: Host) -> None:
    child = here.start("computing")
    taking = Taking(here, child.pid, seconds=600.0)
    here.loop.until(lambda: here.ladder.traced)
    child.process.kill()
    here.loop.until(lambda: taking.found)
    assert not here.ladder.traced


@pytest.mark.parametrize(
    ("seconds", "rate"), [(0.0, 100.0), (601.0, 100.0), (float("nan"), 1.0), (1.0, 0.0), (1.0, 1e6)]
)
def test_times_and_rates_that_nobody_means_are_refused(seconds: float, rate: float) -> None:
    with pytest.raises(UsageError):
        check(seconds, rate)
