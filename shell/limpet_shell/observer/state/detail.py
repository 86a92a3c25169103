"""All about one process, in sections; only the one that is seen is asked for."""

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from limpet_supervisor.client import messages
from limpet_supervisor.errors import LimpetError
from limpet_supervisor.model.figures import Detail
from limpet_supervisor.model.status import Death
from limpet_supervisor.model.units import format_duration, format_size

from .feed import LogsPage
from .history import History
from .look import Look
from .page import Page
from .table import Column, Row, Table

SECTIONS: Final = (
    *("Info", "Spec", "Environ", "Files", "Sockets", "Threads", "Stacks", "Tasks", "Log", "Deaths"),
)
_STACKS_COST: Final = 0.05
"""Seconds of work that a look at all stacks counts as: it may stop the process for some milliseconds."""
_PAIRS: Final = (Column("name", "NAME", width=14, most=48), Column("value", "VALUE", width=20))


class DetailPage(Page):
    """See the module."""

    title = "Process"

    def __init__(self, name: str, history: History) -> None:
        super().__init__()
        self.name = name
        self.history = history
        self.section = 0
        self.reply: messages.DetailReply | None = None
        self.log = LogsPage(name)
        self.tasks = Look("tasks")
        self.stacks: list[str] = []
        """Lines of text."""
        self.scrolled = 0
        """First line that is seen, of a section that is text."""
        self.gone = ""
        """Why nothing is told of it any more; empty: it is there."""
        self._tables: dict[str, Table] = {
            "Info": Table(_PAIRS),
            "Spec": Table(_PAIRS),
            "Environ": Table(_PAIRS),
            "Files": Table(
                (
                    Column("fd", "FD", "id", width=4),
                    Column("kind", "KIND", width=9),
                    Column("target", "TARGET", width=20),
                )
            ),
            "Sockets": Table(
                (
                    Column("fd", "FD", "id", width=4),
                    Column("protocol", "PROTO", width=5),
                    Column("state", "STATE", width=11),
                    Column("local", "LOCAL", width=15),
                    Column("remote", "REMOTE", width=15),
                    Column("queued", "RECV-Q", "count", rank=1),
                    Column("unsent", "SEND-Q", "count", rank=2),
                ),
                sort="fd",
            ),
            "Threads": Table(
                (
                    Column("tid", "TID", "id", width=7),
                    Column("name", "NAME", width=15),
                    Column("state", "STATE", width=5),
                    Column("cpu_time", "CPU TIME", "seconds", width=8),
                    Column("waits_in", "WAITS IN (KERNEL)", width=18, rank=1),
                ),
                sort="cpu_time",
            ),
            "Deaths": Table(
                (
                    Column("at", "TIME", width=19),
                    Column("pid", "PID", "id", width=7),
                    Column("uptime", "UPTIME", "seconds", width=8),
                    Column("exit", "HOW", width=11, most=30),
                    Column("cause", "CAUSE", width=20),
                )
            ),
        }  # fmt: skip
        for name_of in ("Info", "Spec", "Environ", "Files", "Deaths"):
            self._tables[name_of].ordered = False
        self._turned()

    @property
    def current(self) -> str:
        """The section that is seen."""
        return SECTIONS[self.section]

    def turn(self, by: int) -> None:
        """To the next section, or the one before."""
        self.section = (self.section + by) % len(SECTIONS)
        self._turned()

    def turn_to(self, section: str) -> None:
        """To that section."""
        self.section = SECTIONS.index(section)
        self._turned()

    def _turned(self) -> None:
        self.error = ""
        self.scrolled = 0
        self.table = self.tasks.table if self.current == "Tasks" else self._tables.get(self.current)
        self.cost = {"Stacks": _STACKS_COST}.get(self.current, 0.0)

    def requests(self) -> list[messages.Request]:
        """What the section is made of."""
        match self.current:
            case "Stacks":
                return [messages.Stacks(name=self.name)]
            case "Tasks":
                return [messages.Inspect(what="tasks", process=self.name)]
            case "Log":
                return [messages.Status(names=(self.name,))]
            case "Info":
                return [messages.InDetail(name=self.name), messages.Sample()]
            case _:
                return [messages.InDetail(name=self.name)]

    def follows(self) -> messages.Request | None:
        """Its output, or how it feels from within, while that is seen."""
        if self.current == "Log":
            return self.log.follows()
        return messages.Vitals(names=(self.name,)) if self.current == "Info" else None

    def began(self) -> None:
        """Its output comes from the start."""
        self.log.began()

    def item(self, item: Any) -> bool:
        """Takes output."""
        return self.current == "Log" and self.log.item(item)

    def failed(self, error: LimpetError) -> None:
        """It may be that the process is no more."""
        if type(error).__name__ == "NoSuchProcess":
            self.gone = f"{self.name} is no more: it was removed, or scaled away"
        super().failed(error)

    def take(self, reply: Any) -> None:
        """Fills the section."""
        match reply:
            case messages.DetailReply():
                self.gone = ""
                self.reply = reply
                self._fill(reply)
            case messages.SampleReply():
                self.history.add(reply)
            case messages.StacksReply(processes=processes):
                self.stacks = [line for each in processes for line in (*each.lines(), "")]
                self.cost = max(_STACKS_COST, *(each.took for each in processes)) if processes else 0.0
            case messages.EvaluateReply():
                self.tasks.take(reply)
                self.cost = reply.elapsed
                self.table = self.tasks.table if self.current == "Tasks" else self.table
            case _:
                pass

    def filter(self, needle: str) -> None:
        """Of the section."""
        if self.current == "Log":
            self.log.filter(needle)
        else:
            super().filter(needle)

    @property
    def needle(self) -> str:
        """The text of the section's filter."""
        return self.log.needle if self.current == "Log" else super().needle

    def _fill(self, reply: messages.DetailReply) -> None:
        detail = reply.detail
        tables = self._tables
        tables["Info"].put(_pairs(_info(reply)))
        tables["Spec"].put(_pairs(_flat(detail.spec)))
        tables["Environ"].put(_pairs(detail.environ.items()))
        tables["Files"].put(_rows(detail.files, lambda each: f"{each.fd}"))
        tables["Sockets"].put(_rows(detail.connections, lambda each: f"{each.fd}"))
        tables["Threads"].put(_rows(detail.threads, lambda each: f"{each.tid}"))
        tables["Deaths"].put(_death(each) for each in reply.deaths)

    def selected_death(self) -> Death | None:
        """The death that the cursor is on."""
        row = self._tables["Deaths"].row
        if row is None or self.reply is None:
            return None
        return next((each for each in self.reply.deaths if str(each.at) == row.key), None)


def _pairs(pairs: Iterable[tuple[str, Any]]) -> list[Row]:
    return [Row(name, {"name": name, "value": value}) for name, value in pairs]


def _rows(values: Iterable[Any], key: Callable[[Any], str]) -> list[Row]:
    return [Row(key(each), {name: getattr(each, name) for name in each.__struct_fields__}) for each in values]


def _death(death: Death) -> Row:
    cells = {
        "at": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(death.at)),
        "pid": death.pid,
        "uptime": death.uptime,
        "exit": str(death.exit),
        "cause": death.cause,
    }
    bad = death.exit.code != 0
    return Row(
        str(death.at), cells, sign="✗" if bad else " ", styles={"exit": "bad" if bad else "", "@": "bad"}
    )


def _info(reply: messages.DetailReply) -> list[tuple[str, str]]:
    """What there is to say of it in pairs."""
    status, detail, figures = reply.process, reply.detail, reply.detail.figures
    agent = "ready" if status.agent == "ready" else f"none: {status.agent_reason or 'no reason known'}"
    limits = [f"{limit.used:,.0f} of {limit.limit:,.0f} {limit.name}" for limit in detail.limits]
    pairs = [
        ("state", status.state.value + (f": {status.reason}" if status.reason else "")),
        ("ready", "yes" if status.ready else "no"),
        ("pid", "none" if status.pid is None else str(status.pid)),
        ("started", _started(detail, status.uptime)),
        ("restarts", f"{status.restarts}, {len(reply.deaths)} ends remembered"),
        ("supervisor", status.supervisor),
        ("command", " ".join(detail.command)),
        ("executable", detail.executable),
        ("directory", detail.cwd),
        ("user", detail.user),
        ("memory", "n/a" if figures.memory is None else format_size(figures.memory)),
        ("CPU time", "n/a" if figures.cpu_time is None else f"{figures.cpu_time:,.1f}s"),
        ("processes", f"{figures.processes}" + (f", {figures.zombies} zombies" if figures.zombies else "")),
        ("threads", "n/a" if figures.threads is None else str(figures.threads)),
        ("descriptors", "n/a" if figures.fds is None else f"{figures.fds:,}"),
        ("limits", "; ".join(limits)),
        (
            "output",
            f"{format_size(figures.written)} written"
            + (f", {figures.lost:,} lines lost" if figures.lost else ""),
        ),
        ("", figures.problem),
        ("agent", agent),
        (
            "loop late by",
            "" if status.lag is None else f"{1000 * status.lag:.0f}ms at most, within ten seconds",
        ),
        ("waits for GIL", "" if status.gil_wait is None else f"{1000 * status.gil_wait:.0f}ms at most"),
        ("longest gc", "" if status.gc_pause is None else f"{1000 * status.gc_pause:.1f}ms"),
        ("below it", ", ".join(name for name in status.agents if name != status.name)),
        *(("note", note) for note in detail.notes),
    ]
    return [(name, value) for name, value in pairs if value]


def _started(detail: Detail, uptime: float | None) -> str:
    if detail.started_at is None or uptime is None:
        return ""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(detail.started_at))
    return f"{at}, {format_duration(uptime)} ago"


def _flat(spec: dict[str, Any], lead: str = "") -> list[tuple[str, str]]:
    """A nested table as `ready.kind`, `log.max_bytes`; what is empty is left out."""
    found: list[tuple[str, str]] = []
    for key, value in spec.items():
        name = f"{lead}{key}"
        if isinstance(value, dict):
            found += _flat(value, f"{name}.")
        elif isinstance(value, bool):
            found.append((name, "yes" if value else "no"))
        elif isinstance(value, list | tuple):
            found.append((name, " ".join(map(str, value))))
        elif value is not None:
            found.append((name, str(value)))
    return [(name, value) for name, value in found if value]
