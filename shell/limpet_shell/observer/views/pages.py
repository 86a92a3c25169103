"""Each page, drawn from its state."""

import re
import textwrap
import time
from typing import Final

from limpet_shell.observer.state.detail import SECTIONS, DetailPage
from limpet_shell.observer.state.feed import EventsPage, LogLine, LogsPage
from limpet_shell.observer.state.findings import FindingsPage
from limpet_shell.observer.state.health import HealthPage
from limpet_shell.observer.state.look import Look, LookPage
from limpet_shell.observer.state.metrics import MetricsPage
from limpet_shell.observer.state.model import Model
from limpet_shell.observer.state.page import Page
from limpet_shell.observer.state.processes import ProcessesPage
from limpet_shell.observer.state.system import SystemPage
from limpet_shell.output import printable, printable_line, shorten, width_of
from limpet_shell.render import name_style
from limpet_supervisor.model import levels

from . import system, table
from .cells import show
from .frame import Frame, Line, fit

_TIMES: Final = 80
"""Columns from which on there is room for the times of log lines."""


def draw(model: Model, page: Page, frame: Frame) -> None:
    """Fills the frame with the page; what failed stands on its first line."""
    if page.error:
        frame.add(("bad", f"✗ {printable(page.error)}"))
    match page:
        case SystemPage():
            system.draw(page, frame, model.interval)
        case ProcessesPage():
            _processes(page, frame)
        case LookPage():
            _look_page(page, frame)
        case LogsPage():
            _logs(page, frame)
        case EventsPage():
            frame.add(("dim", _counted(page, "event", "the latest first")))
            _with_value(page, frame, "nothing has happened")
        case HealthPage():
            frame.add(("dim", _counted(page, "check", *([str(page.status)] if page.status else []))))
            _with_value(page, frame, "no checks" if page.asked else "looking")
        case MetricsPage():
            frame.add(("dim", _counted(page, "series", "the application's own first")))
            _with_value(page, frame, "no metrics" if page.asked else "looking")
        case FindingsPage():
            frame.add(("dim", _counted(page, "finding", "the worst first")))
            empty = "nothing is wrong, as far as can be seen"
            empty = "n/a" if page.error else empty if page.asked else "looking"
            _with_value(page, frame, empty)
        case DetailPage():
            _detail(page, frame)
        case _:
            pass
    frame.fill()


def _counted(page: Page, what: str, *more: str) -> str:
    assert page.table is not None
    shown, total = len(page.table.rows()), page.table.total
    number = f"{total}" if shown == total else f"{shown} of {total}"
    many = "" if total == 1 or what.endswith("s") else "s"
    return " · ".join((f"{number} {what}{many}", *more, *_filtered(page.needle)))


def _filtered(needle: str) -> list[str]:
    return [f"with {needle!r}"] if needle else []


def _processes(page: ProcessesPage, frame: Frame) -> None:
    how = f"over {page.window:.0f}s" if page.over_window else "now"
    order = "as a tree" if page.as_tree else f"by {page.table.sort}"
    text = _counted(page, "row" if page.as_tree else "instance", order, how)
    frame.add(("dim", text))
    table.draw(page.table, frame, empty="no processes" if page.asked else "looking")


def _look_page(page: LookPage, frame: Frame) -> None:
    line: Line = []
    for look in page.looks:
        line += [("tab chosen" if look is page.look else "dim", f" {look.what} "), ("", " ")]
    where = page.look.process or page.process or "the first process with an agent"
    frame.add(*line, ("", "of "), ("bold", printable(where)), ("dim", "  [ ] other process, Enter next look"))
    _look(page.look, frame, asked=page.asked)


def _look(look: Look, frame: Frame, *, asked: bool) -> None:
    """What it found: a table, or the text where rows would say less."""
    if look.error:
        frame.add(("bad", f"✗ n/a: {printable(look.error)}"))
        return
    notes = look.notes[: max(0, frame.left - 3)]
    below = Frame(frame.width, frame.left - len(notes))
    if look.rows or not look.text:
        table.draw(look.table, below, empty="nothing" if asked else "looking")
    for text in look.text[: below.left] if not look.rows else ():
        below.add(("", printable(text)))
    frame.put(below)
    for note in notes:
        frame.add(("dim", printable(f"({note})")))


def _logs(page: LogsPage, frame: Frame) -> None:
    of = page.name or "all processes"
    lost = [f"{page.dropped:,} lines dropped: they came faster than they were read"] if page.dropped else []
    level = {levels.WARNING: ["warnings and worse"], levels.ERROR: ["errors"]}.get(page.least, [])
    back = [f"{page.lines.back} lines back"] if page.lines.back else []
    frame.add(("dim", " · ".join((f"output of {of}", *level, *back, *lost, *_filtered(page.needle)))))
    log_lines(page, frame, named=not page.name)


def log_lines(page: LogsPage, frame: Frame, *, named: bool) -> None:
    """The lines of a log that are seen, each behind its process's name if `named`."""
    lines: list[LogLine] = page.lines.window(frame.left)
    if not lines:
        frame.add(("dim", f"no entry contains {page.needle!r}" if page.needle else "no output yet"))
        return
    wide = min(20, max(width_of(line.process) for line in lines)) if named else 0
    for line in lines:
        begin: Line = [("dim", f"{_clock(line.at)} ")] if frame.width >= _TIMES else []
        if named:
            begin.append((name_style(line.process), f"{fit(line.process, wide)} "))
        frame.add(*begin, (line.style, f"{line.sign} "), (line.style, _uncoloured(line.text)))


def _clock(at: float | None) -> str:
    return " " * 8 if at is None else time.strftime("%H:%M:%S", time.localtime(at))


def _uncoloured(text: str) -> str:
    """A line without the colours that its process gave it: a level's colour is ours."""
    shown = printable_line(text.expandtabs(8))
    if "\x1b" in shown:
        shown = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    return shown


def _detail(page: DetailPage, frame: Frame) -> None:
    status = page.reply.process if page.reply is not None else None
    state = f"  {status.state.value}" if status is not None else ""
    pid = f"  pid {status.pid}" if status is not None and status.pid is not None else ""
    cpu = page.history.cpu_of(page.name)
    used = f"  cpu {show(cpu, 'percent')}" if cpu is not None else ""
    frame.add(
        ("bold", page.name), ("", f"{state}{pid}{used}"), *((("bad", f"  {page.gone}"),) if page.gone else ())
    )
    _sections(page, frame)
    match page.current:
        case "Log":
            log_lines(page.log, frame, named=False)
        case "Stacks":
            _text(page, frame)
        case "Tasks":
            _look(page.tasks, frame, asked=page.asked)
        case _ if page.table is not None:
            empty = {"Deaths": "it has not died since the node booted"}.get(page.current, "nothing")
            _with_value(page, frame, empty if page.reply is not None else "looking")
        case _:
            pass


def _with_value(page: Page, frame: Frame, empty: str) -> None:
    """A table; below it, all of a selected text that was cut, or the last lines of the selected death."""
    assert page.table is not None
    below: list[str] = []
    deaths = isinstance(page, DetailPage) and page.current == "Deaths"
    death = page.selected_death() if isinstance(page, DetailPage) and deaths else None
    if death is not None:
        box = [f"black box: {death.black_box}"] if death.black_box else []
        below = [*box, *(f"| {line}" for line in death.last_lines)][-max(0, frame.left // 2) :]
    elif (row := page.table.row) is not None:
        words = (
            row.cells.get(key) for key in ("metric", "target", "labels", "reason", "text", "todo", "value")
        )
        text = "; ".join(printable(str(word)) for word in words if word)
        if width_of(text) > frame.width // 2:
            below = textwrap.wrap(text, frame.width)[: frame.left // 3]
    above = Frame(frame.width, frame.left - len(below) - bool(below))
    table.draw(page.table, above, empty=empty)
    above.fill()
    frame.put(above)
    if below:
        frame.add(("dim", "─" * frame.width))
    for text in below:
        frame.add(("", _uncoloured(text)))


def _text(page: DetailPage, frame: Frame) -> None:
    if not page.stacks:
        frame.add(("dim", "looking: of a process that does not answer it takes some seconds"))
    for text in page.stacks[page.scrolled : page.scrolled + frame.left]:
        bold = text and not text.startswith(" ")
        frame.add(("bold" if bold else "", _place(printable(text), frame.width)))


def _place(text: str, width: int) -> str:
    """A line of a stack; of one that is too long the beginning of the path goes, not the line's number."""
    head, quote, rest = text.partition('  File "')
    over = width_of(text) - width
    if head or not quote or over <= 0:
        return text
    return f"{quote}…{rest[over + 1 :]}"


def _sections(page: DetailPage, frame: Frame) -> None:
    """The names of the sections, shortened together if they do not fit."""
    gaps = 2
    longest = 11
    while longest > 3 and sum(min(longest, len(name)) + gaps for name in SECTIONS) > frame.width:
        longest -= 1
    line: Line = []
    left = 0
    for name in SECTIONS:
        text = f" {name if len(name) <= longest else shorten(name, longest)} "
        frame.hit(left, left + len(text), "section", name)
        line.append(("tab chosen" if name == page.current else "tab", text))
        left += len(text)
    frame.add(*line)
