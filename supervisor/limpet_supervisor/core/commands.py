"""What operators want: start, stop, restart, scale, add, remove; each in every life of an instance."""

from collections.abc import Iterable

from msgspec.structs import replace

from limpet_supervisor.model.spec import ProcessSpec

from . import effects as do
from . import events as ev
from .draft import Draft
from .state import Cause, Instance, Life, Outcome, Phase, Place, seed
from .stopping import stop


def take_command(draft: Draft, command: ev.Command) -> None:
    """Applies one command; it skips who is no more."""
    match command:
        case ev.StartCommand(names):
            for instance in _named(draft, names):
                _start(draft, instance)
        case ev.StopCommand(names, supervisor):
            down = [draft.put(instance, wanted=False, outcome=None) for instance in _named(draft, names)]
            if _terminate_in_order(draft, supervisor):
                return
            for instance in down:
                stop(draft, instance, Cause.COMMAND)
        case ev.RestartCommand(names, supervisor):
            if _terminate_in_order(draft, supervisor):
                for instance in _named(draft, names):
                    wanted = draft.put(instance, wanted=True, outcome=None, failures=0, completed=False)
                    if instance.life is Life.DOWN:
                        draft.wait(wanted, None)  # it is its supervisor's turn that it waits for
                return
            for instance in _named(draft, names):
                if instance.life is Life.DOWN:
                    _start(draft, instance)
                else:
                    stop(draft, draft.put(instance, wanted=True, outcome=None), Cause.RESTART)
        case ev.ScaleCommand(process, instances):
            if process in draft.specs and process not in draft.removing:
                _scale(draft, process, instances)
        case ev.AddCommand(spec):
            if spec.name not in draft.specs and spec.name not in draft.supervisors:
                _add(draft, spec)
        case ev.RemoveCommand(process):
            if process in draft.specs:
                draft.removing |= {process}
                for instance in draft.instances_of(process):
                    _remove(draft, instance)
                _forget_process(draft, process)


def forget(draft: Draft, instance: Instance) -> None:
    """An instance that is down is no more; with its last one, so is a process that is removed."""
    del draft.instances[instance.name]
    draft.waiting.discard(instance.name)
    left = tuple(name for name in draft.members[instance.process] if name != instance.name)
    draft.members = {**draft.members, instance.process: left}
    draft.effects.append(do.Forget(instance.name))
    draft.report("removed", instance.name, f"{instance.name} is removed")
    _forget_process(draft, instance.process)


def _named(draft: Draft, names: tuple[str, ...]) -> list[Instance]:
    return [draft.instances[name] for name in dict.fromkeys(names) if name in draft.instances]


def _terminate_in_order(draft: Draft, name: str) -> bool:
    """OTP's terminate_child of a supervisor: its children in reverse start order, each waited for.

    Then those that are wanted are started in start order: all after a restart, none after a stop.

    Returns:
        False: there is no such supervisor, or it ends or has ended.
    """
    supervisor = draft.supervisors.get(name)
    if supervisor is None or draft.is_ending(name):
        return False
    draft.put_supervisor(
        supervisor,
        phase=Phase.RESTARTING,
        pending=tuple(reversed(supervisor.units)),
        scope=frozenset(supervisor.units),
        # Temporary children too: it is no failure that their supervisor recovers from.
        held=frozenset(member for unit in supervisor.units for member in draft.members.get(unit, ())),
        hold_until=None,
    )
    return True


def _start(draft: Draft, instance: Instance) -> None:
    """OTP's restart_child: also what has exited or failed, and its supervisors if they are down."""
    name: str | None = instance.supervisor
    while name is not None:
        supervisor = draft.supervisors[name]
        if supervisor.phase is Phase.DOWN:
            draft.put_supervisor(supervisor, phase=Phase.RUNNING, reason=None)
        name = supervisor.parent
    instance = draft.put(instance, wanted=True)
    if instance.life is Life.DOWN:
        if instance.name not in draft.waiting or instance.retry_at is not None:
            draft.wait(draft.put(instance, failures=0, completed=False), None)
    elif instance.cause is Cause.COMMAND:
        draft.put(instance, cause=Cause.RESTART)


def _remove(draft: Draft, instance: Instance) -> None:
    """OTP's terminate_child and delete_child."""
    if instance.life is Life.DOWN:
        forget(draft, draft.set_deadline(instance, None))
    else:
        stop(draft, draft.put(instance, wanted=False), Cause.REMOVED)


def _scale(draft: Draft, process: str, instances: int) -> None:
    """Adds instances with the lowest free numbers, or removes those with the highest."""
    present = {instance.order[1]: instance for instance in draft.instances_of(process)}
    active = sum(instance.cause is not Cause.REMOVED for instance in present.values())
    for number, instance in present.items():
        if number > instances:
            _remove(draft, instance)
        elif instance.cause is Cause.REMOVED:
            draft.put(instance, cause=Cause.RESTART, wanted=True)
    _grow(draft, process, [number for number in range(1, instances + 1) if number not in present])
    draft.report("scaled", process, f"{process} scaled from {active} to {instances}")


def _grow(draft: Draft, process: str, numbers: Iterable[int]) -> None:
    """More instances; they wait for a start, unless their supervisor is down."""
    place = draft.places[process]
    members = list(draft.members[process])
    for number in numbers:
        instance = seed(process, place, number)
        if draft.is_ending(place.supervisor):
            instance = replace(instance, outcome=Outcome.ENDED)
        else:
            draft.waiting.add(instance.name)
        draft.instances[instance.name] = instance
        members.append(instance.name)
    members.sort(key=lambda name: draft.instances[name].order)
    draft.members = {**draft.members, process: tuple(members)}


def _add(draft: Draft, spec: ProcessSpec) -> None:
    """OTP's start_child, for the root supervisor."""
    root = draft.supervisors[draft.root]
    position = max((place.position for place in draft.places.values()), default=-1) + 1
    draft.specs = {**draft.specs, spec.name: spec}
    draft.places = {**draft.places, spec.name: Place(root.name, position)}
    draft.members = {**draft.members, spec.name: ()}
    draft.put_supervisor(root, units=(*root.units, spec.name))
    _grow(draft, spec.name, range(1, spec.instances + 1))
    draft.report("added", spec.name, f"{spec.name} is added")


def _forget_process(draft: Draft, process: str) -> None:
    """A process that is being removed and has no instance left is no more."""
    if process not in draft.removing or draft.members[process]:
        return
    supervisor = draft.supervisors[draft.places[process].supervisor]
    draft.put_supervisor(
        supervisor,
        units=tuple(unit for unit in supervisor.units if unit != process),
        pending=tuple(unit for unit in supervisor.pending if unit != process),
        scope=supervisor.scope - {process},
    )
    draft.removing -= {process}
    draft.specs = {name: spec for name, spec in draft.specs.items() if name != process}
    draft.places = {name: place for name, place in draft.places.items() if name != process}
    draft.members = {name: members for name, members in draft.members.items() if name != process}
