"""What samples of the node's processes come to over time: shares of CPU, changes over a window, charts."""

from typing import Final, NamedTuple

from limpet_supervisor.client import messages
from limpet_supervisor.model.figures import Figures
from limpet_supervisor.model.status import ProcessStatus

from .series import Series

WINDOW: Final = 60.0
"""Seconds of the sliding window."""
FELT: Final = 64
"""Agents of which vitals are measured for an observer."""


class Change(NamedTuple):
    """What has changed of a process within the window; None: not known."""

    cpu: float | None
    """Percent of one core, on average."""
    memory: float | None
    fds: float | None
    restarts: float | None
    lag: float | None
    """The longest, in seconds."""


class _Process:
    def __init__(self) -> None:
        self.pid: int | None = None
        self.cpu_time = Series()
        self.cpu = Series()
        self.memory = Series()
        self.fds = Series()
        self.restarts = Series()
        self.lag = Series()


class History:
    """Of all processes, as long as they are there, and of their sums."""

    def __init__(self) -> None:
        self.cpu = Series()
        """Percent of one core, of all processes together."""
        self.memory = Series()
        self.restarts = Series()
        """Since the last sample."""
        self.lag = Series()
        """The longest of all, in seconds."""
        self._agents = 0
        self._restarts: float | None = None
        self._processes: dict[str, _Process] = {}

    def add(self, reply: messages.SampleReply) -> None:
        """Takes a sample in; one that is known already changes nothing."""
        figures = {each.name: each for each in reply.figures}
        self._agents = sum(len(each.agents) for each in reply.processes)
        for status in reply.processes:
            kept = self._processes.setdefault(status.name, _Process())
            self._add(kept, reply.at, status, figures.get(status.name))
        for name in self._processes.keys() - {status.name for status in reply.processes}:
            del self._processes[name]
        self._sum(reply.at, reply)

    def _add(self, kept: _Process, at: float, status: ProcessStatus, figures: Figures | None) -> None:
        if kept.pid != status.pid:  # another process: its counters begin anew
            kept.pid = status.pid
            kept.cpu_time, kept.cpu, kept.memory, kept.fds = Series(), Series(), Series(), Series()
        kept.restarts.add(at, status.restarts)
        if status.lag is not None:
            kept.lag.add(at, status.lag)
        if figures is None:
            return
        if figures.cpu_time is not None:
            kept.cpu_time.add(at, figures.cpu_time)
            rate = kept.cpu_time.rate(0.0)
            if rate is None and status.uptime:
                rate = figures.cpu_time / status.uptime
            if rate is not None:
                kept.cpu.add(at, 100 * rate)
        if figures.memory is not None:
            kept.memory.add(at, figures.memory)
        if figures.fds is not None:
            kept.fds.add(at, figures.fds)

    def _sum(self, at: float, reply: messages.SampleReply) -> None:
        kept = self._processes.values()
        self.cpu.add(at, sum(each.cpu.last or 0 for each in kept if each.pid is not None))
        self.memory.add(at, sum(each.memory or 0 for each in reply.figures))
        total = sum(status.restarts for status in reply.processes)
        self.restarts.add(at, max(0, total - (total if self._restarts is None else self._restarts)))
        self._restarts = total
        lags = [status.lag for status in reply.processes if status.lag is not None]
        if lags:
            self.lag.add(at, max(lags))

    def vitals(self) -> messages.Vitals | None:
        """The request that has vitals measured; None: there are too many agents for that, or none."""
        return messages.Vitals(most=FELT) if 0 < self._agents <= FELT else None

    def cpu_of(self, name: str) -> float | None:
        """Percent of one core that a process took between the last two samples."""
        kept = self._processes.get(name)
        return kept.cpu.last if kept is not None and kept.pid is not None else None

    def trend_of(self, name: str) -> Series:
        """Its share of CPU over time."""
        kept = self._processes.get(name)
        return kept.cpu if kept is not None else Series()

    def change_of(self, name: str, window: float = WINDOW) -> Change:
        """What has changed of it within the window."""
        kept = self._processes.get(name)
        if kept is None:
            return Change(None, None, None, None, None)
        rate = kept.cpu_time.rate(window)
        return Change(
            cpu=100 * rate if rate is not None else kept.cpu.last,
            memory=kept.memory.change(window),
            fds=kept.fds.change(window),
            restarts=kept.restarts.change(window),
            lag=kept.lag.highest(window),
        )
