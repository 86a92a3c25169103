"""Restarting: the restart table, the strategies, escalation, auto_shutdown.

For a process that ended by itself or by a fault (OTP supervisor:do_restart/3):

    permanent   always restarted
    transient   restarted after an abnormal end; after a normal one it has EXITED
    temporary   never restarted

A restart that is one too many within the supervisor's window ends the supervisor (escalation), and its own
supervisor treats that as the end of a child: OTP's `shutdown`, a normal end.
"""

from typing import Final

from limpet_supervisor.model.spec import AutoShutdown, ProcessSpec, RestartType, Strategy
from limpet_supervisor.model.status import Exit
from limpet_supervisor.model.units import format_duration

from . import effects as do
from .backoff import delay
from .draft import Draft
from .intensity import add_restart
from .state import Instance, Life, Outcome, Phase, Reason, Supervisor
from .stopping import end

UNKNOWN: Final = Exit()
"""The exit of a process that could not be started."""


def is_success(spec: ProcessSpec, how: Exit) -> bool:
    """Whether an end counts as normal, for `transient` and `completed`."""
    return how.code is not None and how.code in spec.success_exit_codes


def ended_by_itself(draft: Draft, instance: Instance, *, fault: bool, chance: float) -> None:
    """The restart table. `fault`: we had to end it, which is abnormal however it exited."""
    spec = draft.specs[instance.process]
    success = not fault and is_success(spec, instance.exit or UNKNOWN)
    instance = draft.put(instance, completed=success and spec.ready.kind == "completed")
    supervisor = draft.supervisors[instance.supervisor]
    if supervisor.phase is Phase.ENDING or instance.process in supervisor.pending:
        return  # it would have been stopped next
    if spec.restart is RestartType.PERMANENT or (spec.restart is RestartType.TRANSIENT and not success):
        instance = draft.put(instance, failures=instance.failures + 1)
        _restart_child(draft, supervisor, instance, delay(spec.backoff, instance.failures, chance))
        return
    draft.put(instance, outcome=Outcome.EXITED)
    if spec.significant:
        _significant_ended(draft, supervisor)


def supervisor_ended(draft: Draft, supervisor: Supervisor) -> None:
    """A supervisor's children are all down, and so is it: the node's end, or its own supervisor decides."""
    supervisor = draft.put_supervisor(supervisor, phase=Phase.DOWN, restarts=())
    reason = supervisor.reason or Reason.SHUTDOWN
    if supervisor.parent is None:
        draft.ended = True
        draft.effects.append(do.End(reason.value))
        return
    parent = draft.supervisors[supervisor.parent]
    if reason is Reason.SHUTDOWN or parent.phase is Phase.ENDING or supervisor.name in parent.pending:
        return
    # OTP: a supervisor that gives up exits with `shutdown`, which is a normal end for `transient`.
    if supervisor.spec.restart is RestartType.PERMANENT:
        _restart_child(draft, parent, supervisor, 0.0)
        return
    _lie_down(draft, supervisor, Outcome.FAILED if reason is Reason.ESCALATED else Outcome.EXITED)
    if supervisor.spec.significant:
        _significant_ended(draft, parent)


def start_again(draft: Draft, supervisor: Supervisor) -> None:
    """A supervisor has terminated whom its strategy names: it starts them again, in start order."""
    draft.put_supervisor(
        supervisor, phase=Phase.RUNNING, scope=frozenset(), held=frozenset(), hold_until=None
    )
    hold = supervisor.hold_until
    at = hold if hold is not None and hold > draft.now else None
    for unit in supervisor.units:
        if unit not in draft.specs:
            if unit in supervisor.scope or unit in supervisor.held:
                _start_supervisor(draft, unit, at)
            continue
        for instance in draft.instances_of(unit):
            if instance.name in supervisor.held:
                _start(draft, instance, at)
            elif unit in supervisor.scope:
                temporary = draft.specs[unit].restart is RestartType.TEMPORARY
                if not (temporary and instance.outcome is Outcome.EXITED):
                    _start(draft, instance, at)


def _restart_child(draft: Draft, supervisor: Supervisor, child: Instance | Supervisor, wait: float) -> None:
    """Restarts a child whose end counts, with whomever the strategy says (OTP supervisor:restart/3)."""
    flags = supervisor.spec
    window, exceeded = add_restart(supervisor.restarts, draft.now, flags.max_restarts, flags.max_seconds)
    supervisor = draft.put_supervisor(supervisor, restarts=window)
    if exceeded:
        within = f"{flags.max_restarts} restarts in {format_duration(flags.max_seconds)}"
        who = "the node" if supervisor.parent is None else supervisor.name
        text = f"{who} gives up: {child.name} ended, and that is more than {within}"
        draft.report("escalated", supervisor.name, text)
        if isinstance(child, Instance):
            draft.put(child, outcome=Outcome.FAILED)
        end(draft, supervisor, Reason.ESCALATED)
        return
    after = f" in {format_duration(wait)}" if wait else ""
    draft.report("restarting", child.name, f"restarting {child.name}{after}")
    scope = _scope(supervisor, child.process if isinstance(child, Instance) else child.name)
    if not scope and supervisor.phase is Phase.RUNNING:
        if isinstance(child, Instance):
            draft.wait(child, draft.now + wait if wait else None)
        else:
            _start_supervisor(draft, child.name, None)
        return
    # Race: a child may end while its supervisor already restarts others; the two restarts become one.
    hold = max(draft.now + wait, supervisor.hold_until or 0.0) if wait else supervisor.hold_until
    draft.put_supervisor(
        supervisor,
        phase=Phase.RESTARTING,
        pending=tuple(unit for unit in reversed(supervisor.units) if unit in {*supervisor.pending, *scope}),
        scope=supervisor.scope.union(scope),
        held=supervisor.held | {child.name},
        hold_until=hold,
    )


def _scope(supervisor: Supervisor, unit: str) -> tuple[str, ...]:
    """Whom, beside itself, the end of a child concerns; the other instances of its process are its peers."""
    match supervisor.spec.strategy:
        case Strategy.ONE_FOR_ONE:
            return ()
        case Strategy.ONE_FOR_ALL:
            return supervisor.units
        case Strategy.REST_FOR_ONE:
            return supervisor.units[supervisor.units.index(unit) + 1 :]


def _start(draft: Draft, instance: Instance, at: float | None) -> None:
    """Starts an instance that its supervisor has terminated; what an operator has stopped stays so."""
    if instance.life is Life.DOWN and instance.wanted:
        draft.wait(draft.put(instance, completed=False), at)


def _start_supervisor(draft: Draft, name: str, at: float | None) -> None:
    """Starts a nested supervisor anew: all its children, the temporary ones as well."""
    supervisor = draft.put_supervisor(draft.supervisors[name], phase=Phase.RUNNING, reason=None)
    for unit in supervisor.units:
        if unit in draft.specs:
            for instance in draft.instances_of(unit):
                _start(draft, instance, at)
        else:
            _start_supervisor(draft, unit, at)


def _significant_ended(draft: Draft, supervisor: Supervisor) -> None:
    """A significant child has ended by itself (OTP supervisor:do_auto_shutdown/2)."""
    match supervisor.spec.auto_shutdown:
        case AutoShutdown.NEVER:
            return
        case AutoShutdown.ALL_SIGNIFICANT:
            if any(_is_significant_and_active(draft, unit) for unit in supervisor.units):
                return
        case AutoShutdown.ANY_SIGNIFICANT:
            pass
    draft.report("auto_shutdown", supervisor.name, f"{supervisor.name} ends: its significant children have")
    end(draft, supervisor, Reason.AUTO_SHUTDOWN)


def _is_significant_and_active(draft: Draft, unit: str) -> bool:
    """Whether a child keeps its supervisor from all_significant: it runs, or is about to."""
    if unit in draft.specs:
        return draft.specs[unit].significant and any(
            instance.life is not Life.DOWN or (instance.wanted and instance.outcome is None)
            for instance in draft.instances_of(unit)
        )
    supervisor = draft.supervisors[unit]
    return supervisor.spec.significant and supervisor.phase is not Phase.DOWN


def _lie_down(draft: Draft, supervisor: Supervisor, outcome: Outcome) -> None:
    """What a supervisor that is not started again means for all below it."""
    for unit in supervisor.units:
        if unit in draft.specs:
            for instance in draft.instances_of(unit):
                if instance.wanted and instance.outcome in (None, Outcome.ENDED):
                    draft.put(instance, outcome=outcome)
        else:
            _lie_down(draft, draft.supervisors[unit], outcome)
