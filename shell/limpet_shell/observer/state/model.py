"""What the observer knows and where the user is in it: keys change it, messages feed it, views draw it.

No terminal, no node, no clock of its own: it is told what the time is.
"""

from enum import StrEnum
from typing import Any, Final

from limpet_supervisor.client import messages
from limpet_supervisor.model.status import NodeFacts

from .acts import Act, act_of
from .detail import DetailPage
from .feed import EventsPage, LogsPage
from .findings import FindingsPage
from .health import HealthPage
from .history import History
from .look import LookPage
from .metrics import MetricsPage
from .page import Lines, Page
from .processes import SORT_KEYS, ProcessesPage
from .system import SystemPage

LEAST_INTERVAL: Final = 0.5
"""Seconds; nobody refreshes more often."""
INTERVALS: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Wish(StrEnum):
    """What a key asks of the terminal's side."""

    LEAVE = "leave"
    ASK = "ask"
    """The page is another, or wants to know something else: it is asked for at once."""


class Model:
    """See the module.

    Args:
        node: its name.
        destructive: whether processes may be restarted, stopped and killed from here.
        interval: seconds between two refreshes.
    """

    def __init__(self, node: str, *, destructive: bool = False, interval: float = 2.0) -> None:
        self.node = node
        self.destructive = destructive
        self.interval = max(LEAST_INTERVAL, interval)
        self.history = History()
        self.system = SystemPage(self.history)
        self.processes = ProcessesPage(self.history)
        self.tasks = LookPage("Tasks", "tasks", "threads")
        self.memory = LookPage("Memory", "mem", "types", short="Mem")
        self.logs = LogsPage()
        self.events = EventsPage()
        self.health = HealthPage()
        self.metrics = MetricsPage()
        self.findings = FindingsPage()
        self.pages: tuple[Page, ...] = (
            self.system,
            self.processes,
            self.tasks,
            self.memory,
            self.logs,
            self.events,
            self.health,
            self.metrics,
            self.findings,
        )
        self.number = 0
        """Of the page whose tab is chosen."""
        self.detail: DetailPage | None = None
        """Above the chosen page, if it is open."""
        self.facts: NodeFacts | None = None
        self.instances: tuple[str, ...] = ()
        """Names of all instances, in start order, as last heard."""
        self.with_agent: tuple[str, ...] = ()
        self.paused = False
        self.helping = False
        self.asking: Act | None = None
        """What is to be confirmed."""
        self.typing: str | None = None
        """The filter as it is being typed; None: it is not."""
        self.lost = ""
        """Why the node is not connected; empty: it is."""
        self.said = ""
        """What the last line says until the next key."""
        self.said_badly = False
        self.clock = 0.0
        """Wall-clock time of the last refresh."""
        self.height = 20
        """Lines of the page, for whole pages up and down."""
        self.acting: Act | None = None
        """Confirmed, to be done by the terminal's side."""

    @property
    def page(self) -> Page:
        """What is seen."""
        return self.detail or self.pages[self.number]

    # -- the node -----------------------------------------------------------------------------------------

    def requests(self) -> list[messages.Request]:
        """What a refresh asks for: what the page wants, and the facts that the header shows."""
        wanted = self.page.requests()
        if not any(isinstance(each, messages.Sample | messages.System) for each in wanted):
            # One process is enough: the node's own facts come with it.
            names = self.instances[:1]
            wanted.append(messages.Status(names=names))
        return wanted

    def take(self, reply: Any, page: Page) -> None:
        """Takes a reply in, for the header and for the page that asked for it."""
        if isinstance(
            reply, messages.SampleReply | messages.StatusReply | messages.SystemReply | messages.HealthReply
        ):
            self.facts = reply.node
        if isinstance(reply, messages.SampleReply):
            self.instances = tuple(each.name for each in reply.processes)
            self.with_agent = tuple(name for each in reply.processes for name in each.agents)
        elif isinstance(reply, messages.StatusReply) and not self.instances:
            self.instances = tuple(each.name for each in reply.processes)
            self.with_agent = tuple(reply.agents)
        page.take(reply)
        page.asked = True

    def refreshed(self, clock: float, page: Page, *, well: bool) -> None:
        """A refresh is over, at that wall-clock time; if all went well, the page has no error any more."""
        self.clock = clock
        if well:
            page.error = ""

    def away(self, why: str) -> None:
        """The node is not connected."""
        self.lost = why

    def back(self) -> None:
        """It is again."""
        self.lost = ""

    def say(self, text: str, *, badly: bool = False) -> None:
        """Says something in the last line."""
        self.said, self.said_badly = text, badly

    # -- keys ---------------------------------------------------------------------------------------------

    def press(self, key: str) -> Wish | None:
        """A key, by its name (`up`, `enter`, `escape`) or the character that it types."""
        self.said = ""
        if self.helping:
            self.helping = False
            return Wish.LEAVE if key == "q" else None
        if self.asking is not None:
            return self._confirm(key)
        if self.typing is not None:
            self._type(key)
            return None
        return self._command(key)

    def _confirm(self, key: str) -> Wish | None:
        act, self.asking = self.asking, None
        if key in ("y", "Y"):
            self.acting = act
        else:
            self.say("left as it is")
        return None

    def _type(self, key: str) -> None:
        typed = self.typing or ""
        match key:
            case "enter":
                self.typing = None
                return
            case "escape":
                self.typing = None
                self.page.filter("")
                return
            case "backspace":
                typed = typed[:-1]
            case "space":
                typed += " "
            case _ if len(key) == 1 and key.isprintable():
                typed += key
            case _:
                return
        self.typing = typed
        self.page.filter(typed)

    def _command(self, key: str) -> Wish | None:
        match key:
            case "q":
                return Wish.LEAVE
            case "?" | "h" | "f1":
                self.helping = True
            case "p" | "space":
                self.paused = not self.paused
                return None if self.paused else Wish.ASK
            case "+" | "=":
                self._pace(1)
            case "-":
                self._pace(-1)
            case "/":
                self.typing = self.page.needle
            case "escape":
                return self._escape()
            case "tab" | "right":
                return self._turn(1)
            case "s-tab" | "left":
                return self._turn(-1)
            case "enter":
                return self._enter()
            case "R" | "S" | "K":
                self._destroy(key)
            case _ if key.isdigit() and 0 < int(key) <= len(self.pages):
                return self.show(int(key) - 1)
            case "[" | "]" if isinstance(self.page, LookPage):
                return self._other_process(1 if key == "]" else -1)
            case "l" if (name := self.subject()) and not isinstance(self.page, LogsPage):
                return self._log_of(name)
            case "a" if isinstance(self.page, LogsPage):
                self.logs.show("")
                return Wish.ASK
            case "n" if isinstance(self.page, LogsPage):
                return self._next_log()
            case "e" if isinstance(self.page, LogsPage):
                self.logs.turn_level()
                return Wish.ASK
            case _:
                self._move(key)
                return self._arrange(key)
        return None

    def show(self, number: int) -> Wish:
        """The page of that tab."""
        self.number = number
        self.detail = None
        self.page.error = ""
        return Wish.ASK

    def _escape(self) -> Wish | None:
        """Back: out of the filter, then out of the process."""
        if self.page.needle:
            self.page.filter("")
            return None
        if self.detail is not None:
            self.detail = None
            return Wish.ASK
        return None

    def _turn(self, by: int) -> Wish:
        """Sections of a process; of the others, the tabs."""
        if self.detail is not None:
            self.detail.turn(by)
            return Wish.ASK
        return self.show((self.number + by) % len(self.pages))

    def _enter(self) -> Wish | None:
        """Into the process that the cursor is on."""
        if isinstance(self.page, LookPage):
            self.page.turn(1)
            return Wish.ASK
        name = self.subject()
        if name is None or self.detail is not None:
            return None
        return self.open(name)

    def open(self, name: str, section: str = "Info") -> Wish:
        """The page of a process."""
        self.detail = DetailPage(name, self.history)
        self.detail.turn_to(section)
        return Wish.ASK

    def subject(self) -> str | None:
        """The instance that the cursor is on, or whose page is seen."""
        if self.detail is not None:
            return self.detail.name
        table = self.page.table
        row = table.row if table is not None else None
        if row is None:
            return None
        name = row.key.partition("/")[0] if self.page is self.processes else row.cells.get("process")
        return name if isinstance(name, str) and name in self.instances else None

    def _log_of(self, name: str) -> Wish:
        if self.detail is not None:
            self.detail.turn_to("Log")
        else:
            self.logs.show(name)
            self.number = self.pages.index(self.logs)
        return Wish.ASK

    def _next_log(self) -> Wish:
        """The output of all, then of each in turn."""
        names = ("", *self.instances)
        place = names.index(self.logs.name) if self.logs.name in names else 0
        self.logs.show(names[(place + 1) % len(names)])
        return Wish.ASK

    def _other_process(self, by: int) -> Wish | None:
        """Looks at the next process with an agent."""
        page = self.page
        assert isinstance(page, LookPage)
        names = self.with_agent
        if not names:
            self.say("no process has an agent", badly=True)
            return None
        current = page.process or page.look.process
        place = names.index(current) if current in names else (-1 if by > 0 else 0)
        for each in (self.tasks, self.memory):
            each.go_to(names[(place + by) % len(names)])
        return Wish.ASK

    def _pace(self, by: int) -> None:
        """Slower or faster, in steps."""
        if by > 0:
            self.interval = next((each for each in INTERVALS if each > self.interval), INTERVALS[-1])
        else:
            self.interval = next(
                (each for each in reversed(INTERVALS) if each < self.interval), LEAST_INTERVAL
            )
        self.say(
            f"refreshed every {self.interval:g}s"
            + (", which is the least" if self.interval == LEAST_INTERVAL else "")
        )

    def _arrange(self, key: str) -> Wish | None:
        """Sorting, and what the table of processes shows."""
        table = self.page.table
        match key:
            case ">" | "." | "s" if table is not None and table.ordered:
                table.sort_next(1)
            case "<" | "," if table is not None and table.ordered:
                table.sort_next(-1)
            case "r" if table is not None and table.ordered:
                table.reverse()
            case "t" if self.page is self.processes:
                self.processes.toggle_tree()
                return Wish.ASK
            case "w" if self.page is self.processes:
                self.processes.toggle_window()
            case _ if self.page is self.processes and key in SORT_KEYS:
                self.processes.table.sort_by(SORT_KEYS[key])
        return None

    def _move(self, key: str) -> None:
        """The cursor, or what is scrolled."""
        by = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": -self.height, "pagedown": self.height}.get(key)
        if by is None and key not in ("home", "end", "g", "G"):
            return
        edge = None if by is not None else key in ("home", "g")
        self.scroll(by, to_top=edge)

    def click(self, action: str, value: str) -> Wish | None:
        """The mouse, on what a view has marked."""
        self.said = ""
        self.helping = False
        match action:
            case "tab":
                return self.show(int(value))
            case "section" if self.detail is not None:
                self.detail.turn_to(value)
                return Wish.ASK
            case "sort" if self.page.table is not None:
                self.page.table.sort_by(value)
            case "row" if self.page.table is not None:
                if self.page.table.index == int(value):
                    return self._enter()
                self.page.table.select(int(value))
            case _:
                pass
        return None

    def scroll(self, by: int | None, *, to_top: bool | None = None) -> None:
        """Moves by lines, or (None) to the top or the bottom."""
        lines = self.lines()
        table = self.page.table
        if lines is not None:
            lines.scroll(by if by is not None else (-1_000_000 if to_top else 1_000_000))
        elif table is not None and table.rows():
            table.select(table.index + by if by is not None else (0 if to_top else table.total))
        elif self.detail is not None:
            end = max(0, len(self.detail.stacks) - self.height)
            place = self.detail.scrolled + by if by is not None else (0 if to_top else end)
            self.detail.scrolled = max(0, min(place, end))

    def lines(self) -> Lines | None:
        """The lines that are scrolled, where the page is made of such."""
        if self.detail is not None:
            return self.detail.log.lines if self.detail.current == "Log" else None
        return self.logs.lines if self.page is self.logs else None

    # -- commands to the node -----------------------------------------------------------------------------

    def _destroy(self, key: str) -> None:
        name = self.subject()
        if name is None:
            self.say("no process is chosen", badly=True)
            return
        if not self.destructive:
            self.say(f"{key} is off: start the observer with --allow-destructive", badly=True)
            return
        self.asking = act_of(key, name, self.processes.statuses.get(name))
