"""How processes are stopped: order, signals, deadlines, black boxes, what is left behind."""

import pytest

from limpet_supervisor.core import events as ev
from limpet_supervisor.core.state import Cause
from limpet_supervisor.model.spec import Liveness
from limpet_supervisor.model.units import Shutdown
from support.policy import CRASH, World, proc, sup


def one(**options):
    return World(sup("root", proc("a", **options))).boot()


def test_a_node_stops_in_reverse_order_each_waited_for():
    world = World(sup("root", proc("a"), proc("b", instances=2), sup("n", proc("c"), proc("d")))).boot()
    world.stubborn = {"d.1", "b.1"}
    world.said()
    assert world.shutdown().said() == "-d.1"
    world.stubborn = {"b.1"}
    assert world.settle().said() == "-c.1 -b.1 -b.2", "instances of one process are stopped together"
    world.stubborn = set()
    assert world.settle().said() == "-a.1 end shutdown"
    assert set(world.states().values()) == {"stopped"}


def of_two_levels():
    inner = sup("n", proc("c"), proc("d", restart="temporary"))
    world = World(sup("root", proc("a"), proc("b", instances=2, restart="temporary"), inner)).boot()
    world.said()
    return world


@pytest.mark.parametrize(
    ("name", "order", "left"),
    [
        ("root", ["-d.1", "-c.1", "-b.1 -b.2", "-a.1"], set()),
        ("n", ["-d.1", "-c.1"], {"a.1", "b.1", "b.2"}),
    ],
)
def test_a_supervisor_is_stopped_in_reverse_order_and_started_in_order(name, order, left):
    """OTP's terminate_child of a supervisor; the node, and who is beside it, go on."""
    world = of_two_levels()
    world.stubborn = set(world.live)
    world.stop_supervisor(name)
    for step in order:
        assert world.said() == step, "each is waited for"
        world.stubborn -= {each.lstrip("-") for each in step.split()}
        world.settle()
    assert world.said() == ""
    assert set(world.live) == left
    stopped = set(world.below(name))
    assert all(world.states()[each] == "stopped" for each in stopped)
    told = [text.removesuffix(" is stopped") for text in world.kinds("stopped")]
    assert told == [each.lstrip("-") for step in order for each in step.split()]
    assert world.sleep(10).said() == ""
    world.start(*world.below(name))
    assert world.said() == " ".join(f"+{each}" for each in world.below(name))
    assert set(world.states().values()) == {"running"}


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("root", "-d.1 -c.1 -b.1 -b.2 -a.1 +a.1 +b.1 +b.2 +c.1 +d.1"),
        ("n", "-d.1 -c.1 +c.1 +d.1"),
    ],
)
def test_a_supervisor_is_restarted_in_order_with_whom_it_had_stopped(name, order):
    assert of_two_levels().restart_supervisor(name).said() == order
    world = of_two_levels()
    world.stop("c.1").said()
    assert "+c.1" in world.restart_supervisor(name).said()
    assert set(world.states().values()) == {"running"}


def test_of_a_supervisor_that_is_being_stopped_one_may_be_started_and_it_may_crash():
    world = of_two_levels()
    world.stubborn = {"d.1"}
    world.stop_supervisor("n")
    world.crash("c.1")
    world.start("c.1")
    assert world.said() == "-d.1", "not before the others are down"
    world.stubborn = set()
    assert world.settle().said() == "+c.1"
    assert world.states()["d.1"] == "stopped"


def test_a_node_that_ends_while_a_supervisor_is_restarted_ends():
    world = of_two_levels()
    world.stubborn = {"d.1"}
    world.restart_supervisor("n").shutdown()
    world.stubborn = set()
    assert world.settle().said() == "-d.1 -c.1 -b.1 -b.2 -a.1 end shutdown"


def test_one_that_ignores_its_stop_signal_is_killed_after_its_shutdown_and_its_black_box():
    world = one(shutdown=5)
    world.stubborn = {"a.1"}
    world.stop("a.1").sleep(4.9)
    assert world.said() == "+a.1 -a.1"
    world.next_deadline()
    assert world.capturing == [("a.1", 101)]
    assert world.said() == ""
    assert world.settle().said() == "!a.1"
    assert world.deaths[0].cause == "stopped by a command; its shutdown time of 5s passed"


def test_brutal_kill_kills_at_once():
    assert one(shutdown="brutal_kill").stop("a.1").said() == "+a.1 !a.1"


def test_infinity_waits_for_ever():
    world = one(shutdown="infinity")
    world.stubborn = {"a.1"}
    assert world.stop("a.1").sleep(1e9).said() == "+a.1 -a.1"
    assert world.states() == {"a.1": "stopping"}


def test_a_process_stopped_before_it_exists_is_terminated_as_soon_as_it_does():
    world = World(sup("root", proc("a")))
    world.feed(ev.Boot())
    world.feed(ev.StopCommand(("a.1",)))
    assert world.said() == "+a.1"
    assert world.settle().said() == "-a.1"
    assert world.states() == {"a.1": "stopped"}


def test_a_process_stopped_before_its_start_fails_is_stopped():
    world = World(sup("root", proc("a")))
    world.failing["a.1"] = 1
    world.feed(ev.Boot())
    world.feed(ev.StopCommand(("a.1",)))
    assert world.settle().said() == "+a.1"
    assert world.states() == {"a.1": "stopped"}


def test_what_a_process_leaves_behind_is_swept_before_it_is_started_again():
    world = one()
    world.messy = {"a.1"}
    world.end("a.1")
    assert world.said() == "+a.1 ~a.1"
    assert world.states() == {"a.1": "stopping"}
    assert world.settle().said() == "+a.1"


def test_a_stop_waits_for_what_the_process_left_behind():
    world = World(sup("root", proc("a"), proc("b"))).boot()
    world.messy = {"b.1"}
    world.said()
    world.feed(ev.ShutdownCommand())
    world.end("b.1")
    assert world.said() == "-b.1 ~b.1"
    assert world.settle().said() == "-a.1 end shutdown"


@pytest.mark.parametrize("cause", [Cause.LIVENESS, Cause.MEMORY])
def test_a_fault_is_boxed_then_terminated_then_restarted(cause):
    world = one(shutdown=5)
    world.stubborn = {"a.1"}
    world.said()
    world.feed(ev.Fault("a.1", cause, "because"))
    assert world.capturing
    assert world.said() == ""
    assert world.settle().said() == "-a.1"
    assert world.sleep(6).said() == "!a.1 +a.1", "one black box is enough"
    assert world.deaths[0].cause == "because; its shutdown time of 5s passed"


@pytest.mark.parametrize(
    ("own", "after_liveness", "waits", "said"),
    [(10, "1s", 1, "1s"), (10, None, 10, "10s"), (1, "10s", 1, "1s"), ("infinity", "2s", 2, "2s")],
)
def test_after_a_liveness_failure_its_shorter_shutdown_counts(own, after_liveness, waits, said):
    shutdown = after_liveness and Shutdown.parse(after_liveness)
    world = one(shutdown=own, liveness=Liveness(kind="loop", target="5s", shutdown=shutdown))
    world.stubborn = {"a.1"}
    world.said()
    world.feed(ev.Fault("a.1", Cause.LIVENESS, "blocked"))
    assert world.capturing == [("a.1", 101)]
    world.feed(ev.Captured("a.1", 101))
    world.capturing.clear()
    assert world.said() == "-a.1", "after the black box"
    world.sleep(waits - 0.1)
    assert world.said() == ""
    world.next_deadline()
    assert world.settle().said() == "!a.1 +a.1"
    assert world.deaths[0].cause == f"blocked; its shutdown time of {said} passed"


def test_brutal_kill_after_a_liveness_failure_is_no_shutdown_of_a_command():
    liveness = Liveness(kind="loop", target="5s", shutdown=Shutdown.parse("brutal_kill"))
    world = one(shutdown=10, liveness=liveness)
    world.said()
    assert world.fault("a.1").said() == "!a.1 +a.1"
    assert world.stop("a.1").said() == "-a.1"


def test_faults_count_as_restarts():
    world = World(sup("root", proc("a"), max_restarts=1)).boot()
    assert world.fault("a.1").fault("a.1").ended == "escalated"


def test_max_age_restarts_without_a_black_box_and_does_not_count():
    world = World(sup("root", proc("a"), max_restarts=0)).boot()
    world.said()
    assert world.fault("a.1", Cause.AGE).said() == "-a.1 +a.1"
    assert world.ended is None


def test_a_process_that_dies_while_its_black_box_is_written_is_restarted_at_once():
    world = one()
    world.said()
    world.feed(ev.Fault("a.1", Cause.LIVENESS, "because"))
    world.end("a.1")
    assert world.said() == "+a.1"
    late = world.capturing[0]
    world.answer("a.1")
    world.feed(ev.Fault("a.1", Cause.LIVENESS, "again"))
    world.captured(*late)
    assert world.said() == "", "the black box of the one before is not this one's"
    assert world.settle().said() == "-a.1 +a.1"


def test_the_end_of_a_process_that_is_stopped_is_no_crash():
    world = World(sup("root", proc("a"), max_restarts=0)).boot()
    world.feed(ev.StopCommand(("a.1",)))
    world.told.clear()
    assert world.crash("a.1", CRASH).states() == {"a.1": "stopped"}


def test_what_crashes_while_its_supervisor_ends_is_left_alone():
    world = World(sup("root", proc("a"), proc("b"), max_restarts=0)).boot()
    world.stubborn = {"b.1"}
    world.shutdown().said()
    world.crash("a.1")
    assert world.said() == ""
    world.stubborn = set()
    assert world.settle().said() == "end shutdown"
    assert not world.kinds("escalated")


def test_nothing_is_due_after_the_end():
    world = one().shutdown()
    world.said()
    assert world.start("a.1").add(proc("b")).said() == ""
