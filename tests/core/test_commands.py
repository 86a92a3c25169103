"""What operators may say, in every life of a process."""

import pytest

from limpet_supervisor.core import events as ev
from limpet_supervisor.model.spec import Backoff
from support.policy import CRASH, NORMAL, World, proc, sup


def unspawned(world):
    world.feed(ev.Boot())


def stopping(world):
    world.boot()
    world.feed(ev.StopCommand(("a.1",)))


def restarting(world):
    world.boot()
    world.feed(ev.RestartCommand(("a.1",)))


def sweeping(world):
    world.messy = {"a.1"}
    world.boot()
    world.end("a.1", CRASH)


def killing(world):
    world.stubborn = {"a.1"}
    world.boot().stop("a.1")
    world.next_deadline()
    world.stubborn = set()


def waiting(world):
    world.boot()
    for _ in range(3):
        world.crash("a.1")


LIVES = [unspawned, World.boot, stopping, restarting, sweeping, killing, waiting]
COMMANDS = {
    "start": (ev.StartCommand(("a.1",)), {"a.1": "running"}),
    "stop": (ev.StopCommand(("a.1",)), {"a.1": "stopped"}),
    "restart": (ev.RestartCommand(("a.1",)), {"a.1": "running"}),
    "scale up": (ev.ScaleCommand("a", 3), None),
    "remove": (ev.RemoveCommand("a"), {}),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_a_command_comes_true_in_every_life(life, command):
    world = World(sup("root", proc("a", backoff=Backoff(jitter=0.0)), max_restarts=9))
    life(world)
    event, states = COMMANDS[command]
    world.tell(event)
    world.sleep(60)
    if states is None:
        assert set(world.states()) == {"a.1", "a.2", "a.3"}
        assert world.states()["a.3"] == "running"
    else:
        assert world.states() == states


@pytest.mark.parametrize("how", [CRASH, NORMAL])
def test_start_starts_what_has_exited(how):
    world = World(sup("root", proc("a", restart="temporary"))).boot().crash("a.1", how)
    world.said()
    assert world.start("a.1").said() == "+a.1"


def test_start_of_what_runs_does_nothing():
    world = World(sup("root", proc("a"))).boot()
    world.said()
    assert world.start("a.1").said() == ""


def test_start_ends_a_backoff():
    world = World(sup("root", proc("a", backoff=Backoff(jitter=0.0)), max_restarts=9)).boot()
    world.crash("a.1").crash("a.1").crash("a.1").said()
    assert world.start("a.1").said() == "+a.1"


def test_restarts_by_command_do_not_count():
    world = World(sup("root", proc("a"), max_restarts=0)).boot()
    for _ in range(5):
        world.restart("a.1")
    assert world.ended is None
    assert world.tree.instances["a.1"].restarts == 5


def test_a_restart_waits_for_those_that_it_is_after():
    world = World(sup("root", proc("db", ready="notify"), proc("web", after=("db",)))).boot().ready("db.1")
    world.said()
    assert world.restart("db.1", "web.1").said() == "-db.1 -web.1 +db.1"
    assert world.ready("db.1").said() == "+web.1"


def test_scaling_up_leaves_the_others_alone():
    world = World(sup("root", proc("a", instances=2), proc("b"))).boot()
    world.said()
    assert world.scale("a", 4).said() == "+a.3 +a.4"
    assert list(world.states()) == ["a.1", "a.2", "a.3", "a.4", "b.1"]


def test_scaling_down_removes_the_highest_numbers():
    world = World(sup("root", proc("a", instances=3))).boot()
    world.said()
    assert world.scale("a", 1).said() == "-a.2 -a.3"
    assert list(world.states()) == ["a.1"]


def test_scaling_to_none_and_back():
    world = World(sup("root", proc("a"), proc("b"))).boot()
    world.said()
    assert world.scale("a", 0).said() == "-a.1"
    assert world.scale("a", 1).said() == "+a.1"
    assert list(world.states()) == ["a.1", "b.1"]


def test_scaling_a_process_that_is_specified_with_none():
    world = World(sup("root", proc("a", instances=0), proc("b"))).boot()
    world.said()
    assert world.scale("a", 1).said() == "+a.1"
    assert list(world.states()) == ["a.1", "b.1"]


def test_scaling_up_again_while_a_lower_number_is_gone_and_a_higher_one_still_goes():
    world = World(sup("root", proc("a", instances=3))).boot()
    world.stubborn = {"a.3"}
    world.scale("a", 1).said()
    world.scale("a", 3)
    world.stubborn = set()
    assert world.settle().said() == "+a.2 +a.3"
    assert world.states() == {"a.1": "running", "a.2": "running", "a.3": "running"}


def test_scaling_below_a_supervisor_that_is_down_starts_nothing():
    inner = sup("n", proc("a"), max_restarts=0, restart="temporary")
    world = World(sup("root", inner)).boot().crash("a.1")
    world.said()
    assert world.scale("a", 2).said() == ""
    assert world.states() == {"a.1": "failed", "a.2": "stopped"}
    assert world.start("a.2").said() == "+a.2"


def test_an_added_process_starts_last_and_stops_first():
    world = World(sup("root", proc("a"), sup("n", proc("b")))).boot()
    world.said()
    assert world.add(proc("c", instances=2)).said() == "+c.1 +c.2"
    assert world.shutdown().said() == "-c.1 -c.2 -b.1 -a.1 end shutdown"


def test_adding_what_is_there_changes_nothing():
    world = World(sup("root", proc("a"), sup("n"))).boot()
    before = world.tree
    assert world.add(proc("a")).add(proc("n")).tree == before


def test_a_removed_process_is_forgotten():
    world = World(sup("root", proc("a", instances=2), proc("b"))).boot()
    world.said()
    assert world.remove("a").said() == "-a.1 -a.2"
    assert list(world.states()) == ["b.1"]
    assert "a" not in world.tree.specs
    assert world.tree.supervisors["root"].units == ("b",)


def test_removing_a_process_without_an_instance():
    world = World(sup("root", proc("a", instances=0), proc("b"))).boot()
    assert "a" not in world.remove("a").tree.specs


def test_a_process_that_is_being_removed_cannot_be_scaled():
    world = World(sup("root", proc("a"), proc("b"))).boot()
    world.stubborn = {"a.1"}
    world.remove("a").scale("a", 3)
    world.stubborn = set()
    assert list(world.settle().states()) == ["b.1"]


def test_a_command_for_nobody_does_nothing():
    world = World(sup("root", proc("a"))).boot()
    before = world.tree
    assert world.start("x.1").stop("x.1").restart("x.1").scale("x", 2).remove("x").tree == before


def test_removing_during_a_restart_by_strategy_removes():
    world = World(sup("root", proc("a"), proc("b"), strategy="one_for_all")).boot()
    world.stubborn = {"b.1"}
    world.said()
    world.remove("b").crash("a.1")
    world.stubborn = set()
    assert world.settle().said() == "-b.1 +a.1"
    assert world.states() == {"a.1": "running"}


def test_stopping_during_a_restart_by_strategy_keeps_it_stopped():
    world = World(sup("root", proc("a"), proc("b"), strategy="one_for_all")).boot()
    world.stubborn = {"b.1"}
    world.said()
    world.crash("a.1").stop("b.1")
    world.stubborn = set()
    assert world.settle().said() == "-b.1 +a.1"
    assert world.states() == {"a.1": "running", "b.1": "stopped"}


def test_states_are_told_apart():
    world = World(
        sup("root", proc("a", restart="temporary"), proc("b", after=("c",)), proc("c", ready="notify"))
    )
    world.boot().crash("a.1")
    assert world.states() == {"a.1": "exited", "b.1": "starting", "c.1": "starting"}
    assert world.ready("c.1").stop("b.1").states() == {"a.1": "exited", "b.1": "stopped", "c.1": "running"}
