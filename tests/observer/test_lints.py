"""Lints about the running system: each rule says what it saw, and is silent without it."""

from typing import Any

import pytest

from limpet_supervisor.daemon.lints import Facts, Sample, lints
from limpet_supervisor.model.figures import Figures, Finding, Limit
from limpet_supervisor.model.status import Death, Exit, State
from support.told import process

NOW = 1_700_000_000.0
MB = 1 << 20


def facts(status: dict[str, Any] | None = None, figures: dict[str, Any] | None = None, **more: Any) -> Facts:
    """What is known of a process that is well, but for these."""
    return Facts(process("web.1", **(status or {})), Figures("web.1", **(figures or {})), **more)


def found(*known: Facts, limits: tuple[Limit, ...] = ()) -> dict[str, Finding]:
    """The findings, by rule."""
    return {each.rule: each for each in lints(known, limits, NOW)}


def death(ago: float, *, cause: str = "ended by itself", **how: Any) -> Death:
    return Death(at=NOW - ago, pid=42, exit=Exit(**(how or {"code": 1})), uptime=3.0, cause=cause)


def grown(by: float, *, count: int = 20, every: float = 10.0, of: str = "memory") -> tuple[Sample, ...]:
    """Samples of a process that grows by so much from each to the next."""
    start = 100 * MB
    return tuple(
        Sample(
            k * every, 42, start + int(k * by) if of == "memory" else start, int(k * by) if of == "fds" else 9
        )
        for k in range(count)
    )


def test_a_node_that_is_well_has_no_findings() -> None:
    calm = facts(
        figures={"fds": 10, "fds_limit": 1024, "processes": 1, "memory": MB, "kernel_state": "S"},
        deaths=(death(3600),),
        samples=grown(0),
        lag=0.01,
    )
    assert found(calm, limits=(Limit("memory", 50, 100),)) == {}


@pytest.mark.parametrize(
    ("known", "rule", "severity", "text"),
    [
        (facts(deaths=[death(k) for k in range(5)]), "restart_storm", "critical", "5 times in the last 60s"),
        (facts({"state": State.FAILED, "reason": "exit code 3"}), "failed", "critical", "exit code 3"),
        (facts({"state": State.STARTING, "uptime": 90.0}), "not_ready", "warning", "1m 30s ago"),
        (facts(figures={"kernel_state": "T"}), "halted", "critical", "stopped by a signal"),
        (facts(figures={"zombies": 3}), "zombies", "warning", "3 of its children"),
        (facts(blocked=(72.0, "its event loop is blocked in f")), "blocked", "critical", "for 1m 12s: its"),
        (facts(lag=0.8, blocked=(0.0, "")), "late_loop", "warning", "late by 0.8s"),
        (facts(figures={"problem": "No space left"}), "writer_blocked", "critical", "it waits with"),
        (
            facts(figures={"problem": "No space left"}, waits_on_full=False),
            "writer_blocked",
            "critical",
            "its lines are dropped",
        ),
        (facts(figures={"lost": 1200}), "lines_lost", "info", "1,200 lines"),
        (facts({"agent": "none", "agent_reason": "sh is no Python"}), "no_agent", "info", "sh is no Python"),
        (facts(figures={"fds": 900, "fds_limit": 1000, "processes": 1}), "near_limit", "warning", "90 %"),
        (facts(figures={"memory": 99 * MB}, max_memory=100 * MB), "near_limit", "critical", "99 %"),
        (facts(samples=grown(2 * MB)), "memory_leak", "warning", "grown by"),
        (facts(samples=grown(3, of="fds")), "fd_leak", "warning", "grown by"),
    ],
)  # fmt: skip
def test_each_rule_says_what_it_saw(known: Facts, rule: str, severity: str, text: str) -> None:
    findings = found(known)
    assert findings.keys() == {rule}
    assert findings[rule].severity == severity
    assert findings[rule].process == "web.1"
    assert text in findings[rule].text


def test_who_is_killed_at_every_stop_is_told_of_and_where_to_look() -> None:
    last = Death(
        NOW - 1,
        42,
        Exit(signal="SIGKILL"),
        9.0,
        "restarted by a command; its shutdown time of 1s passed",
        "/box",
    )
    before = death(100, cause="stopped by a command; its shutdown time of 1s passed", signal="SIGKILL")
    assert found(facts(deaths=(last, before)))["always_killed"].todo == "what it was doing is in /box"
    assert found(facts(deaths=(last,))) == {}
    by_itself = death(200, cause="stopped by a command", code=0)
    assert found(facts(deaths=(last, before, by_itself))) == {}
    assert found(facts(deaths=(last, before), shutdown=0.0)) == {}


def test_stops_by_command_are_no_storm() -> None:
    assert found(facts(deaths=[death(k, cause="restarted by a command") for k in range(9)])) == {}


def test_growth_that_has_stopped_or_goes_up_and_down_is_no_leak() -> None:
    once = (
        *(Sample(k * 10.0, 42, 100 * MB, 9) for k in range(10)),
        *(Sample(k * 10.0, 42, 200 * MB, 9) for k in range(10, 20)),
    )
    saw = tuple(Sample(k * 10.0, 42, (100 + 40 * (k % 2) + k) * MB, 9) for k in range(20))
    assert found(facts(samples=once)) == {}
    assert found(facts(samples=saw)) == {}


def test_growth_over_a_short_time_means_nothing() -> None:
    assert found(facts(samples=grown(2 * MB, every=1.0))) == {}


def test_when_a_limit_will_be_reached_is_told() -> None:
    known = facts(samples=grown(2 * MB), max_memory=300 * MB)
    assert "max_memory is reached in" in found(known)["memory_leak"].text
    known = facts(figures={"fds_limit": 100, "processes": 1, "fds": 57}, samples=grown(3, of="fds"))
    assert "its limit of 100 is reached in" in found(known)["fd_leak"].text


def test_the_worst_comes_first_and_the_hosts_limits_belong_to_no_process() -> None:
    findings = lints(
        [facts({"agent": "none", "agent_reason": "x"}), facts(blocked=(3.0, "stuck"))],
        (Limit("disk", 90, 100),),
        NOW,
    )
    assert [(each.severity, each.process) for each in findings] == [
        ("critical", "web.1"),
        ("warning", ""),
        ("info", "web.1"),
    ]
