"""The policy against a small model of OTP's supervisor: the same starts and stops, in the same order."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from limpet_supervisor.model.status import Exit
from support.otp import Otp, supervisors
from support.policy import CRASH, NORMAL, World


class AgainstOtp(RuleBasedStateMachine):
    """Random lives of random trees; after each event both have done the same."""

    @initialize(spec=supervisors(), data=st.data())
    def boot(self, spec, data):
        self.world, self.otp = World(spec), Otp(spec)
        self.fail(data)
        self.otp.init(self.otp.root)
        self.otp.pump()
        self.world.boot()
        self.compare()

    def fail(self, data):
        """The next starts of some instances fail."""
        for name in data.draw(
            st.lists(st.sampled_from(sorted(self.world.tree.instances)), max_size=2), label="failing"
        ):
            self.world.failing[name] = self.otp.failing[name] = data.draw(st.integers(0, 2))

    def compare(self):
        assert self.world.log == self.otp.log
        assert (self.world.ended is not None) == self.otp.ended
        if not self.otp.ended:
            assert set(self.world.live) == {child.name for child in self.otp.children.values() if child.alive}

    def running(self):
        return sorted(self.world.live)

    def alive(self):
        return self.world.ended is None

    def some_runs(self):
        return self.alive() and bool(self.world.live)

    @precondition(some_runs)
    @rule(data=st.data(), how=st.sampled_from([CRASH, NORMAL, Exit(signal="SIGSEGV")]))
    def exits(self, data, how):
        name = data.draw(st.sampled_from(self.running()))
        self.otp.exit(name, normal=how is NORMAL)
        self.world.crash(name, how)
        self.compare()

    @precondition(some_runs)
    @rule(data=st.data())
    def exits_and_starts_fail(self, data):
        self.fail(data)
        self.exits(data, CRASH)

    def unready(self):
        return [
            name
            for name in self.running()
            if not self.otp.children[name].ready and self.otp.children[name].spec.ready.kind == "notify"
        ]

    @precondition(lambda self: self.alive() and bool(self.unready()))
    @rule(data=st.data())
    def becomes_ready(self, data):
        name = data.draw(st.sampled_from(self.unready()))
        self.otp.becomes_ready(name)
        self.world.ready(name)
        self.compare()

    @precondition(alive)
    @rule(seconds=st.sampled_from([0.5, 4.5, 6.0]))
    def time_passes(self, seconds):
        self.world.sleep(seconds)
        self.otp.now = self.world.now
        self.compare()

    @precondition(alive)
    @rule(data=st.data(), verb=st.sampled_from(["start", "stop", "restart"]))
    def commands(self, data, verb):
        names = data.draw(
            st.lists(st.sampled_from(sorted(self.world.tree.instances)), min_size=1, max_size=3)
        )
        getattr(self.otp, f"command_{verb}")(names)
        getattr(self.world, verb)(*names)
        self.compare()

    @precondition(lambda self: not self.alive())
    @rule(data=st.data())
    def nothing_comes_after_the_end(self, data):
        self.world.restart(data.draw(st.sampled_from(sorted(self.world.tree.instances))))
        self.compare()

    @precondition(alive)
    @rule()
    def shuts_down(self):
        self.otp.shutdown(self.otp.root, "shutdown")
        self.world.shutdown()
        self.compare()


AgainstOtp.TestCase.settings = settings(max_examples=400, stateful_step_count=25, deadline=None)
TestAgainstOtp = AgainstOtp.TestCase
