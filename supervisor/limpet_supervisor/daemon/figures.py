"""What the processes use, sampled for those who look: at most once a second, and never unasked.

/proc is read beside the loop. A few samples of each process are kept, so that a look now and one an hour ago
tell whether something grows.
"""

import resource
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, NamedTuple

from msgspec.structs import replace

from limpet_supervisor.core.state import Instance
from limpet_supervisor.errors import LimpetError, NoSuchProcess
from limpet_supervisor.model.figures import Figures
from limpet_supervisor.runtime import procfs
from limpet_supervisor.runtime.aside import Aside

from .lints import Sample
from .node import Node

_FRESH: Final = 0.9
"""Seconds for which a sample is good enough."""
_KEPT: Final = 240
"""Samples kept of each process."""
_APART: Final = 5.0
"""Seconds between two that are kept."""


class Taken(NamedTuple):
    """A sample of all processes."""

    at: float
    """The loop's time."""
    figures: tuple[Figures, ...]
    """In start order."""
    cost: float
    """Seconds that it took."""


class Sampler:
    """Samples the processes of a node."""

    def __init__(self, node: Node, aside: Aside) -> None:
        self.history: dict[str, deque[Sample]] = {}
        """Of each instance that runs: samples of its present process, oldest first."""
        self._node = node
        self._aside = aside
        self._last = Taken(float("-inf"), (), 0.0)
        self._waiting: list[tuple[Callable[[Taken], None], Callable[[LimpetError], None]]] = []

    def take(self, then: Callable[[Taken], None], failed: Callable[[LimpetError], None]) -> None:
        """Calls `then` with a sample that is at most a second old, now or soon; or `failed`, soon."""
        now = self._node.reactor.now()
        if now - self._last.at < _FRESH:
            then(self._last)
            return
        if self._waiting:
            self._waiting.append((then, failed))
            return
        instances = self._node.tree.in_order()
        pids = [(each.name, each.pid) for each in instances if each.pid is not None]
        self._waiting.append((then, failed))

        def measured(found: dict[str, Figures]) -> None:
            after = self._node.reactor.now()
            here = self._node.tree.instances
            try:
                figures = tuple(self._figures(each.name, found) for each in instances if each.name in here)
                self._keep(after, figures, instances)
            except Exception as error:
                # Else all who come later wait with those who wait now, for ever.
                not_measured(LimpetError("It could not be measured", f"{type(error).__name__}: {error}"))
                raise
            last = self._last = Taken(after, figures, after - now)
            waiting, self._waiting = self._waiting, []
            self._node.reactor.call_each(partial(tell, last) for tell, _ in waiting)

        def not_measured(error: LimpetError) -> None:
            waiting, self._waiting = self._waiting, []
            self._node.reactor.call_each(partial(tell, error) for _, tell in waiting)

        self._aside.do(lambda: measure(pids), measured, not_measured)

    def _figures(self, name: str, found: dict[str, Figures]) -> Figures:
        try:
            written, lost, problem = self._node.output.counters(name)
        except NoSuchProcess:  # never started
            written, lost, problem = 0, 0, ""
        measured = found.get(name) or Figures(name)
        return replace(measured, written=written, lost=lost, problem=problem)

    def _keep(self, now: float, figures: Iterable[Figures], instances: Iterable[Instance]) -> None:
        pids = {each.name: each.pid for each in instances}
        for each in figures:
            pid = pids[each.name]
            kept = self.history.get(each.name)
            if pid is None or (kept and kept[-1].pid != pid):
                self.history.pop(each.name, None)
                kept = None
            if pid is None or each.memory is None or each.fds is None:
                continue
            if kept is None:
                kept = self.history[each.name] = deque(maxlen=_KEPT)
            if not kept or now - kept[-1].at >= _APART:
                kept.append(Sample(now, pid, each.memory, each.fds))
        for name in self.history.keys() - pids.keys():
            del self.history[name]


def measure(pids: Iterable[tuple[str, int]]) -> dict[str, Figures]:
    """What these instances use, by name; those that are gone are left out."""
    found = {}
    for name, pid in pids:
        main = procfs.stat(pid)
        if main is None:
            continue
        below = (procfs.stat(child) for child in procfs.children(pid))
        family = [main, *(each for each in below if each is not None)]
        living = [each for each in family if each.state not in "ZX"]
        counted = [count for each in living if (count := procfs.descriptors(each.pid)) is not None]
        found[name] = Figures(
            name,
            kernel_state=main.state,
            cpu_time=sum(each.ticks for each in family) / procfs.TICKS_PER_SECOND,
            memory=sum(each.rss for each in living),
            threads=sum(each.threads for each in living),
            fds=sum(counted) if counted else None,
            fds_limit=_fds_limit(pid),
            processes=len(living),
            zombies=len(family) - len(living),
        )
    return found


def _fds_limit(pid: int) -> int | None:
    try:
        soft, _hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    except (OSError, ValueError):
        return None
    return soft if soft != resource.RLIM_INFINITY else None
