"""The whole policy: `step` takes a tree and what happened, and returns the tree after it and what to do.

The restart table (OTP supervisor:do_restart/3), for a process that ended by itself or by a fault:

    permanent   always restarted
    transient   restarted after an abnormal end; after a normal one it has EXITED
    temporary   never restarted

A restart that is one too many within the supervisor's window ends the supervisor (escalation), and its own
supervisor treats that as the end of a child: OTP's `shutdown`, a normal end.

Guarantee: an instance is asked to be spawned only while nothing of it runs.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, assert_never

from msgspec.structs import replace

from limpet_supervisor.model.spec import AutoShutdown, ProcessSpec, RestartType, Strategy
from limpet_supervisor.model.status import Exit
from limpet_supervisor.model.units import format_duration

from . import effects as do
from . import events as ev
from .backoff import delay
from .intensity import add_restart
from .state import FAULTS, Cause, Instance, Life, Outcome, Phase, Reason, Supervisor, Tree

GONE: Final = Exit()
"""The exit of a process that could not be started."""


def step(tree: Tree, events: Iterable[ev.Event], now: float) -> tuple[Tree, list[do.Effect]]:
    """The tree after `events`, in order, at monotonic time `now`; and the effects to execute, in order."""
    draft = _Draft(tree, now)
    for event in events:
        if not draft.ended:
            draft.take(event)
            draft.settle()
    return draft.finished(), draft.effects


def is_success(spec: ProcessSpec, how: Exit) -> bool:
    """Whether an end counts as normal, for `transient` and `completed`."""
    return how.code is not None and how.code in spec.success_exit_codes


class _Draft:
    """A tree while one step changes it; frozen values inside, dicts copied once when first changed."""

    def __init__(self, tree: Tree, now: float) -> None:
        self.tree = tree
        self.now = now
        self.root = tree.root
        self.supervisors = dict(tree.supervisors)
        self.specs = tree.specs
        self.instances = tree.instances.copy()
        self.members = tree.members
        self.waiting = set(tree.waiting)
        self.ended = tree.ended
        self.effects: list[do.Effect] = []

    def finished(self) -> Tree:
        """The tree that the draft has become."""
        return Tree(
            root=self.root,
            supervisors=self.supervisors,
            specs=self.specs,
            instances=self.instances,
            members=self.members,
            waiting=frozenset(self.waiting),
            ended=self.ended,
        )

    # -- small changes ------------------------------------------------------------------------------------

    def put(self, instance: Instance, **changes: Any) -> Instance:
        """Replaces an instance; a change of life is timed."""
        if "life" in changes:
            changes["since"] = self.now
        changed = replace(instance, **changes)
        self.instances[instance.name] = changed
        return changed

    def set_deadline(self, instance: Instance, at: float | None) -> Instance:
        """Replaces the instance's one deadline."""
        if instance.deadline == at:
            return instance
        self.effects.append(do.SetDeadline(instance.name, at))
        return self.put(instance, deadline=at)

    def report(self, kind: str, process: str, text: str) -> None:
        """Publishes a lifecycle event."""
        self.effects.append(do.Report(kind, process, text))

    def units_of(self, unit: str) -> list[Instance]:
        """The instances of a process that is a unit."""
        return [self.instances[name] for name in self.members[unit]]

    # -- events -------------------------------------------------------------------------------------------

    def take(self, event: ev.Event) -> None:
        """Applies one event. What concerns an instance that is no more is void."""
        match event:
            case ev.Boot():
                self.waiting.update(self.instances)
            case ev.ShutdownCommand():
                self.end(self.supervisors[self.root], Reason.SHUTDOWN)
            case ev.StartCommand(names):
                self.command(names, self.command_start)
            case ev.StopCommand(names):
                self.command(names, self.command_stop)
            case ev.RestartCommand(names):
                self.command(names, self.command_restart)
            case ev.ScaleCommand(process, instances):
                self.scale(process, instances)
            case ev.AddCommand(spec):
                self.add(spec)
            case ev.RemoveCommand(process):
                self.command(self.members.get(process, ()), self.command_remove)
            case _:
                instance = self.instances.get(event.name)
                if instance is not None:
                    self.take_fact(instance, event)

    def take_fact(
        self,
        instance: Instance,
        event: ev.Spawned
        | ev.SpawnFailed
        | ev.BecameReady
        | ev.Exited
        | ev.Swept
        | ev.Fault
        | ev.Captured
        | ev.Deadline,
    ) -> None:
        """Applies one event about an instance: the table of lives x events."""
        match event:
            case ev.Spawned(pid=pid):
                self.spawned(instance, pid)
            case ev.SpawnFailed(why=why, chance=chance):
                if instance.life in (Life.STARTING, Life.TERMINATING):
                    self.spawn_failed(instance, why, chance)
            case ev.BecameReady():
                if instance.life is Life.STARTING and instance.pid is not None:
                    self.became_ready(instance)
            case ev.Exited(pid=pid):
                if instance.pid == pid:
                    self.exited(instance, event)
            case ev.Swept():
                if instance.life is Life.SWEEPING:
                    self.down(instance, 0.5)
            case ev.Fault(cause=cause, detail=detail):
                if instance.life in (Life.STARTING, Life.UP):
                    self.fault(instance, cause, detail)
            case ev.Captured():
                if instance.life is Life.CAPTURING:
                    self.captured(instance)
            case ev.Deadline():
                if instance.deadline is not None and self.now >= instance.deadline:
                    self.deadline(self.put(instance, deadline=None))
            case _:
                assert_never(event)

    def spawned(self, instance: Instance, pid: int) -> None:
        """Its process exists; if it was stopped meanwhile, it is terminated now."""
        instance = self.put(instance, pid=pid, started_at=self.now)
        if instance.life is Life.TERMINATING:
            self.terminate(instance)
            return
        ready = self.specs[instance.process].ready
        if ready.kind == "spawned":
            self.became_ready(instance)
        elif ready.kind != "completed":
            self.set_deadline(instance, self.now + ready.timeout)

    def spawn_failed(self, instance: Instance, why: str, chance: float) -> None:
        """Its process could not be made: an end like any other, as a failed start is to OTP."""
        cause = f"could not be started: {why}"
        self.effects.append(do.Died(instance.name, 0, GONE, 0.0, cause))
        self.report("start_failed", instance.name, f"{instance.name} {cause}")
        self.down(self.put(instance, exit=GONE), chance)

    def became_ready(self, instance: Instance) -> None:
        """STARTING -> UP."""
        instance = self.set_deadline(instance, None)
        instance = self.put(instance, life=Life.UP)
        self.report("ready", instance.name, f"{instance.name} is ready (pid {instance.pid})")

    def exited(self, instance: Instance, event: ev.Exited) -> None:
        """Its main process is gone, for whatever reason."""
        uptime = self.now - instance.started_at
        cause = instance.detail or (instance.cause.value if instance.cause else "ended by itself")
        self.effects.append(do.Died(instance.name, event.pid, event.exit, uptime, cause))
        text = f"{instance.name} (pid {event.pid}) {_said(event.exit)} after {format_duration(uptime)}"
        self.report("exited", instance.name, text if instance.cause is None else f"{text}: {cause}")
        backoff = self.specs[instance.process].backoff
        settled = instance.life is Life.UP and uptime >= backoff.reset
        instance = self.put(instance, pid=None, exit=event.exit, failures=0 if settled else instance.failures)
        if event.clean:
            self.down(instance, event.chance)
        else:
            instance = self.set_deadline(instance, None)
            self.put(instance, life=Life.SWEEPING)
            self.effects.append(do.Sweep(instance.name))

    def fault(self, instance: Instance, cause: Cause, detail: str) -> None:
        """It runs and must not: its black box is written, then it is terminated."""
        if cause not in FAULTS:
            self.stop(instance, cause)
            return
        instance = self.put(instance, life=Life.CAPTURING, cause=cause, detail=detail)
        self.set_deadline(instance, None)
        self.report("fault", instance.name, f"{instance.name}: {detail}")
        self.effects.append(do.Capture(instance.name, detail))

    def captured(self, instance: Instance) -> None:
        """The black box is written: on with the stop that it was written for."""
        if instance.signalled:
            self.kill(instance)
        else:
            self.terminate(instance)

    def deadline(self, instance: Instance) -> None:
        """What an instance's one deadline means in each of its lives."""
        spec = self.specs[instance.process]
        match instance.life:
            case Life.DOWN:
                self.put(instance, retry_at=None)
            case Life.STARTING:
                self.fault(instance, Cause.UNREADY, f"not ready within {format_duration(spec.ready.timeout)}")
            case Life.TERMINATING:
                passed = f"its shutdown time of {format_duration(spec.shutdown)} passed"
                detail = f"{instance.detail or (instance.cause or Cause.COMMAND).value}; {passed}"
                faulty = instance.cause in FAULTS
                instance = self.put(instance, detail=detail)
                if faulty:
                    self.kill(instance)  # its black box was written when the fault was found
                else:
                    self.put(instance, life=Life.CAPTURING)
                    self.effects.append(do.Capture(instance.name, detail))
            case Life.UP | Life.CAPTURING | Life.KILLING | Life.SWEEPING:
                pass  # no deadline is set in these lives: one that comes late means nothing

    # -- stopping -----------------------------------------------------------------------------------------

    def stop(self, instance: Instance, cause: Cause) -> None:
        """Begins to stop an instance for `cause`; one that is down already is not started again."""
        match instance.life:
            case Life.DOWN:
                instance = self.set_deadline(instance, None)
                self.put(instance, retry_at=None)
            case Life.STARTING | Life.UP:
                instance = self.put(instance, cause=cause, detail="")
                self.report("stopping", instance.name, f"stopping {instance.name}: {cause.value}")
                if instance.pid is None:
                    self.put(instance, life=Life.TERMINATING)
                else:
                    self.terminate(instance)
            case Life.CAPTURING | Life.TERMINATING | Life.KILLING | Life.SWEEPING:
                if instance.cause is not Cause.REMOVED:
                    self.put(instance, cause=cause)

    def terminate(self, instance: Instance) -> None:
        """Its stop signal, and a deadline by its shutdown; or SIGKILL at once for brutal_kill."""
        shutdown = self.specs[instance.process].shutdown
        if not shutdown:
            self.kill(instance)
            return
        instance = self.put(instance, life=Life.TERMINATING, signalled=True)
        self.set_deadline(instance, None if shutdown == float("inf") else self.now + shutdown)
        self.effects.append(do.Terminate(instance.name))

    def kill(self, instance: Instance) -> None:
        """SIGKILL."""
        instance = self.set_deadline(instance, None)
        instance = self.put(instance, life=Life.KILLING)
        self.report("killed", instance.name, f"{instance.name} (pid {instance.pid}) gets SIGKILL")
        self.effects.append(do.Kill(instance.name))

    def down(self, instance: Instance, chance: float) -> None:
        """Nothing of the instance runs any more: what now? The table of causes."""
        instance = self.set_deadline(instance, None)
        cause = instance.cause
        instance = self.put(
            instance, life=Life.DOWN, pid=None, cause=None, detail="", signalled=False, retry_at=None
        )
        match cause:
            case Cause.REMOVED:
                self.forget(instance)
            case Cause.COMMAND:
                self.report("stopped", instance.name, f"{instance.name} is stopped")
                self.when_down(instance)
            case Cause.RESTART | Cause.AGE:
                self.put(instance, failures=0)
                self.when_down(instance)
            case Cause.SUPERVISOR:
                self.put(instance, failures=0)
            case None | Cause.UNREADY | Cause.LIVENESS | Cause.MEMORY:
                self.ended_by_itself(instance, abnormal=cause is not None, chance=chance)

    def when_down(self, instance: Instance) -> None:
        """A stop by command is complete: it waits for its start, if it is wanted."""
        if self.instances[instance.name].wanted:
            self.waiting.add(instance.name)

    def forget(self, instance: Instance) -> None:
        """The instance is no more; with its last one, so is a removed process."""
        del self.instances[instance.name]
        self.waiting.discard(instance.name)
        left = tuple(name for name in self.members[instance.process] if name != instance.name)
        self.effects.append(do.Forget(instance.name))
        self.report("removed", instance.name, f"{instance.name} is removed")
        self.members = {**self.members, instance.process: left}
        if not left:
            self.members.pop(instance.process)
            self.specs = {name: spec for name, spec in self.specs.items() if name != instance.process}
            supervisor = self.supervisors[instance.supervisor]
            self.supervisors[supervisor.name] = replace(
                supervisor,
                units=tuple(unit for unit in supervisor.units if unit != instance.process),
                pending=tuple(unit for unit in supervisor.pending if unit != instance.process),
            )

    # -- restarting ---------------------------------------------------------------------------------------

    def ended_by_itself(self, instance: Instance, *, abnormal: bool, chance: float) -> None:
        """The restart table."""
        spec = self.specs[instance.process]
        how = instance.exit or GONE
        success = not abnormal and is_success(spec, how)
        instance = self.put(instance, completed=success and spec.ready.kind == "completed")
        supervisor = self.supervisors[instance.supervisor]
        if supervisor.phase is Phase.ENDING or instance.process in supervisor.pending:
            return  # it would have been stopped next
        if not instance.wanted:
            return
        restart = spec.restart is RestartType.PERMANENT or (
            spec.restart is RestartType.TRANSIENT and not success
        )
        if restart:
            instance = self.put(instance, failures=instance.failures + 1)
            wait = delay(spec.backoff, instance.failures, chance)
            self.restart_child(supervisor, instance.process, wait, instance)
            return
        self.put(instance, outcome=Outcome.EXITED)
        if spec.significant:
            self.significant_ended(supervisor)

    def restart_child(
        self, supervisor: Supervisor, unit: str, wait: float, instance: Instance | None
    ) -> None:
        """Restarts a child whose end counts, with whomever the strategy says (OTP supervisor:restart/3).

        `instance` is the one that ended, of a process with several, or None for a nested supervisor.
        """
        window, exceeded = add_restart(
            supervisor.restarts, self.now, supervisor.spec.max_restarts, supervisor.spec.max_seconds
        )
        supervisor = self.put_supervisor(supervisor, restarts=window)
        if exceeded:
            flags = supervisor.spec
            self.report(
                "escalated",
                supervisor.name,
                f"{supervisor.name} gives up: {instance.name if instance else unit} ended, and that is more"
                f" than {flags.max_restarts} restarts in {format_duration(flags.max_seconds)}",
            )
            if instance is not None:
                self.put(instance, outcome=Outcome.FAILED)
            self.end(supervisor, Reason.ESCALATED)
            return
        who = instance.name if instance else unit
        after = f" in {format_duration(wait)}" if wait else ""
        self.report("restarting", who, f"restarting {who}{after}")
        position = supervisor.units.index(unit)
        match supervisor.spec.strategy:
            case Strategy.ONE_FOR_ONE:
                scope: tuple[str, ...] = ()
            case Strategy.ONE_FOR_ALL:
                scope = supervisor.units
            case Strategy.REST_FOR_ONE:
                scope = supervisor.units[position + 1 :]
        if not scope and supervisor.phase is Phase.RUNNING:
            if instance is None:
                self.start_unit(unit)
            else:
                self.wait_until(instance, self.now + wait if wait else None)
            return
        everyone = supervisor.scope | {unit, *scope}
        # Race: a child may end while its supervisor already restarts others; the two restarts become one.
        pending = [name for name in reversed(supervisor.units) if name in {*supervisor.pending, *scope}]
        hold = max(self.now + wait, supervisor.hold_until or 0.0) if wait else supervisor.hold_until
        self.put_supervisor(
            supervisor, phase=Phase.RESTARTING, pending=tuple(pending), scope=everyone, hold_until=hold
        )
        self.advance(supervisor.name)

    def wait_until(self, instance: Instance, at: float | None) -> None:
        """It is to be started, at `at` or at once."""
        instance = self.put(instance, retry_at=at, outcome=None)
        self.set_deadline(instance, at)
        self.waiting.add(instance.name)

    def significant_ended(self, supervisor: Supervisor) -> None:
        """A significant child has ended by itself (OTP's auto_shutdown)."""
        match supervisor.spec.auto_shutdown:
            case AutoShutdown.NEVER:
                return
            case AutoShutdown.ALL_SIGNIFICANT:
                if not all(self.has_ended(unit) for unit in supervisor.units if self.is_significant(unit)):
                    return
            case AutoShutdown.ANY_SIGNIFICANT:
                pass
        self.report(
            "auto_shutdown", supervisor.name, f"{supervisor.name} ends: its significant children have"
        )
        self.end(supervisor, Reason.AUTO_SHUTDOWN)

    def is_significant(self, unit: str) -> bool:
        """Whether a child's end may end its supervisor."""
        if unit in self.specs:
            return self.specs[unit].significant
        return self.supervisors[unit].spec.significant

    def has_ended(self, unit: str) -> bool:
        """Whether a child has ended by itself for good."""
        if unit in self.specs:
            return all(instance.outcome is not None for instance in self.units_of(unit))
        return self.supervisors[unit].phase is Phase.DOWN

    # -- supervisors --------------------------------------------------------------------------------------

    def put_supervisor(self, supervisor: Supervisor, **changes: Any) -> Supervisor:
        """Replaces a supervisor."""
        changed = replace(supervisor, **changes)
        self.supervisors[supervisor.name] = changed
        return changed

    def end(self, supervisor: Supervisor, reason: Reason) -> None:
        """Terminates all children in reverse start order; then the supervisor is down."""
        if supervisor.phase in (Phase.ENDING, Phase.DOWN):
            return
        self.put_supervisor(
            supervisor,
            phase=Phase.ENDING,
            pending=tuple(reversed(supervisor.units)),
            scope=frozenset(),
            hold_until=None,
            reason=reason,
        )
        self.advance(supervisor.name)

    def advance(self, name: str) -> None:
        """Terminates the next pending unit if the one before it is down; after the last, goes on."""
        while (supervisor := self.supervisors[name]).pending:
            unit = supervisor.pending[0]
            if unit in self.specs:
                instances = self.units_of(unit)
                for instance in instances:
                    if instance.cause is not Cause.SUPERVISOR:
                        self.stop(instance, Cause.SUPERVISOR)
                    self.waiting.discard(instance.name)
                if any(self.instances[instance.name].life is not Life.DOWN for instance in instances):
                    return
            elif (nested := self.supervisors[unit]).phase is not Phase.DOWN:
                self.end(nested, Reason.SHUTDOWN)
                if self.supervisors[unit].phase is not Phase.DOWN:
                    return
            self.put_supervisor(self.supervisors[name], pending=self.supervisors[name].pending[1:])
        if supervisor.phase is Phase.ENDING:
            self.is_down(supervisor)
        elif supervisor.phase is Phase.RESTARTING:
            self.put_supervisor(supervisor, phase=Phase.RUNNING, scope=frozenset(), hold_until=None)
            hold = supervisor.hold_until
            for unit in supervisor.units:
                if unit in supervisor.scope:
                    self.start_unit(unit, hold if hold is not None and hold > self.now else None)

    def is_down(self, supervisor: Supervisor) -> None:
        """A supervisor has ended: the node with the root; else its own supervisor decides."""
        self.put_supervisor(supervisor, phase=Phase.DOWN, restarts=())
        reason = supervisor.reason or Reason.SHUTDOWN
        if supervisor.parent is None:
            self.ended = True
            self.effects.append(do.End(reason.value))
            return
        if reason is Reason.SHUTDOWN:
            return
        parent = self.supervisors[supervisor.parent]
        if parent.phase is Phase.ENDING or supervisor.name in parent.pending:
            return
        # OTP: a supervisor that gives up exits with `shutdown`, which is a normal end for `transient`.
        if supervisor.spec.restart is RestartType.PERMANENT:
            self.restart_child(parent, supervisor.name, 0.0, None)
            return
        self.lie_down(supervisor, Outcome.FAILED if reason is Reason.ESCALATED else Outcome.EXITED)
        if supervisor.spec.significant:
            self.significant_ended(parent)

    def lie_down(self, supervisor: Supervisor, outcome: Outcome) -> None:
        """What a supervisor that is not started again means for all below it."""
        for unit in supervisor.units:
            if unit in self.specs:
                for instance in self.units_of(unit):
                    self.put(instance, outcome=instance.outcome or outcome)
            else:
                self.lie_down(self.supervisors[unit], outcome)

    def start_unit(self, unit: str, at: float | None = None) -> None:
        """Starts a child that its supervisor has terminated, or that has ended: all its instances.

        What an operator has stopped stays so; a temporary child is not started again.
        """
        if unit in self.specs:
            temporary = self.specs[unit].restart is RestartType.TEMPORARY
            for instance in self.units_of(unit):
                if instance.life is not Life.DOWN:
                    continue  # rest_for_one: a sibling instance of the one that ended
                if temporary:
                    self.put(instance, outcome=Outcome.EXITED)
                elif instance.wanted:
                    self.wait_until(self.put(instance, completed=False), at)
            return
        supervisor = self.put_supervisor(
            self.supervisors[unit], phase=Phase.RUNNING, reason=None, restarts=(), scope=frozenset()
        )
        for child in supervisor.units:
            self.start_unit(child, at)

    # -- commands -----------------------------------------------------------------------------------------

    def command(self, names: Iterable[str], apply: Callable[[Instance], None]) -> None:
        """Applies a command to each instance there is."""
        for name in names:
            if (instance := self.instances.get(name)) is not None:
                apply(instance)

    def command_start(self, instance: Instance) -> None:
        """OTP's restart_child: also what has exited or failed, and its supervisor if that is down."""
        name: str | None = instance.supervisor
        while name is not None:
            supervisor = self.supervisors[name]
            if supervisor.phase is Phase.DOWN:
                self.put_supervisor(supervisor, phase=Phase.RUNNING, reason=None)
            name = supervisor.parent
        instance = self.put(instance, wanted=True)
        if instance.life is Life.DOWN:
            self.wait_until(self.put(instance, failures=0, completed=False), None)
        elif instance.cause is Cause.COMMAND:
            self.put(instance, cause=Cause.RESTART)

    def command_stop(self, instance: Instance) -> None:
        """OTP's terminate_child."""
        self.waiting.discard(instance.name)
        self.stop(self.put(instance, wanted=False, outcome=None), Cause.COMMAND)

    def command_restart(self, instance: Instance) -> None:
        """Stop and start; for one that is down, start."""
        if instance.life is Life.DOWN:
            self.command_start(instance)
        else:
            self.stop(self.put(instance, wanted=True, outcome=None), Cause.RESTART)

    def command_remove(self, instance: Instance) -> None:
        """OTP's terminate_child and delete_child."""
        if instance.life is Life.DOWN:
            self.forget(self.set_deadline(instance, None))
        else:
            self.stop(self.put(instance, wanted=False), Cause.REMOVED)

    def scale(self, process: str, instances: int) -> None:
        """Adds instances with the next numbers, or removes those with the highest."""
        members = self.members.get(process)
        if not members:
            return
        for name in members[instances:]:
            self.command_remove(self.instances[name])
        for name in members[:instances]:
            if (instance := self.instances[name]).cause is Cause.REMOVED:
                self.put(instance, cause=Cause.RESTART, wanted=True)
        first = self.instances[members[0]]
        added = self.specs[process].instance_names(instances)[len(members) :]
        for name in added:
            order = (first.order[0], int(name.rpartition(".")[2]))
            self.instances[name] = Instance(
                name=name, process=process, supervisor=first.supervisor, order=order
            )
            self.waiting.add(name)
        if added:
            self.members = {**self.members, process: members + added}
        self.report("scaled", process, f"{process} scaled from {len(members)} to {instances}")

    def add(self, spec: ProcessSpec) -> None:
        """OTP's start_child, for the root supervisor."""
        root = self.supervisors[self.root]
        position = max((instance.order[0] for instance in self.instances.values()), default=-1) + 1
        self.specs = {**self.specs, spec.name: spec}
        self.members = {**self.members, spec.name: spec.instance_names()}
        self.put_supervisor(root, units=(*root.units, spec.name))
        for number, name in enumerate(spec.instance_names(), 1):
            self.instances[name] = Instance(
                name=name, process=spec.name, supervisor=root.name, order=(position, number)
            )
            self.waiting.add(name)
        self.report("added", spec.name, f"{spec.name} is added")

    # -- settling -----------------------------------------------------------------------------------------

    def settle(self) -> None:
        """After an event: supervisors that terminate go on, and whoever may start is started, in order."""
        for name, supervisor in list(self.supervisors.items()):
            if supervisor.phase in (Phase.ENDING, Phase.RESTARTING):
                self.advance(name)
        if self.ended or not self.waiting:
            return
        for name in sorted(self.waiting, key=lambda name: self.instances[name].order):
            instance = self.instances[name]
            if instance.life is not Life.DOWN or not instance.wanted or instance.outcome is not None:
                self.waiting.discard(name)
            elif instance.retry_at is None and self.may_start(instance):
                self.waiting.discard(name)
                again = 1 if instance.started_at else 0
                self.put(instance, life=Life.STARTING, completed=False, restarts=instance.restarts + again)
                self.effects.append(do.Spawn(name))

    def may_start(self, instance: Instance) -> bool:
        """Its supervisors run and do not restart it just now, and those that it is after are ready."""
        unit, name = instance.process, instance.supervisor
        while True:
            supervisor = self.supervisors[name]
            if supervisor.phase in (Phase.ENDING, Phase.DOWN) or unit in supervisor.scope:
                return False
            if supervisor.parent is None:
                break
            unit, name = name, supervisor.parent
        return all(
            self.instances[member].ready
            for process in self.specs[instance.process].after
            for member in self.members.get(process, ())
        )


def waits_for(tree: Tree, instance: Instance) -> tuple[str, ...]:
    """The instances that `instance` waits for before it starts."""
    return tuple(
        member
        for process in tree.specs[instance.process].after
        for member in tree.members.get(process, ())
        if not tree.instances[member].ready
    )


def is_settled(tree: Tree) -> bool:
    """Whether everything that shall run is ready, or has ended as it should."""
    return not tree.ended and all(
        not instance.wanted or instance.ready or instance.outcome is Outcome.EXITED
        for instance in tree.instances.values()
    )


def _said(how: Exit) -> str:
    """An exit as the end of a sentence."""
    if how.signal is not None:
        return f"was {how}"
    return f"exited with code {how.code}" if how.code is not None else "ended"
