"""A small model of OTP's supervisor, written from supervisor(3) and not from our code; and random trees."""

from dataclasses import dataclass, field

from hypothesis import strategies as st

from limpet_supervisor.model.spec import (
    AutoShutdown,
    ProcessSpec,
    Ready,
    RestartType,
    Strategy,
    SupervisorSpec,
)
from limpet_supervisor.model.units import Duration
from support.policy import NO_DELAY, proc, sup


@dataclass
class Child:
    """A child process: what OTP keeps in #child{}, and whether an operator wants it."""

    name: str
    spec: ProcessSpec
    above: "Above"
    alive: bool = False
    ready: bool = False
    completed: bool = False
    due: bool = False
    """It is to be started as soon as those it is after are ready."""
    over: bool = False
    """It has ended and is not restarted."""
    wanted: bool = True


@dataclass
class Above:
    """A supervisor: OTP's #state{}."""

    spec: SupervisorSpec
    parent: "Above | None"
    units: "list[list[Child] | Above]" = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)
    alive: bool = False


class Otp:
    """OTP's supervisor, blocking as it is: a restart is one act.

    The differences that Limpet documents are its own too:

    a child is started when those it is `after` are ready; the instances of one process are peers; what an
    operator stopped stays stopped; a start that fails is an end that comes later, not a loop.
    """

    def __init__(self, spec: SupervisorSpec) -> None:
        self.log: list[str] = []
        self.now = 1000.0
        self.children: dict[str, Child] = {}
        self.failing: dict[str, int] = {}
        self.asked: list[Child] = []
        self.ended = False
        self.root = self.plant(spec, None)

    def plant(self, spec, parent):
        above = Above(spec, parent)
        for process in spec.processes:
            above.units.append([self.child(process, above, k + 1) for k in range(process.instances)])
        above.units += [self.plant(nested, above) for nested in spec.supervisors]
        return above

    def child(self, spec, above, number):
        child = Child(f"{spec.name}.{number}", spec, above)
        self.children[child.name] = child
        return child

    # -- starting --

    def init(self, above):
        """supervisor:init/1: starts all children."""
        above.alive, above.restarts = True, []
        for unit in above.units:
            self.start_unit(unit)

    def start_unit(self, unit):
        if isinstance(unit, Above):
            self.init(unit)
            return
        for child in unit:
            self.start(child)

    def start(self, child):
        if child.wanted and not child.alive:
            child.due, child.over, child.completed = True, False, False

    def order(self, above):
        for unit in above.units:
            if isinstance(unit, Above):
                yield from self.order(unit)
            else:
                yield from unit

    def may_start(self, child):
        above = child.above
        while above is not None:
            if not above.alive:
                return False
            above = above.parent
        return all(
            other.ready or other.completed
            for other in self.children.values()
            if other.spec.name in child.spec.after
        )

    def pump(self):
        """Starts whoever is due and may start; hears, one after the other, how that went; and so on."""
        self.start_due()
        while self.asked:
            child = self.asked.pop(0)
            if self.fails(child):
                child.alive = False
                self.do_restart(child, normal=False)
            else:
                child.ready = child.spec.ready.kind == "spawned"
            self.start_due()

    def start_due(self):
        for child in list(self.order(self.root)):
            if child.due and self.may_start(child):
                child.due, child.alive = False, True
                self.log.append(f"+{child.name}")
                self.asked.append(child)

    def fails(self, child):
        if self.failing.get(child.name, 0) > 0:
            self.failing[child.name] -= 1
            return True
        return False

    # -- stopping --

    def terminate(self, unit):
        """supervisor:terminate_children/2 for one child: a supervisor's own children in reverse."""
        if isinstance(unit, Above):
            if unit.alive:
                for below in reversed(unit.units):
                    self.terminate(below)
                unit.alive = False
            return
        late = [child for child in unit if child in self.asked]
        for child in [*(child for child in unit if child not in late), *late]:
            self.stop(child)

    def stop(self, child):
        child.due = False
        if child.alive:
            if child not in self.asked or not self.fails(child):
                self.log.append(f"-{child.name}")
            if child in self.asked:
                self.asked.remove(child)
            child.alive = child.ready = False
            child.over = child.over or child.spec.restart is RestartType.TEMPORARY

    # -- the restart policy --

    def do_restart(self, child, *, normal):
        kind = child.spec.restart
        if kind is RestartType.PERMANENT or (kind is RestartType.TRANSIENT and not normal):
            self.restart(child.above, [other for other in self.children.values() if other is child], child)
            return
        child.over = True
        child.completed = normal and child.spec.ready.kind == "completed"
        if child.spec.significant:
            self.auto_shutdown(child.above)

    def restart(self, above, who, child):
        """supervisor:restart/2; `who` is started again with those whom the strategy names."""
        above.restarts = [at for at in above.restarts if at >= self.now - above.spec.max_seconds] + [self.now]
        if len(above.restarts) > above.spec.max_restarts:
            self.shutdown(above, "escalated")
            return
        index = next(
            i
            for i, unit in enumerate(above.units)
            if unit is child or (isinstance(unit, list) and child in unit)
        )
        match above.spec.strategy:
            case Strategy.ONE_FOR_ONE:
                concerned = []
            case Strategy.ONE_FOR_ALL:
                concerned = above.units
            case Strategy.REST_FOR_ONE:
                concerned = above.units[index + 1 :]
        for unit in reversed(concerned):
            self.terminate(unit)
        for unit in [*who, *concerned]:
            if isinstance(unit, Child):
                self.start(unit)
            elif isinstance(unit, Above):
                self.init(unit)
            else:
                for each in unit:
                    if not (each.spec.restart is RestartType.TEMPORARY and each.over):
                        self.start(each)

    def auto_shutdown(self, above):
        kind = above.spec.auto_shutdown
        active = any(
            (unit.alive and unit.spec.significant)
            if isinstance(unit, Above)
            else any(each.spec.significant and (each.alive or each.due) for each in unit)
            for unit in above.units
        )
        if kind is AutoShutdown.ANY_SIGNIFICANT or (kind is AutoShutdown.ALL_SIGNIFICANT and not active):
            self.shutdown(above, "auto_shutdown")

    def shutdown(self, above, reason):
        """The supervisor terminates its children and exits; its own supervisor sees a `shutdown`."""
        if not above.alive:
            return
        self.terminate(above)
        parent = above.parent
        if parent is None:
            self.ended = True
            self.log.append(f"end {reason}")
        elif above.spec.restart is RestartType.PERMANENT:
            self.restart(parent, [above], above)
        else:
            for child in self.order(above):
                child.over = True
            if above.spec.significant:
                self.auto_shutdown(parent)

    # -- what happens --

    def exit(self, name, *, normal):
        child = self.children[name]
        child.alive = child.ready = False
        self.do_restart(child, normal=normal)
        self.pump()

    def becomes_ready(self, name):
        self.children[name].ready = True
        self.pump()

    def named(self, names):
        return [self.children[name] for name in dict.fromkeys(names)]

    def command_stop(self, names):
        for child in self.named(names):
            child.wanted = child.over = False
            self.stop(child)

    def command_start(self, names):
        for child in self.named(names):
            self.lift(child)
        self.pump()

    def lift(self, child):
        above = child.above
        while above is not None:
            if not above.alive:
                above.alive, above.restarts = True, []
            above = above.parent
        child.wanted = True
        self.start(child)

    def command_restart(self, names):
        children = self.named(names)
        for child in children:
            if not child.alive:
                self.lift(child)
        running = [child for child in children if child.alive]
        for child in running:
            child.wanted, child.ready = True, False
            self.log.append(f"-{child.name}")
        self.start_due()
        for child in running:
            child.alive = False
            self.start(child)
            self.start_due()
        self.pump()


KINDS = st.sampled_from(RestartType)


@st.composite
def processes(draw, names, present, options):
    """Some processes; each may be after those present and earlier ones."""
    made = []
    for name in names:
        restart = draw(KINDS)
        ready = draw(st.sampled_from(["spawned", "spawned", "notify", "completed"]))
        if ready == "completed" and restart is RestartType.PERMANENT:
            ready = "spawned"
        others = [*present, *(each.name for each in made)]
        after = draw(st.sets(st.sampled_from(others), max_size=2)) if others else ()
        made.append(
            proc(
                name,
                instances=draw(st.integers(1, 2)),
                restart=restart,
                ready=Ready(kind=ready, timeout=Duration(options["timeout"])),
                shutdown=draw(st.sampled_from(options["shutdowns"])),
                backoff=draw(st.sampled_from(options["backoffs"])),
                after=tuple(sorted(after)),
                significant=restart is not RestartType.PERMANENT and draw(st.booleans()),
            )
        )
    return made


@st.composite
def supervisors(draw, *, backoffs=(NO_DELAY,), shutdowns=(10,), timeout=1e9):
    """A root with processes, and up to two supervisors below it, one perhaps below the other."""
    options = {"backoffs": backoffs, "shutdowns": shutdowns, "timeout": timeout}

    def some(names, present):
        return draw(processes(names[: draw(st.integers(1, len(names)))], present, options))

    outer = some(["a", "b"], [])
    names = [each.name for each in outer]
    second = flags(draw, "m", some(["e", "f"], names))
    inner = some(["c", "d"], names)
    match draw(st.sampled_from(["flat", "one", "two", "deep"])):
        case "flat":
            below = []
        case "one":
            below = [flags(draw, "n", inner)]
        case "two":
            below = [flags(draw, "n", inner), second]
        case _:
            below = [flags(draw, "n", [*inner, second])]
    return flags(draw, "root", [*outer, *below])


def flags(draw, name, children):
    restart = draw(KINDS)
    return sup(
        name,
        *children,
        strategy=draw(st.sampled_from(Strategy)),
        max_restarts=draw(st.integers(0, 4)),
        auto_shutdown=draw(st.sampled_from(AutoShutdown)),
        restart=restart,
        significant=restart is not RestartType.PERMANENT and draw(st.booleans()),
    )
