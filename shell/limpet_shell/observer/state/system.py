"""The node, its host, what can run out, and how the load has been."""

from typing import Any

from limpet_supervisor.client import messages

from .history import History
from .page import Page
from .series import Series


class SystemPage(Page):
    """Fed by System and Sample."""

    title = "System"
    short = "Sys"

    def __init__(self, history: History) -> None:
        super().__init__()
        self.history = history
        self.system: messages.SystemReply | None = None
        self.states: dict[str, int] = {}
        """How many processes are in each state."""
        self.host_cpu = Series()
        """Percent of all CPUs of the host."""
        self.own_cpu = Series()
        """Percent of one core that the node itself takes."""
        self._busy = Series()
        self._passed = Series()
        self._spent = Series()

    def requests(self) -> list[messages.Request]:
        """The system and the processes' sums."""
        return [messages.System(), messages.Sample()]

    def follows(self) -> messages.Request | None:
        """Vitals, for the chart of the loops' lag."""
        return self.history.vitals()

    def take(self, reply: Any) -> None:
        """Keeps the last of each."""
        match reply:
            case messages.SystemReply():
                self.system = reply
                at = reply.host.uptime
                self._busy.add(at, reply.host.busy)
                self._passed.add(at, reply.host.passed)
                self._spent.add(at, reply.own.cpu_time)
                busy, passed = self._busy.rate(0.0), self._passed.rate(0.0)
                if busy is not None and passed:
                    self.host_cpu.add(at, 100 * busy / passed)
                if (spent := self._spent.rate(0.0)) is not None:
                    self.own_cpu.add(at, 100 * spent)
            case messages.SampleReply():
                self.history.add(reply)
                self.cost = reply.cost
                self.states = {}
                for process in reply.processes:
                    self.states[process.state.value] = self.states.get(process.state.value, 0) + 1
            case _:
                pass
