"""All processes: a table to sort, or the supervision tree; figures as they are, or over a window."""

from typing import Any, Final

from limpet_supervisor.client import messages
from limpet_supervisor.model.figures import Figures
from limpet_supervisor.model.status import ProcessStatus, State

from .history import WINDOW, History
from .page import Page
from .table import Column, Row, Table

NOW: Final = (
    Column("name", "NAME", width=13, most=40),
    Column("state", "STATE", width=8),
    Column("pid", "PID", "id", width=7, rank=3),
    Column("uptime", "UPTIME", "seconds", width=7),
    Column("restarts", "RESTARTS", "count"),
    Column("cpu", "CPU", "percent", width=6),
    Column("memory", "MEMORY", "bytes", width=8),
    Column("fds", "FDS", "count", width=5),
    Column("lag", "LAG", "seconds", width=6, rank=1),
    Column("trend", "LAST MINUTE", "", width=20, rank=9, most=20),
    Column("threads", "THREADS", "count", rank=7),
    Column("processes", "PROCS", "count", rank=6),
    Column("agent", "AGENT", width=5, rank=5),
    Column("reason", "REASON", width=10, rank=8),
)
_CHANGES: Final = {"memory": "bytes change", "fds": "change", "restarts": "change"}
OVER: Final = tuple(
    column._replace(title=f"±{column.title}", unit=_CHANGES[column.key], width=column.width + 1)
    if column.key in _CHANGES
    else column
    for column in NOW
)
"""The same columns, of what has changed within the window."""

STYLES: Final = {
    State.STARTING: ("warn", "◐"),
    State.RUNNING: ("good", "●"),
    State.STOPPING: ("warn", "◑"),
    State.STOPPED: ("dim", "○"),
    State.BACKOFF: ("bad", "↻"),
    State.EXITED: ("dim", "□"),
    State.FAILED: ("bad", "✗"),
}
"""Of each state: its style, and the sign that says the same without colour."""


SORT_KEYS: Final = {
    "c": "cpu",
    "m": "memory",
    "e": "restarts",
    "f": "fds",
    "y": "lag",
    "u": "uptime",
    "b": "name",
}
"""Keys that sort by a column at once."""


class ProcessesPage(Page):
    """Fed by Sample, and by Tree when it is shown as one."""

    title = "Processes"
    short = "Procs"

    def __init__(self, history: History) -> None:
        super().__init__()
        self.history = history
        self.table: Table = Table(NOW, sort="cpu")
        self.over_window = False
        self.window = WINDOW
        self.statuses: dict[str, ProcessStatus] = {}
        self._tree: messages.TreeReply | None = None
        self._figures: dict[str, Figures] = {}

    @property
    def as_tree(self) -> bool:
        """Whether it is shown as a tree."""
        return not self.table.ordered

    def requests(self) -> list[messages.Request]:
        """The processes, and the tree if that is what is shown."""
        return [messages.Sample(), messages.Tree()] if self.as_tree else [messages.Sample()]

    def follows(self) -> messages.Request | None:
        """Vitals: loop lag is measured as long as somebody wants it. Of very many processes it is not."""
        return self.history.vitals()

    def take(self, reply: Any) -> None:
        """Takes a sample or a tree in."""
        match reply:
            case messages.SampleReply():
                self.history.add(reply)
                self.cost = reply.cost
                self.statuses = {status.name: status for status in reply.processes}
                self._figures = {each.name: each for each in reply.figures}
            case messages.TreeReply():
                self._tree = reply
            case _:
                return
        self._fill()

    def toggle_tree(self) -> None:
        """As a tree, or as a flat table."""
        self.table.ordered = not self.table.ordered
        self._fill()

    def toggle_window(self) -> None:
        """What is, or what has changed within the window."""
        self.over_window = not self.over_window
        self.table.columns = OVER if self.over_window else NOW
        self.table.widths.clear()
        self._fill()

    def _fill(self) -> None:
        if self.as_tree and self._tree is not None:
            rows: list[Row] = []
            self._branch(self._tree.root, "", "", rows)
            self.table.put(rows)
        else:
            self.table.put([self._row(status) for status in self.statuses.values()])

    def _row(self, status: ProcessStatus, branch: str = "") -> Row:
        style, sign = STYLES[status.state]
        if status.state is State.RUNNING and not status.ready:
            style, sign = "warn", "◐"
        figures = self._figures.get(status.name, Figures(status.name))
        trend = self.history.trend_of(status.name).bins(20, 3.0)
        cells: dict[str, Any] = {
            "name": status.name,
            "state": status.state.value,
            "pid": status.pid,
            "uptime": status.uptime,
            "restarts": status.restarts,
            "cpu": self.history.cpu_of(status.name),
            "memory": figures.memory,
            "fds": figures.fds,
            "lag": status.lag,
            "trend": trend if status.pid is not None else None,
            "threads": figures.threads,
            "processes": figures.processes or None,
            "agent": status.agent if status.pid is not None else None,
            "reason": status.reason
            or (status.agent_reason if status.agent == "none" and status.pid else None),
        }
        if self.over_window:
            cells |= self.history.change_of(status.name, self.window)._asdict()
        styles = {"state": style}
        if (
            figures.fds
            and figures.fds_limit
            and figures.processes == 1
            and figures.fds > 0.85 * figures.fds_limit
        ):
            styles["fds"] = "bad"
        if (status.lag or 0) >= 0.5:
            styles["lag"] = "bad"
        return Row(status.name, cells, sign=sign, branch=branch, styles={**styles, "@": style})

    def _branch(self, node: messages.TreeNode, lead: str, below: str, rows: list[Row]) -> None:
        """A line of the tree and all below it; members are rows of their own."""
        status = self.statuses.get(node.name) if node.kind == "process" else None
        if status is not None:
            rows.append(self._row(status, lead))
        else:
            cells: dict[str, Any] = {"name": f"{node.name}: {node.text}"}
            rows.append(Row(f"/{node.name}", cells, "dim", branch=lead))
        last = len(node.children) - 1
        for k, child in enumerate(node.children):
            end = k == last and not node.members
            self._branch(child, below + ("└ " if end else "├ "), below + ("  " if end else "│ "), rows)
        for k, member in enumerate(node.members):
            end = k == len(node.members) - 1
            cells = {
                "name": member.command,
                "pid": member.pid,
                "memory": member.memory,
                "agent": member.agent,
            }
            branch = below + ("└ " if end else "├ ")
            rows.append(Row(f"{node.name}/{member.pid}", cells, "dim", branch=branch))
