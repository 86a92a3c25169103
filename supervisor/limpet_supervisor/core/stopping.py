"""Stopping: an instance by its shutdown, a supervisor's children in reverse start order, each waited for."""

from limpet_supervisor.model.spec import RestartType

from . import effects as do
from .draft import Draft
from .state import Cause, Instance, Life, Outcome, Phase, Reason, Supervisor


def stop(draft: Draft, instance: Instance, cause: Cause) -> None:
    """Begins to stop an instance for `cause`; one that is down already is not started again."""
    match instance.life:
        case Life.DOWN:
            draft.put(draft.set_deadline(instance, None), retry_at=None)
        case Life.STARTING | Life.UP:
            instance = draft.put(instance, cause=cause, detail="")
            draft.report("stopping", instance.name, f"stopping {instance.name}: {cause.value}")
            if instance.pid is None:
                draft.put(instance, life=Life.TERMINATING)  # terminated as soon as it is spawned
            else:
                terminate(draft, instance)
        case Life.CAPTURING | Life.TERMINATING | Life.KILLING | Life.SWEEPING:
            if instance.cause is not Cause.REMOVED:
                draft.put(instance, cause=cause)


def terminate(draft: Draft, instance: Instance) -> None:
    """Its stop signal, and a deadline by its shutdown; or SIGKILL at once for brutal_kill."""
    shutdown = shutdown_of(draft, instance)
    if not shutdown:
        kill(draft, instance)
        return
    instance = draft.put(instance, life=Life.TERMINATING, signalled=True)
    draft.set_deadline(instance, None if shutdown == float("inf") else draft.now + shutdown)
    draft.effects.append(do.Terminate(instance.name))


def shutdown_of(draft: Draft, instance: Instance) -> float:
    """Seconds between its stop signal and the kill."""
    return min(draft.specs[instance.process].shutdown, instance.shutdown)


def kill(draft: Draft, instance: Instance) -> None:
    """SIGKILL."""
    instance = draft.put(draft.set_deadline(instance, None), life=Life.KILLING)
    draft.report("killed", instance.name, f"{instance.name} (pid {instance.pid}) gets SIGKILL")
    draft.effects.append(do.Kill(instance.name))


def end(draft: Draft, supervisor: Supervisor, reason: Reason) -> None:
    """Begins to terminate all children of a supervisor; when they are down, so is it."""
    if supervisor.phase in (Phase.ENDING, Phase.DOWN):
        return
    draft.put_supervisor(
        supervisor,
        phase=Phase.ENDING,
        pending=tuple(reversed(supervisor.units)),
        scope=frozenset(),
        held=frozenset(),
        hold_until=None,
        reason=reason,
    )


def terminate_pending(draft: Draft, name: str) -> bool:
    """Terminates a supervisor's next pending child when the one before it is down; True: all are."""
    while (supervisor := draft.supervisors[name]).pending:
        unit = supervisor.pending[0]
        if unit in draft.specs:
            if not _terminate_process(draft, unit):
                return False
        else:
            end(draft, draft.supervisors[unit], Reason.SHUTDOWN)
            if draft.supervisors[unit].phase is not Phase.DOWN:
                return False
        draft.put_supervisor(supervisor, pending=supervisor.pending[1:])
    return True


def _terminate_process(draft: Draft, process: str) -> bool:
    """Terminates all instances of a process, which are peers; True: they are down."""
    down = True
    for name in draft.members[process]:
        if draft.instances[name].cause is not Cause.SUPERVISOR:
            stop(draft, draft.instances[name], Cause.SUPERVISOR)
        draft.waiting.discard(name)
        instance = draft.instances[name]
        if instance.life is not Life.DOWN:
            down = False
        elif instance.wanted and instance.outcome is None:
            _rest(draft, instance)
    return down


def stopped_by_supervisor(draft: Draft, instance: Instance) -> None:
    """It is down because its supervisor wanted it; a temporary child is not started again (OTP)."""
    instance = draft.put(instance, failures=0)
    if instance.wanted:
        temporary = draft.specs[instance.process].restart is RestartType.TEMPORARY
        if temporary and draft.supervisors[instance.supervisor].phase is Phase.RESTARTING:
            draft.put(instance, outcome=Outcome.EXITED)
        else:
            _rest(draft, instance)
    else:  # a command has stopped its supervisor
        draft.report("stopped", instance.name, f"{instance.name} is stopped")


def _rest(draft: Draft, instance: Instance) -> None:
    """What is down in a supervisor that ends is at rest; in one that restarts, it will be started."""
    if draft.supervisors[instance.supervisor].phase is Phase.ENDING:
        draft.put(instance, outcome=Outcome.ENDED)
