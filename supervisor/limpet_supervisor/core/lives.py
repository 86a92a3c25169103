"""What happens to an instance: the table of lives and facts."""

from typing import assert_never

from limpet_supervisor.model.status import Exit
from limpet_supervisor.model.units import format_duration

from . import effects as do
from . import events as ev
from .backoff import IMMEDIATE, delay
from .commands import forget
from .draft import Draft
from .restarts import UNKNOWN, ended_by_itself
from .state import FAULTS, Cause, Instance, Life
from .stopping import kill, shutdown_of, stop, stopped_by_supervisor, terminate


def take_fact(draft: Draft, instance: Instance, fact: ev.Fact) -> None:
    """Applies one fact. One that does not belong to the instance's life has come too late, and is void."""
    match fact:
        case ev.Spawned(pid=pid):
            if instance.life in (Life.STARTING, Life.TERMINATING) and instance.pid is None:
                _spawned(draft, instance, pid)
        case ev.SpawnFailed():
            if instance.life in (Life.STARTING, Life.TERMINATING) and instance.pid is None:
                _spawn_failed(draft, instance, fact)
        case ev.BecameReady():
            if instance.life is Life.STARTING and instance.pid is not None:
                _became_ready(draft, instance)
        case ev.Exited(pid=pid):
            if instance.pid == pid:
                _exited(draft, instance, fact)
        case ev.Swept():
            if instance.life is Life.SWEEPING:
                _down(draft, instance, fact.chance)
        case ev.Fault(cause=cause, detail=detail):
            if instance.life in (Life.STARTING, Life.UP) and instance.pid is not None:
                _fault(draft, instance, cause, detail)
        case ev.Captured(pid=pid):
            if instance.life is Life.CAPTURING and instance.pid == pid:
                _captured(draft, instance)
        case ev.Deadline():
            if instance.deadline is not None and draft.now >= instance.deadline:
                _deadline(draft, draft.put(instance, deadline=None))
        case _:
            assert_never(fact)


def _spawned(draft: Draft, instance: Instance, pid: int) -> None:
    """Its process exists; if it was stopped meanwhile, it is terminated now."""
    instance = draft.put(instance, pid=pid, started_at=draft.now)
    draft.report("started", instance.name, f"{instance.name} runs as pid {pid}")
    if instance.life is Life.TERMINATING:
        terminate(draft, instance)
        return
    ready = draft.specs[instance.process].ready
    if ready.kind == "spawned":
        _became_ready(draft, instance)
    elif ready.kind != "completed":
        draft.set_deadline(instance, draft.now + ready.timeout)


def _spawn_failed(draft: Draft, instance: Instance, event: ev.SpawnFailed) -> None:
    """Its process could not be made: an end like any other, as a failed start is to OTP.

    But a shortage of the system's says nothing about the instance: tried again, slower and slower, uncounted.
    """
    cause = f"could not be started: {event.why}"
    draft.effects.append(do.Died(instance.name, 0, UNKNOWN, 0.0, cause))
    draft.report("start_failed", instance.name, f"{instance.name} {cause}")
    if event.shortage and instance.life is Life.STARTING:
        instance = draft.put(instance, life=Life.DOWN, exit=UNKNOWN, failures=instance.failures + 1)
        backoff = draft.specs[instance.process].backoff
        draft.wait(instance, draft.now + delay(backoff, instance.failures + IMMEDIATE, event.chance))
        return
    _down(draft, draft.put(instance, exit=UNKNOWN), event.chance)


def _became_ready(draft: Draft, instance: Instance) -> None:
    """STARTING -> UP."""
    instance = draft.put(draft.set_deadline(instance, None), life=Life.UP)
    draft.report("ready", instance.name, f"{instance.name} is ready (pid {instance.pid})")


def _exited(draft: Draft, instance: Instance, event: ev.Exited) -> None:
    """Its main process is gone, for whatever reason."""
    uptime = draft.now - instance.started_at
    cause = instance.detail or (instance.cause.value if instance.cause else "ended by itself")
    draft.effects.append(do.Died(instance.name, event.pid, event.exit, uptime, cause))
    text = f"{instance.name} (pid {event.pid}) {_said(event.exit)} after {format_duration(uptime)}"
    draft.report("exited", instance.name, text if instance.cause is None else f"{text}: {cause}")
    settled = instance.life is Life.UP and uptime >= draft.specs[instance.process].backoff.reset
    failures = 0 if settled else instance.failures
    instance = draft.put(instance, pid=None, exit=event.exit, failures=failures)
    if event.clean:
        _down(draft, instance, event.chance)
    else:
        draft.put(draft.set_deadline(instance, None), life=Life.SWEEPING)
        draft.effects.append(do.Sweep(instance.name))


def _fault(draft: Draft, instance: Instance, cause: Cause, detail: str) -> None:
    """It runs and must not: its black box is written, then it is terminated."""
    if cause not in FAULTS:
        stop(draft, instance, cause)
        return
    liveness = draft.specs[instance.process].liveness if cause is Cause.LIVENESS else None
    shutdown = float("inf") if liveness is None or liveness.shutdown is None else liveness.shutdown
    instance = draft.put(instance, life=Life.CAPTURING, cause=cause, detail=detail, shutdown=shutdown)
    instance = draft.set_deadline(instance, None)
    draft.report("fault", instance.name, f"{instance.name}: {detail}")
    _capture(draft, instance)


def _capture(draft: Draft, instance: Instance) -> None:
    """Its black box, before the stop or the kill."""
    assert instance.pid is not None
    draft.effects.append(do.Capture(instance.name, instance.pid, instance.detail))


def _captured(draft: Draft, instance: Instance) -> None:
    """The black box is written: on with the stop that it was written for."""
    if instance.signalled:
        kill(draft, instance)
    else:
        terminate(draft, instance)


def _deadline(draft: Draft, instance: Instance) -> None:
    """What an instance's one deadline means in each of its lives."""
    spec = draft.specs[instance.process]
    match instance.life:
        case Life.DOWN:
            draft.put(instance, retry_at=None)
        case Life.STARTING:
            timeout = format_duration(spec.ready.timeout)
            _fault(draft, instance, Cause.UNREADY, f"not ready within {timeout}")
        case Life.TERMINATING:
            passed = f"its shutdown time of {format_duration(shutdown_of(draft, instance))} passed"
            detail = f"{instance.detail or (instance.cause or Cause.COMMAND).value}; {passed}"
            faulty = instance.cause in FAULTS
            instance = draft.put(instance, detail=detail)
            if faulty:
                kill(draft, instance)  # its black box was written when the fault was found
            else:
                _capture(draft, draft.put(instance, life=Life.CAPTURING))
        case Life.UP | Life.CAPTURING | Life.KILLING | Life.SWEEPING:
            pass  # no deadline is set in these lives: one that comes late means nothing


def _down(draft: Draft, instance: Instance, chance: float) -> None:
    """Nothing of the instance runs any more: what now? The table of causes."""
    instance = draft.set_deadline(instance, None)
    cause = instance.cause
    instance = draft.put(
        instance,
        life=Life.DOWN,
        pid=None,
        cause=None,
        detail="",
        shutdown=float("inf"),
        signalled=False,
        retry_at=None,
    )
    match cause:
        case Cause.REMOVED:
            forget(draft, instance)
        case Cause.COMMAND:
            draft.report("stopped", instance.name, f"{instance.name} is stopped")
        case Cause.RESTART | Cause.AGE:
            draft.wait(draft.put(instance, failures=0), None)
        case Cause.SUPERVISOR:
            stopped_by_supervisor(draft, instance)
        case None | Cause.UNREADY | Cause.LIVENESS | Cause.MEMORY:
            ended_by_itself(draft, instance, fault=cause is not None, chance=chance)
        case _:
            assert_never(cause)


def _said(how: Exit) -> str:
    """An exit as the end of a sentence."""
    if how.signal is not None:
        return f"was {how}"
    return f"exited with code {how.code}" if how.code is not None else "ended"
