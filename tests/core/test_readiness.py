"""Starting in order: `after`, and what counts as ready."""

import pytest

from limpet_supervisor.core import events as ev
from limpet_supervisor.core.tree import is_settled, waits_for
from limpet_supervisor.model.spec import Ready
from limpet_supervisor.model.units import Duration
from support.policy import NORMAL, World, proc, sup


def test_spawned_is_ready_when_the_process_exists():
    world = World(sup("root", proc("a")))
    world.feed(ev.Boot())
    assert world.states() == {"a.1": "starting"}
    assert world.settle().states() == {"a.1": "running"}


@pytest.mark.parametrize("kind", ["notify", "tcp", "http", "log", "exec"])
def test_a_process_starts_when_all_instances_of_those_it_is_after_are_ready(kind):
    world = World(sup("root", proc("web", after=("db",)), proc("db", instances=2, ready=kind))).boot()
    assert world.said() == "+db.1 +db.2"
    assert waits_for(world.tree, world.tree.instances["web.1"]) == ("db.1", "db.2")
    assert world.ready("db.1").said() == ""
    assert not is_settled(world.tree)
    assert world.ready("db.2").said() == "+web.1"
    assert is_settled(world.tree)


def test_completed_is_ready_when_it_has_ended_with_success():
    migrate = proc("migrate", ready="completed", restart="transient")
    world = World(sup("root", migrate, proc("web", after=("migrate",)))).boot()
    assert world.said() == "+migrate.1"
    assert world.crash("migrate.1").said() == "+migrate.1", "a failure is none"
    assert world.crash("migrate.1", NORMAL).said() == "+web.1"
    assert world.states() == {"migrate.1": "exited", "web.1": "running"}
    assert is_settled(world.tree)


def test_completed_has_no_deadline():
    world = World(sup("root", proc("a", ready="completed", restart="transient"))).boot()
    assert not world.deadlines


def test_not_ready_in_time_is_a_fault_and_a_restart():
    ready = Ready(kind="notify", timeout=Duration(2))
    world = World(sup("root", proc("a", ready=ready), max_restarts=1)).boot()
    assert world.sleep(2.1).said() == "+a.1 -a.1 +a.1"
    assert world.deaths[0].cause == "not ready within 2s"
    assert world.sleep(2.1).ended == "escalated"


def test_readiness_in_time_ends_its_deadline():
    world = World(sup("root", proc("a", ready=Ready(kind="notify", timeout=Duration(2))))).boot()
    assert world.ready("a.1").sleep(10).said() == "+a.1"


def test_readiness_said_twice_is_said_once():
    world = World(sup("root", proc("a", ready="notify"))).boot().ready("a.1").ready("a.1")
    assert len(world.kinds("ready")) == 1


def test_who_runs_already_is_not_touched_when_one_it_was_after_ends():
    world = World(sup("root", proc("db"), proc("web", after=("db",)))).boot()
    world.said()
    assert world.crash("db.1").said() == "+db.1"


def test_after_works_across_supervisors():
    world = World(sup("root", proc("web", after=("db",)), sup("n", proc("db", ready="notify")))).boot()
    assert world.said() == "+db.1"
    assert world.ready("db.1").said() == "+web.1"


def test_a_strategy_starts_again_in_the_order_of_after():
    spec = sup("root", proc("web", after=("db",)), proc("db", ready="notify"), strategy="one_for_all")
    world = World(spec).boot().ready("db.1")
    world.said()
    assert world.crash("web.1").said() == "-db.1 +db.1"
    assert world.ready("db.1").said() == "+web.1"
