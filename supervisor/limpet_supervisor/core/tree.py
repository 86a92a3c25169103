"""The whole policy: `step` takes a tree and what happened, and returns the tree after it and what to do.

Guarantees: an instance is asked to be spawned only while nothing of it runs; nothing is asked to be spawned
below a supervisor that ends; children are terminated in reverse start order, each when the one before it is
down.
"""

from collections.abc import Iterable

from . import effects as do
from . import events as ev
from .commands import take_command
from .draft import Draft
from .lives import take_fact
from .restarts import start_again, supervisor_ended
from .state import Instance, Life, Outcome, Phase, Reason, Tree
from .stopping import end, terminate_pending


def step(tree: Tree, events: Iterable[ev.Event], now: float) -> tuple[Tree, list[do.Effect]]:
    """The tree after `events`, in order, at monotonic time `now`; and the effects to execute, in order."""
    draft = Draft(tree, now)
    for event in events:
        if not draft.ended:
            _take(draft, event)
            _settle(draft)
    return draft.finished(), draft.effects


def _take(draft: Draft, event: ev.Event) -> None:
    """Applies one event. What concerns an instance that is no more is void."""
    match event:
        case ev.Boot():
            draft.waiting.update(draft.instances)
        case ev.ShutdownCommand():
            end(draft, draft.supervisors[draft.root], Reason.SHUTDOWN)
        case (
            ev.StartCommand()
            | ev.StopCommand()
            | ev.RestartCommand()
            | ev.ScaleCommand()
            | ev.AddCommand()
            | ev.RemoveCommand()
        ):
            take_command(draft, event)
        case _:
            if (instance := draft.instances.get(event.name)) is not None:
                take_fact(draft, instance, event)


def _settle(draft: Draft) -> None:
    """After an event, supervisors that terminate children go on; then whoever may start is started, in order.

    The deepest supervisors first: the end of one lets the one above it go on.
    """
    busy = True
    while busy:
        before = draft.supervisors.copy()
        for name in reversed(before):
            _go_on(draft, name)
        busy = any(draft.supervisors[name] is not supervisor for name, supervisor in before.items())
    if draft.ended or not draft.waiting:
        return
    for name in sorted(draft.waiting, key=lambda name: draft.instances[name].order):
        instance = draft.instances[name]
        if instance.life is not Life.DOWN or not instance.wanted or instance.outcome is not None:
            draft.waiting.discard(name)
        elif instance.retry_at is None and _may_start(draft, instance):
            draft.waiting.discard(name)
            again = 1 if instance.started_at else 0
            draft.put(instance, life=Life.STARTING, completed=False, restarts=instance.restarts + again)
            draft.effects.append(do.Spawn(name))


def _go_on(draft: Draft, name: str) -> None:
    """A supervisor that terminates children goes on; after the last, it is down or starts them again."""
    phase = draft.supervisors[name].phase
    if phase in (Phase.ENDING, Phase.RESTARTING) and terminate_pending(draft, name):
        then = supervisor_ended if phase is Phase.ENDING else start_again
        then(draft, draft.supervisors[name])


def _may_start(draft: Draft, instance: Instance) -> bool:
    """Its supervisors run and do not restart it just now, and those that it is after are ready."""
    if draft.is_ending(instance.supervisor):
        return False
    unit, name = instance.process, instance.supervisor
    if instance.name in draft.supervisors[name].held:
        return False
    above: str | None = name
    while above is not None:
        supervisor = draft.supervisors[above]
        if unit in supervisor.scope:
            return False
        unit, above = above, supervisor.parent
    return all(
        draft.instances[member].ready
        for process in draft.specs[instance.process].after
        for member in draft.members.get(process, ())
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
