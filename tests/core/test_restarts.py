"""Whether an ended process is started again, when, and with whom."""

import pytest

from limpet_supervisor.core.backoff import delay
from limpet_supervisor.core.intensity import add_restart
from limpet_supervisor.core.tree import is_settled
from limpet_supervisor.model.spec import Backoff
from limpet_supervisor.model.status import Exit
from support.policy import CRASH, NORMAL, World, proc, sup

SEGFAULT = Exit(signal="SIGSEGV")


@pytest.mark.parametrize(
    ("restart", "how", "state"),
    [
        ("permanent", NORMAL, "running"),
        ("permanent", CRASH, "running"),
        ("transient", NORMAL, "exited"),
        ("transient", CRASH, "running"),
        ("transient", SEGFAULT, "running"),
        ("temporary", NORMAL, "exited"),
        ("temporary", CRASH, "exited"),
        ("temporary", SEGFAULT, "exited"),
    ],
)
def test_the_restart_table(restart, how, state):
    world = World(sup("root", proc("a", restart=restart))).boot()
    assert world.crash("a.1", how).states() == {"a.1": state}


def test_success_exit_codes_are_normal_ends():
    world = World(sup("root", proc("a", restart="transient", success_exit_codes=(0, 3)))).boot()
    assert world.crash("a.1", Exit(code=3)).states() == {"a.1": "exited"}


def test_a_fault_is_abnormal_however_the_process_exits():
    world = World(sup("root", proc("a", restart="transient"))).boot()
    world.fault("a.1")
    assert world.said() == "+a.1 -a.1 +a.1"


@pytest.mark.parametrize(
    ("strategy", "who", "seen"),
    [
        ("one_for_one", "b.1", "+b.1"),
        ("one_for_all", "b.1", "-c.1 -b.2 -a.1 +a.1 +b.1 +b.2 +c.1"),
        ("rest_for_one", "b.1", "-c.1 +b.1 +c.1"),
        ("rest_for_one", "a.1", "-c.1 -b.1 -b.2 +a.1 +b.1 +b.2 +c.1"),
        ("rest_for_one", "c.1", "+c.1"),
    ],
)
def test_whom_the_end_of_a_child_concerns(strategy, who, seen):
    world = World(sup("root", proc("a"), proc("b", instances=2), proc("c"), strategy=strategy)).boot()
    world.said()
    assert world.crash(who).said() == seen


def test_children_are_stopped_in_reverse_each_when_the_one_before_it_is_down():
    world = World(sup("root", proc("a"), proc("b"), proc("c"), strategy="one_for_all")).boot()
    world.stubborn = {"c.1"}
    world.said()
    assert world.crash("a.1").said() == "-c.1"
    world.stubborn = set()
    assert world.settle().said() == "-b.1 +a.1 +b.1 +c.1"


def test_a_second_end_during_a_restart_makes_one_restart_of_both():
    world = World(sup("root", proc("a"), proc("b"), proc("c"), strategy="rest_for_one")).boot()
    world.stubborn = {"c.1"}
    world.said()
    world.crash("b.1")
    world.crash("a.1")
    world.stubborn = set()
    assert world.settle().said() == "-c.1 +a.1 +b.1 +c.1"


def test_an_end_of_one_that_is_to_be_stopped_next_is_not_counted():
    children = [proc("a"), proc("b"), proc("c")]
    world = World(sup("root", *children, strategy="one_for_all", max_restarts=1)).boot()
    world.stubborn = {"c.1"}
    world.said()
    world.crash("a.1")
    world.crash("b.1")
    world.stubborn = set()
    assert world.settle().said() == "-c.1 +a.1 +b.1 +c.1"


def test_peers_that_end_during_a_restart_are_all_started_again():
    world = World(sup("root", proc("a", instances=3), proc("b"), strategy="rest_for_one")).boot()
    world.stubborn = {"b.1"}
    world.said()
    world.crash("a.1")
    world.crash("a.3")
    world.stubborn = set()
    assert world.settle().said() == "-b.1 +a.1 +a.3 +b.1"


def test_nobody_is_started_before_all_that_a_strategy_names_are_down():
    world = World(sup("root", proc("a"), proc("b"), proc("c"), strategy="one_for_all")).boot()
    world.stubborn = {"b.1"}
    world.said()
    assert world.crash("a.1").said() == "-c.1 -b.1"
    assert world.start("c.1", "a.1").said() == ""
    world.stubborn = set()
    assert world.settle().said() == "+a.1 +b.1 +c.1"


def test_rest_for_one_leaves_instances_of_the_same_process_as_they_are():
    spec = proc("a", instances=3, restart="transient")
    world = World(sup("root", spec, proc("b"), strategy="rest_for_one")).boot()
    world.crash("a.2", NORMAL)
    world.said()
    assert world.crash("a.1").said() == "-b.1 +a.1 +b.1"
    assert world.states()["a.2"] == "exited"


def test_a_strategy_does_not_start_temporary_children_again():
    world = World(sup("root", proc("a"), proc("t", restart="temporary"), strategy="one_for_all")).boot()
    world.said()
    assert world.crash("a.1").said() == "-t.1 +a.1"
    assert world.states() == {"a.1": "running", "t.1": "exited"}


def test_a_strategy_starts_transient_children_again_that_had_exited():
    world = World(sup("root", proc("a"), proc("t", restart="transient"), strategy="one_for_all")).boot()
    world.crash("t.1", NORMAL)
    world.said()
    assert world.crash("a.1").said() == "+a.1 +t.1"


def test_a_strategy_leaves_stopped_what_an_operator_stopped():
    world = World(sup("root", proc("a"), proc("b"), strategy="one_for_all")).boot()
    world.stop("b.1").said()
    assert world.crash("a.1").said() == "+a.1"
    assert world.states() == {"a.1": "running", "b.1": "stopped"}


def test_no_more_than_max_restarts_within_max_seconds():
    world = World(sup("root", proc("a"), proc("b"), max_restarts=2, max_seconds=5)).boot()
    world.crash("a.1").sleep(3).crash("b.1").sleep(3).crash("a.1")
    assert world.ended is None, "the first restart is out of the window"
    world.said()
    assert world.crash("b.1").said() == "-a.1 end escalated"
    assert world.states() == {"a.1": "stopped", "b.1": "failed"}
    assert world.kinds("escalated") == [
        "the node gives up: b.1 ended, and that is more than 2 restarts in 5s"
    ]


@pytest.mark.parametrize(
    ("restarts", "now", "exceeded"),
    [
        ((), 0.0, False),
        ((0.0,), 1.0, False),
        ((0.0, 1.0), 2.0, True),
        ((0.0, 1.0), 5.0, True),
        ((0.0, 1.0), 5.5, False),
    ],
)
def test_the_window_of_intensity(restarts, now, exceeded):
    window, found = add_restart(restarts, now, 2, 5.0)
    assert found is exceeded
    assert window[-1] == now


def test_a_failed_start_is_an_end_like_any_other():
    world = World(sup("root", proc("a"), max_restarts=2))
    world.failing["a.1"] = 99
    world.boot()
    assert world.said() == "+a.1 +a.1 +a.1 end escalated"
    assert world.deaths[0].cause == "could not be started: No such file or directory"


def test_a_shortage_of_the_systems_is_tried_again_and_does_not_count():
    world = World(sup("root", proc("a", backoff=Backoff(jitter=0.0)), max_restarts=0))
    world.failing["a.1"] = 3
    world.short = {"a.1"}
    world.boot()
    assert world.states() == {"a.1": "backoff"}
    assert world.sleep(0.69).said() == "+a.1 +a.1 +a.1"
    assert world.sleep(0.02).said() == "+a.1"
    assert world.states() == {"a.1": "running"}


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(1, 0), (2, 0), (3, 0.1), (4, 0.2), (5, 0.4), (11, 25.6), (12, 30), (10_000, 30)],
)
def test_delays_double_after_two_immediate_restarts(failures, seconds):
    assert delay(Backoff(jitter=0.0), failures, 0.5) == pytest.approx(seconds)


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 0.09), (0.5, 0.1), (1.0, 0.11)])
def test_a_delay_varies_by_its_jitter(chance, seconds):
    assert delay(Backoff(jitter=0.1), 3, chance) == pytest.approx(seconds)


def flapping(**options):
    options = {"backoff": Backoff(jitter=0.0), **options}
    return World(sup("root", proc("a", **options), max_restarts=100)).boot()


def test_a_process_that_keeps_failing_waits_before_it_is_started():
    world = flapping()
    world.crash("a.1").crash("a.1").crash("a.1")
    assert world.states() == {"a.1": "backoff"}
    world.said()
    assert world.sleep(0.09).said() == ""
    assert world.sleep(0.02).said() == "+a.1"


def test_a_run_of_failures_ends_when_the_process_has_stayed_up():
    world = flapping()
    world.crash("a.1").crash("a.1").sleep(2).said()
    assert world.crash("a.1").said() == "+a.1"


def test_a_process_that_never_became_ready_has_not_stayed_up():
    world = flapping(ready="notify")
    world.sleep(2).crash("a.1").sleep(2).crash("a.1").sleep(2).crash("a.1")
    assert world.states() == {"a.1": "backoff"}


def test_all_that_a_strategy_restarts_waits_with_the_one_that_fails():
    spec = sup(
        "root", proc("a", backoff=Backoff(jitter=0.0)), proc("b"), strategy="one_for_all", max_restarts=9
    )
    world = World(spec).boot()
    world.crash("a.1").crash("a.1").said()
    assert world.crash("a.1").said() == "-b.1"
    assert world.sleep(0.11).said() == "+a.1 +b.1"


def significant(name, restart="transient", **options):
    return proc(name, restart=restart, significant=True, **options)


@pytest.mark.parametrize(
    ("auto_shutdown", "ends", "reason"),
    [
        ("never", ["a.1", "b.1"], None),
        ("any_significant", ["a.1"], "auto_shutdown"),
        ("any_significant", ["c.1"], None),
        ("all_significant", ["a.1"], None),
        ("all_significant", ["a.1", "b.1"], "auto_shutdown"),
    ],
)
def test_a_supervisor_ends_with_its_significant_children(auto_shutdown, ends, reason):
    children = [significant("a"), significant("b", "temporary"), proc("c", restart="transient"), proc("d")]
    world = World(sup("root", *children, auto_shutdown=auto_shutdown)).boot()
    for name in ends:
        world.crash(name, NORMAL)
    assert world.ended == reason


def test_a_significant_child_that_is_restarted_has_not_ended():
    world = World(sup("root", significant("a"), auto_shutdown="any_significant")).boot()
    assert world.crash("a.1", CRASH).ended is None


def test_a_significant_child_stopped_by_an_operator_neither_ends_its_supervisor_nor_keeps_it():
    world = World(sup("root", significant("a"), significant("b"), auto_shutdown="all_significant")).boot()
    assert world.stop("a.1").ended is None
    assert world.crash("b.1", NORMAL).ended == "auto_shutdown"


def test_what_has_exited_as_it_should_is_settled_and_what_failed_is_not():
    world = World(sup("root", proc("a"), proc("t", restart="temporary"))).boot()
    assert is_settled(world.crash("t.1", NORMAL).tree)
    inner = sup("n", proc("b"), max_restarts=0, restart="temporary")
    world = World(sup("root", proc("a"), inner)).boot()
    assert not is_settled(world.crash("b.1").tree)
