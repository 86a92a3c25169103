"""The policy without a system: `World` plays the operating system to `core.tree.step`, and checks it.

Its log is what a person would have seen: `+a.1` a start, `-a.1` a stop signal, `!a.1` a SIGKILL, `~a.1` the
sweeping of what it left behind, `end REASON`.
"""

from limpet_supervisor.core import effects as do
from limpet_supervisor.core import events as ev
from limpet_supervisor.core.state import Cause, Instance, Life, Phase, Tree, plant
from limpet_supervisor.core.tree import step
from limpet_supervisor.model.spec import (
    AutoShutdown,
    Backoff,
    NodeSpec,
    ProcessSpec,
    Ready,
    RestartType,
    Strategy,
    SupervisorSpec,
)
from limpet_supervisor.model.status import Exit
from limpet_supervisor.model.units import Duration, Shutdown

NO_DELAY = Backoff(base=Duration(0), jitter=0.0)
CRASH = Exit(code=1)
NORMAL = Exit(code=0)


def proc(name, **options):
    """A process; `ready`, `shutdown` and `backoff` in short forms."""
    if isinstance(options.get("ready"), str):
        options["ready"] = Ready(kind=options["ready"])
    if "shutdown" in options:
        options["shutdown"] = Shutdown.parse(options["shutdown"])
    if "restart" in options:
        options["restart"] = RestartType(options["restart"])
    options.setdefault("backoff", NO_DELAY)
    return ProcessSpec(name=name, command=("true",), **options)


def sup(name, *children, **options):
    """A supervisor of processes and supervisors; `strategy` and the like in short forms."""
    for key, kind in {"strategy": Strategy, "restart": RestartType, "auto_shutdown": AutoShutdown}.items():
        if key in options:
            options[key] = kind(options[key])
    return SupervisorSpec(
        name=name,
        processes=tuple(each for each in children if isinstance(each, ProcessSpec)),
        supervisors=tuple(each for each in children if isinstance(each, SupervisorSpec)),
        max_seconds=Duration(options.pop("max_seconds", 5)),
        **options,
    )


class World:
    """A tree under `step`, and the system below it."""

    def __init__(self, root: SupervisorSpec) -> None:
        self.tree: Tree = plant(NodeSpec(name="node", version="1.0.0", root=root))
        self.now = 1000.0
        self.log: list[str] = []
        self.reports: list[do.Report] = []
        self.deaths: list[do.Died] = []
        self.ended: str | None = None
        self.asked: list[str] = []
        """Spawns that are not answered yet."""
        self.live: dict[str, int] = {}
        """Processes that run."""
        self.told: list[str] = []
        """Living processes that have had their stop signal or SIGKILL."""
        self.killed: set[str] = set()
        self.capturing: list[tuple[str, int]] = []
        self.sweeping: list[str] = []
        self.deadlines: dict[str, float] = {}
        self.failing: dict[str, int] = {}
        """How many more spawns of an instance fail."""
        self.short: set[str] = set()
        """Instances whose starts fail for want of something of the system's."""
        self.stubborn: set[str] = set()
        """Instances that ignore their stop signal."""
        self.messy: set[str] = set()
        """Instances whose end leaves something behind."""
        self._pids = 100

    # -- one step -----------------------------------------------------------------------------------------

    def feed(self, *events: ev.Event) -> None:
        """One step; checks that it is pure, and that its effects may be executed."""
        before = _contents(self.tree)
        tree, effects = step(self.tree, events, self.now)
        again = step(self.tree, events, self.now)
        assert (tree, effects) == again, "the same input gave another output"
        assert _contents(self.tree) == before, "the input was changed"
        self.tree = tree
        for effect in effects:
            self._execute(effect)
        self._check()

    def _execute(self, effect: do.Effect) -> None:
        assert self.ended is None, f"{effect} after the end"
        match effect:
            case do.Spawn(name):
                assert name not in self.live, f"{name} is run twice"
                assert name not in self.asked, f"{name} is asked for twice"
                assert name not in self.sweeping, f"{name} is started while something of it is left"
                self._check_may_start(self.tree.instances[name])
                self.asked.append(name)
                self.log.append(f"+{name}")
            case do.Terminate(name):
                assert name in self.live, f"{name} does not run, and is to be stopped"
                assert name not in self.told, f"{name} has had its stop signal"
                self.told.append(name)
                self.log.append(f"-{name}")
            case do.Kill(name):
                assert name in self.live, f"{name} does not run, and is to be killed"
                if name not in self.told:
                    self.told.append(name)
                self.killed.add(name)
                self.log.append(f"!{name}")
            case do.Capture(name, pid):
                assert self.live[name] == pid
                self.capturing.append((name, pid))
            case do.Sweep(name):
                self.sweeping.append(name)
                self.log.append(f"~{name}")
            case do.SetDeadline(name, at):
                self.deadlines.pop(name, None)
                if at is not None:
                    assert at >= self.now
                    self.deadlines[name] = at
            case do.Forget(name):
                assert name not in self.live
                assert name not in self.tree.instances
                self.deadlines.pop(name, None)
            case do.Report():
                self.reports.append(effect)
            case do.Died():
                self.deaths.append(effect)
            case do.End(reason):
                assert not self.live, "the node ends, and processes run"
                assert not self.asked
                assert not self.sweeping
                self.ended = reason
                self.log.append(f"end {reason}")

    def _check_may_start(self, instance: Instance) -> None:
        name: str | None = instance.supervisor
        while name is not None:
            supervisor = self.tree.supervisors[name]
            assert supervisor.phase not in (Phase.ENDING, Phase.DOWN), (
                f"{instance.name} starts in a {name} that ends"
            )
            name = supervisor.parent

    def _check(self) -> None:
        tree = self.tree
        running = {name: each.pid for name, each in tree.instances.items() if each.pid is not None}
        assert running == self.live, "the policy and the system do not agree on what runs"
        waiting = {name: each.deadline for name, each in tree.instances.items() if each.deadline is not None}
        assert waiting == self.deadlines
        assert {name for members in tree.members.values() for name in members} == set(tree.instances)
        for each in tree.instances.values():
            startable = (
                each.life is Life.DOWN and each.wanted and each.outcome is None and each.retry_at is None
            )
            phase = tree.supervisors[each.supervisor].phase
            if startable and phase is Phase.RUNNING and self.ended is None:
                assert each.name in tree.waiting, f"{each.name} is down, wanted, and forgotten"

    # -- the system ---------------------------------------------------------------------------------------

    def boot(self) -> "World":
        """The node comes up."""
        self.feed(ev.Boot())
        return self.settle()

    def answer(self, name: str) -> None:
        """The spawn asked for has worked, or not."""
        self.asked.remove(name)
        if self.failing.get(name, 0) > 0:
            self.failing[name] -= 1
            self.feed(ev.SpawnFailed(name, "No such file or directory", shortage=name in self.short))
            return
        self._pids += 1
        self.live[name] = self._pids
        self.feed(ev.Spawned(name, self._pids))

    def end(self, name: str, how: Exit = CRASH) -> None:
        """The main process ends, by itself or not."""
        pid = self.live.pop(name)
        if name in self.told:
            self.told.remove(name)
            how = Exit(signal="SIGKILL" if name in self.killed else "SIGTERM")
        self.killed.discard(name)
        self.feed(ev.Exited(name, pid, how, clean=name not in self.messy))

    def captured(self, name: str, pid: int) -> None:
        """The black box is written, though its process may have ended meanwhile."""
        self.capturing.remove((name, pid))
        self.feed(ev.Captured(name, pid))

    def swept(self, name: str) -> None:
        """Nothing is left."""
        self.sweeping.remove(name)
        self.feed(ev.Swept(name))

    def dying(self) -> list[str]:
        """Those that will end because they were told to, in the order of their telling."""
        return [name for name in self.told if name not in self.stubborn or name in self.killed]

    def settle(self) -> "World":
        """Lets the system do what it will do without time passing: stops first, then starts."""
        for _ in range(10_000):
            if dying := self.dying():
                self.end(dying[0])
            elif self.sweeping:
                self.swept(self.sweeping[0])
            elif self.capturing:
                self.captured(*self.capturing[0])
            elif stopped := [
                each for each in self.asked if self.tree.instances[each].life is Life.TERMINATING
            ]:
                self.answer(stopped[0])
            elif self.asked:
                self.answer(self.asked[0])
            else:
                return self
        raise AssertionError("it never settles")

    # -- what tests say -----------------------------------------------------------------------------------

    def crash(self, name: str, how: Exit = CRASH) -> "World":
        """It ends by itself."""
        self.end(name, how)
        return self.settle()

    def ready(self, *names: str) -> "World":
        """Their readiness checks pass."""
        for name in names:
            self.feed(ev.BecameReady(name))
            self.settle()
        return self

    def fault(self, name: str, cause: Cause = Cause.LIVENESS) -> "World":
        """It runs and must not."""
        self.feed(ev.Fault(name, cause, cause.value))
        return self.settle()

    def tell(self, *events: ev.Event) -> "World":
        """Commands."""
        self.feed(*events)
        return self.settle()

    def stop(self, *names: str) -> "World":
        return self.tell(ev.StopCommand(names))

    def start(self, *names: str) -> "World":
        return self.tell(ev.StartCommand(names))

    def restart(self, *names: str) -> "World":
        return self.tell(ev.RestartCommand(names))

    def below(self, supervisor: str) -> tuple[str, ...]:
        """All instances of a supervisor, and of those below it."""
        found: list[str] = []
        for unit in self.tree.supervisors[supervisor].units:
            found += self.tree.members.get(unit, ()) or (
                self.below(unit) if unit in self.tree.supervisors else ()
            )
        return tuple(found)

    def stop_supervisor(self, name: str) -> "World":
        return self.tell(ev.StopCommand(self.below(name), name))

    def restart_supervisor(self, name: str) -> "World":
        return self.tell(ev.RestartCommand(self.below(name), name))

    def scale(self, process: str, instances: int) -> "World":
        return self.tell(ev.ScaleCommand(process, instances))

    def remove(self, process: str) -> "World":
        return self.tell(ev.RemoveCommand(process))

    def add(self, spec: ProcessSpec) -> "World":
        return self.tell(ev.AddCommand(spec))

    def shutdown(self) -> "World":
        return self.tell(ev.ShutdownCommand())

    def next_deadline(self) -> None:
        """Time passes until the next deadline."""
        name = min(self.deadlines, key=lambda each: (self.deadlines[each], each))
        self.now = max(self.now, self.deadlines.pop(name))
        self.feed(ev.Deadline(name))

    def sleep(self, seconds: float) -> "World":
        """Time passes; deadlines are met when they come."""
        until = self.now + seconds
        while self.deadlines and min(self.deadlines.values()) <= until:
            self.next_deadline()
            self.settle()
        self.now = until
        return self

    def said(self) -> str:
        """The log since the last look, in one line."""
        line = " ".join(self.log)
        self.log.clear()
        return line

    def states(self) -> dict[str, str]:
        """The state of each instance, as people see it."""
        return {each.name: each.state.value for each in self.tree.in_order()}

    def kinds(self, kind: str) -> list[str]:
        """The texts of the reports of a kind."""
        return [report.text for report in self.reports if report.kind == kind]


def _contents(tree: Tree) -> list[object]:
    """What is in a tree's containers; what they hold is frozen."""
    parts = (getattr(tree, name) for name in tree.__struct_fields__)
    return [part.copy() if isinstance(part, dict) else part for part in parts]
