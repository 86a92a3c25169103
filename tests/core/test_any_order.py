"""The policy under events in any order: what `World` checks always holds, and nothing waits for ever."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from limpet_supervisor.core import events as ev
from limpet_supervisor.core.state import Cause, Life, Phase
from limpet_supervisor.core.tree import is_settled, waits_for
from limpet_supervisor.model.spec import Backoff
from support.otp import supervisors
from support.policy import CRASH, NORMAL, World, proc

BACKOFFS = [Backoff(), Backoff(base=0)]
SHUTDOWNS = [10, "brutal_kill", "infinity"]
SHORT = 3.0
"""Readiness times out within the machine's time."""


class AnyOrder(RuleBasedStateMachine):
    """Answers of the system, faults, deadlines and commands, each whenever it may come."""

    @initialize(spec=supervisors(backoffs=BACKOFFS, shutdowns=SHUTDOWNS, timeout=SHORT), data=st.data())
    def boot(self, spec, data):
        self.world = World(spec)
        names = sorted(self.world.tree.instances)
        self.world.stubborn = data.draw(st.sets(st.sampled_from(names)))
        self.world.short = data.draw(st.sets(st.sampled_from(names)))
        self.world.messy = data.draw(st.sets(st.sampled_from(names)))
        self.world.feed(ev.Boot())
        self.shut_down = False

    def one(self, data, names, label):
        return data.draw(st.sampled_from(sorted(names)), label=label)

    def any_instance(self):
        return self.world.ended is None and bool(self.world.tree.instances)

    @precondition(lambda self: self.world.asked)
    @rule(data=st.data(), fails=st.integers(0, 4))
    def answers(self, data, fails):
        name = self.one(data, self.world.asked, "spawned")
        self.world.failing[name] = fails == 0
        self.world.answer(name)

    @precondition(lambda self: self.world.live)
    @rule(data=st.data(), how=st.sampled_from([CRASH, NORMAL]))
    def ends(self, data, how):
        self.world.end(self.one(data, self.world.live, "ends"), how)

    @precondition(lambda self: self.world.dying())
    @rule(data=st.data())
    def obeys(self, data):
        self.world.end(self.one(data, self.world.dying(), "obeys"))

    @precondition(lambda self: self.world.live)
    @rule(data=st.data())
    def becomes_ready(self, data):
        self.world.feed(ev.BecameReady(self.one(data, self.world.live, "ready")))

    @precondition(lambda self: self.world.live)
    @rule(data=st.data(), cause=st.sampled_from([Cause.LIVENESS, Cause.MEMORY, Cause.AGE]))
    def is_faulty(self, data, cause):
        self.world.feed(ev.Fault(self.one(data, self.world.live, "faulty"), cause, cause.value))

    @precondition(lambda self: self.world.capturing)
    @rule(data=st.data())
    def captured(self, data):
        self.world.captured(*self.one(data, self.world.capturing, "captured"))

    @precondition(lambda self: self.world.sweeping)
    @rule(data=st.data())
    def swept(self, data):
        self.world.swept(self.one(data, self.world.sweeping, "swept"))

    @precondition(lambda self: self.world.deadlines)
    @rule()
    def the_next_deadline_comes(self):
        self.world.next_deadline()

    @precondition(any_instance)
    @rule(seconds=st.sampled_from([0.3, 2.0]))
    def time_passes(self, seconds):
        """No further than to the next deadline: the loop is never that late."""
        self.world.now = min([self.world.now + seconds, *self.world.deadlines.values()])

    @precondition(lambda self: self.world.tree.instances or self.world.ended)
    @rule(data=st.data(), command=st.sampled_from([ev.StartCommand, ev.StopCommand, ev.RestartCommand]))
    def is_commanded(self, data, command):
        known = sorted(self.world.tree.instances) or ["gone.1"]
        names = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=3))
        self.world.feed(command(tuple(names)))

    @precondition(lambda self: self.world.ended is None)
    @rule(data=st.data(), command=st.sampled_from([ev.StopCommand, ev.RestartCommand]))
    def a_supervisor_is_commanded(self, data, command):
        name = self.one(data, sorted(self.world.tree.supervisors), "commanded")
        self.world.feed(command(self.world.below(name), name))

    @precondition(lambda self: self.world.ended is None and self.world.tree.specs)
    @rule(data=st.data(), instances=st.integers(0, 3))
    def is_scaled(self, data, instances):
        self.world.feed(ev.ScaleCommand(self.one(data, self.world.tree.specs, "scaled"), instances))

    @precondition(lambda self: self.world.ended is None and self.world.tree.specs)
    @rule(data=st.data())
    def is_removed(self, data):
        self.world.feed(ev.RemoveCommand(self.one(data, self.world.tree.specs, "removed")))

    @precondition(lambda self: self.world.ended is None)
    @rule(name=st.sampled_from(["x", "y", "a"]), instances=st.integers(0, 2))
    def is_added(self, name, instances):
        self.world.feed(ev.AddCommand(proc(name, instances=instances)))

    @precondition(lambda self: self.world.ended is None)
    @rule(data=st.data())
    def is_shut_down(self, data):
        if data.draw(st.integers(0, 9)) == 0:
            self.world.feed(ev.ShutdownCommand())
            self.shut_down = True

    @invariant()
    def the_end_is_told_once(self):
        world = getattr(self, "world", None)
        if world is not None:
            assert (world.ended is not None) == world.tree.ended

    def teardown(self):
        if not hasattr(self, "world"):
            return
        world = self.world
        world.stubborn.clear()
        world.failing.clear()
        for _ in range(200):
            world.settle()
            if unready := [name for name in world.deadlines if name in world.live]:
                world.feed(ev.BecameReady(unready[0]))
            elif world.deadlines:
                world.next_deadline()
            else:
                break
        self.nothing_waits_for_ever()
        if world.ended is None:
            assert not self.shut_down, "it was told to end and did not"
            world.shutdown()
            assert world.ended == "shutdown"

    def nothing_waits_for_ever(self):
        tree = self.world.tree
        if self.world.ended is not None:
            return
        for supervisor in tree.supervisors.values():
            assert supervisor.phase in (Phase.RUNNING, Phase.DOWN)
            assert not supervisor.pending
        for each in tree.instances.values():
            completes = tree.specs[each.process].ready.kind == "completed"
            assert each.life in (Life.DOWN, Life.UP) or (each.life is Life.STARTING and completes)
            if each.life is Life.DOWN and each.wanted and each.outcome is None:
                assert waits_for(tree, each), f"{each.name} could start and does not"
        if all(each.wanted and each.life is Life.UP for each in tree.instances.values()):
            assert is_settled(tree)


AnyOrder.TestCase.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
TestAnyOrder = AnyOrder.TestCase
