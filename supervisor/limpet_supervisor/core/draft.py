"""A tree while one step changes it: frozen values inside, containers of its own."""

from typing import Any

from msgspec.structs import replace

from . import effects as do
from .state import Instance, Phase, Supervisor, Tree


class Draft:
    """What a step makes of a tree, and the effects that it asks for on the way."""

    def __init__(self, tree: Tree, now: float) -> None:
        self.now = now
        self.root = tree.root
        self.supervisors = tree.supervisors.copy()
        self.specs = tree.specs
        self.places = tree.places
        self.instances = tree.instances.copy()
        self.members = tree.members
        self.removing = tree.removing
        self.waiting = set(tree.waiting)
        self.ended = tree.ended
        self.effects: list[do.Effect] = []

    def finished(self) -> Tree:
        """The tree that the draft has become."""
        return Tree(
            root=self.root,
            supervisors=self.supervisors,
            specs=self.specs,
            places=self.places,
            instances=self.instances,
            members=self.members,
            removing=self.removing,
            waiting=frozenset(self.waiting),
            ended=self.ended,
        )

    def put(self, instance: Instance, **changes: Any) -> Instance:
        """Replaces an instance; a change of life is timed."""
        if "life" in changes:
            changes["since"] = self.now
        changed = replace(instance, **changes)
        self.instances[instance.name] = changed
        return changed

    def put_supervisor(self, supervisor: Supervisor, **changes: Any) -> Supervisor:
        """Replaces a supervisor."""
        changed = replace(supervisor, **changes)
        self.supervisors[supervisor.name] = changed
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

    def instances_of(self, process: str) -> list[Instance]:
        """The instances of a process, in order."""
        return [self.instances[name] for name in self.members[process]]

    def wait(self, instance: Instance, at: float | None) -> None:
        """It is to be started, at `at` or as soon as it may."""
        instance = self.put(instance, retry_at=at, outcome=None)
        self.set_deadline(instance, at)
        self.waiting.add(instance.name)

    def is_ending(self, name: str) -> bool:
        """Whether a supervisor, or one above it, ends or has ended: nothing is started below it."""
        above: str | None = name
        while above is not None:
            supervisor = self.supervisors[above]
            if supervisor.phase in (Phase.ENDING, Phase.DOWN):
                return True
            above = supervisor.parent
        return False
