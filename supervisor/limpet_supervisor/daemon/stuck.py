"""Stacks and profiles on behalf of clients: which processes a name means, and their answers together."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from msgspec.structs import replace

from limpet_supervisor.core.state import Instance
from limpet_supervisor.errors import LimpetError, NoSuchProcess, UsageError
from limpet_supervisor.model.stacks import ProcessProfile, ProcessStacks
from limpet_supervisor.runtime import procfs
from limpet_supervisor.runtime.profiler import Profiling, check
from limpet_supervisor.runtime.stacks import Ladder
from limpet_supervisor.wire import messages as m

from .control import Answer
from .node import Node
from .observe import Observer

_PROGRESS_EVERY: Final = 1.0
_MOST: Final = 200
"""Processes that one answer is about."""
_PROFILES: Final = 4
"""Taken at the same time: each takes a part of a CPU."""


class Stuck:
    """Looks at processes that may not answer."""

    def __init__(self, node: Node, observer: Observer, ladder: Ladder) -> None:
        self._node = node
        self._observer = observer
        self._ladder = ladder
        self._profiles: dict[Profiling, None] = {}

    # -- which --------------------------------------------------------------------------------------------

    def _instances(self, name: str) -> list[Instance]:
        """The running instances that a name means.

        Raises:
            NoSuchProcess: it means none.
            LimpetError: none of them runs.
        """
        tree = self._node.tree
        found = [tree.instances[each] for each in self._observer.names(name)]
        if running := [each for each in found if each.pid is not None]:
            return running
        raise LimpetError(f"{name} does not run", todo=f"see limpet why {name}")

    def _members(self, instance: Instance) -> Iterator[tuple[str, int]]:
        """Its processes, the main one first: as they are called, and their pids."""
        assert instance.pid is not None
        yield instance.name, instance.pid
        for pid in procfs.children(instance.pid):
            yield f"{instance.name}/{pid}", pid

    def _all(self, name: str) -> list[tuple[str, str, int]]:
        """Instance, name and pid of each process that a name means.

        Raises:
            NoSuchProcess: there is none.
            LimpetError: none of them runs.
        """
        process, _slash, member = name.partition("/")
        found = [
            (instance.name, each, pid)
            for instance in self._instances(process)
            for each, pid in self._members(instance)
            if not member or str(pid) == member
        ]
        if not found:
            raise NoSuchProcess(f"There is no process {name}", todo="see limpet tree")
        return found

    def _has_agent(self, instance: str, pid: int) -> bool:
        agent = self._ladder.agent(instance, pid)
        return agent is not None and agent.is_process

    # -- stacks -------------------------------------------------------------------------------------------

    def stacks(self, request: m.Stacks, answer: Answer) -> None:
        """What they are doing, in the order of their names.

        Raises:
            LimpetError: there is none to look at.
        """
        asked = self._all(request.name)[:_MOST]
        found: dict[int, ProcessStacks] = {}

        def tell(name: str, pid: int, stacks: ProcessStacks) -> None:
            found[pid] = replace(stacks, process=name)
            if len(found) == len(asked):
                progress.cancel()
                answer.reply(m.StacksReply(processes=tuple(found[each] for _, _, each in asked)))

        def show() -> None:
            waiting = [name for _, name, pid in asked if pid not in found]
            more = f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""
            answer.item(m.ProgressItem(f"looking at {waiting[0]}{more}, which does not answer"))

        progress = self._node.reactor.call_every(_PROGRESS_EVERY, show)
        for instance, name, pid in asked:
            self._ladder.climb(instance, pid, partial(tell, name, pid), native=request.native)

    # -- profiles -----------------------------------------------------------------------------------------

    def profile(self, request: m.Profile, answer: Answer) -> None:
        """Where they spend their time, from now on.

        Raises:
            LimpetError: there is none to look at, or it is not to be done.
        """
        check(request.seconds, request.rate)
        asked = self._all(request.name)
        if not request.every:
            asked = [next((each for each in asked if self._has_agent(each[0], each[2])), asked[0])]
        if len(self._profiles) + len(asked) > _PROFILES:
            busy = f", of which {len(self._profiles)} are taken now" if self._profiles else ""
            raise UsageError(
                f"{request.name} would be {len(asked)} profiles at a time",
                f"there can be {_PROFILES}{busy}",
                "name one process: web.1, or web.1/PID",
            )
        found: dict[int, ProcessProfile | LimpetError] = {}
        profilings: list[Profiling] = []

        def tell(pid: int, profile: ProcessProfile | LimpetError) -> None:
            found[pid] = profile
            if len(found) == len(asked):
                progress.cancel()
                for each in profilings:
                    self._profiles.pop(each, None)
                self._reply(answer, [found[each] for _, _, each in asked])

        def end() -> None:
            for each in profilings:
                each.end()

        began = self._node.reactor.now()

        def show() -> None:
            passed = min(self._node.reactor.now() - began, request.seconds)
            names = ", ".join(name for _, name, _ in asked)
            answer.item(m.ProgressItem(f"profiling {names}: {passed:.0f} of {request.seconds:g}s"))

        progress = self._node.reactor.call_every(_PROGRESS_EVERY, show)
        for instance, name, pid in asked:
            profiling = Profiling(
                self._ladder,
                instance,
                name,
                pid,
                partial(tell, pid),
                seconds=request.seconds,
                rate=request.rate,
                native=request.native,
                gil=request.gil,
            )
            profilings.append(profiling)
            self._profiles[profiling] = None
        answer.until_gone(end)

    def _reply(self, answer: Answer, found: list[ProcessProfile | LimpetError]) -> None:
        """The profiles; of processes of which there is none (a shell above a server), nothing."""
        profiles = tuple(each for each in found if isinstance(each, ProcessProfile))
        failed = [each for each in found if isinstance(each, LimpetError)]
        if profiles or not failed:
            answer.reply(m.ProfileReply(profiles=profiles))
        else:
            answer.fail(failed[0])
