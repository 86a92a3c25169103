"""Supervisors below supervisors: they end, escalate and start again as children do."""

import pytest

from limpet_supervisor.core.state import Phase
from support.policy import NORMAL, World, proc, sup


def nested(**options):
    root = {key[5:]: options.pop(key) for key in list(options) if key.startswith("root_")}
    inner = sup("n", proc("b"), proc("c"), max_restarts=0, **options)
    world = World(sup("root", proc("a"), inner, sup("m", proc("z")), **root)).boot()
    world.said()
    return world


def test_a_supervisor_that_gives_up_is_started_again_by_its_own():
    world = nested()
    assert world.crash("b.1").said() == "-c.1 +b.1 +c.1"
    assert world.tree.supervisors["root"].restarts


@pytest.mark.parametrize("restart", ["transient", "temporary"])
def test_giving_up_is_a_normal_end_for_one_that_is_not_permanent(restart):
    world = nested(restart=restart)
    assert world.crash("b.1").said() == "-c.1"
    assert world.states() == {"a.1": "running", "b.1": "failed", "c.1": "failed", "z.1": "running"}
    assert world.tree.supervisors["n"].phase is Phase.DOWN
    assert world.shutdown().said() == "-z.1 -a.1 end shutdown"


@pytest.mark.parametrize(
    ("strategy", "seen"),
    [
        ("one_for_one", "-c.1 +b.1 +c.1"),
        ("one_for_all", "-c.1 -z.1 -a.1 +a.1 +b.1 +c.1 +z.1"),
        ("rest_for_one", "-c.1 -z.1 +b.1 +c.1 +z.1"),
    ],
)
def test_the_end_of_a_supervisor_concerns_its_siblings_by_the_strategy(strategy, seen):
    assert nested(root_strategy=strategy).crash("b.1").said() == seen


def test_escalation_goes_up_until_someone_has_restarts_left():
    deep = sup("n", sup("m", proc("a"), max_restarts=0), max_restarts=1)
    world = World(sup("root", deep, max_restarts=0)).boot()
    world.said()
    assert world.crash("a.1").said() == "+a.1"
    assert world.crash("a.1").said() == "end escalated"


def test_a_supervisor_started_again_has_a_new_window():
    inner = sup("n", proc("a"), max_restarts=1)
    world = World(sup("root", inner)).boot()
    for _ in range(4):
        world.crash("a.1")
    assert len(world.tree.supervisors["root"].restarts) == 2
    assert len(world.tree.supervisors["n"].restarts) == 0


def test_a_supervisor_started_again_starts_its_temporary_children():
    inner = sup("n", proc("a"), proc("t", restart="temporary"), max_restarts=0)
    world = World(sup("root", inner)).boot()
    world.said()
    assert world.crash("a.1").said() == "-t.1 +a.1 +t.1"


def test_a_significant_supervisor_ends_its_own():
    inner = sup("n", proc("a"), max_restarts=0, restart="transient", significant=True)
    world = World(sup("root", proc("b"), inner, auto_shutdown="any_significant")).boot()
    world.said()
    assert world.crash("a.1").said() == "-b.1 end auto_shutdown"


def test_a_nested_auto_shutdown_is_a_normal_end():
    worker = proc("a", restart="transient", significant=True)
    inner = sup("n", worker, auto_shutdown="any_significant", restart="transient")
    world = World(sup("root", proc("b"), inner)).boot()
    assert world.crash("a.1", NORMAL).states() == {"b.1": "running", "a.1": "exited"}


def test_a_command_lifts_a_supervisor_that_is_down():
    world = nested(restart="temporary").crash("b.1")
    world.said()
    assert world.start("b.1").said() == "+b.1"
    assert world.states()["c.1"] == "failed"
    assert world.tree.supervisors["n"].phase is Phase.RUNNING
    assert world.shutdown().said() == "-z.1 -b.1 -a.1 end shutdown"


def test_a_restart_above_takes_those_below_with_it():
    inner = sup("n", sup("m", proc("c"), proc("d")))
    world = World(sup("root", proc("a"), inner, strategy="one_for_all")).boot()
    world.said()
    assert world.crash("a.1").said() == "-d.1 -c.1 +a.1 +c.1 +d.1"


def test_what_ends_below_a_supervisor_that_is_restarted_from_above_starts_once():
    inner = sup("n", proc("c"), proc("d"))
    world = World(sup("root", proc("a"), inner, strategy="one_for_all")).boot()
    world.stubborn = {"d.1"}
    world.said()
    world.crash("a.1")
    world.crash("c.1")
    world.stubborn = set()
    assert world.settle().said() == "-d.1 +a.1 +c.1 +d.1"
