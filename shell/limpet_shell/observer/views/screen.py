"""The whole screen: header, tabs, the page, the last line; help and questions above them."""

import time
from typing import Final

from limpet_shell.observer.state.detail import DetailPage
from limpet_shell.observer.state.feed import LogsPage
from limpet_shell.observer.state.look import LookPage
from limpet_shell.observer.state.model import Model
from limpet_shell.observer.state.processes import ProcessesPage
from limpet_shell.output import printable, width_of
from limpet_supervisor.model.units import format_duration

from . import pages
from .frame import Frame, Line, Text, cut, fit, padded

_AROUND: Final = 3
"""Lines of the screen that are not the page's."""

HELP: Final = (
    ("1 … 9  Tab  ← →", "the pages; of a process, its sections"),
    ("↑ ↓  PgUp PgDn  Home End", "move; also j, k, g, G and the wheel"),
    ("Enter  Esc", "into the process; back"),
    ("/", "only what contains a text; Esc: all again"),
    ("s < >  r  click", "sort by the next column; reverse; by that one"),
    ("c m e f y u b", "by cpu, memory, restarts, fds, lag, uptime, name"),
    ("w", "what has changed in a minute, or what is"),
    ("t", "as a tree, or flat"),
    ("l  n  a  e", "its output; the next one's; everyone's; by level"),
    ("[ ]", "look into another process"),
    ("p", "pause"),
    ("+ -", "refresh less often, more often"),
    ("R S K", "restart, stop or start, kill: --allow-destructive"),
    ("q", "leave"),
)


def draw(model: Model, width: int, height: int) -> Frame:
    """The screen of that size."""
    screen = Frame(width, height)
    _header(model, screen)
    _tabs(model, screen)
    body = Frame(width, max(0, height - _AROUND))
    model.height = max(1, body.height - 2)
    try:
        pages.draw(model, model.page, body)
    except Exception as error:  # noqa: BLE001 - a page that cannot be drawn costs none of the others
        body.add(
            ("bad", f"✗ n/a: this page cannot be drawn ({printable(f'{type(error).__name__}: {error}')})")
        )
        body.fill()
    screen.put(body)
    if model.helping:
        _over(screen, "Keys", [(f"{keys:<26}", text) for keys, text in HELP])
    elif model.asking is not None:
        _over(
            screen,
            "Sure?",
            [("", model.asking.question), ("", "y does it, any other key leaves it as it is")],
        )
    _footer(model, screen)
    return screen


def _header(model: Model, screen: Frame) -> None:
    facts = model.facts
    left: Line = [("bold", f" {printable(model.node)}")]
    if facts is not None:
        left = [("bold", f" {printable(f'{facts.name} {facts.version}')}")]
    if model.lost:
        left.append(("bad", f"  ✗ {printable(model.lost)}; trying again"))
    elif facts is None:
        left.append(("dim", "  connecting"))
    else:
        good = facts.state.value == "running"
        ready = facts.ready >= facts.wanted
        left += [
            ("good" if good else "warn", f"  {'●' if good else '◐'} {facts.state.value}"),
            ("", f"  pid {facts.pid}  up {format_duration(facts.uptime)}  "),
            ("" if ready else "warn", f"{'' if ready else '! '}{facts.ready} of {facts.wanted} ready"),
        ]
    clock = time.strftime("%H:%M:%S", time.localtime(model.clock)) if model.clock else ""
    # Where an answer costs much, it is asked for less often than was wished.
    every = model.page.every(model.interval)
    pace = "‖ paused" if model.paused else f"{every:.2g}s" if every < 10 else f"{every:.0f}s"
    right: Line = [("warn" if model.paused else "dim", f"{pace} "), ("dim", f" {clock} ")]
    _ends(screen, left, right, "header")


def _ends(screen: Frame, left: Line, right: Line, style: str) -> None:
    """A line with a left and a right end; the left one gives way."""
    wide = sum(width_of(text) for _, text in right)
    part = Frame(max(0, screen.width - wide), 1)
    part.add(*left)
    screen.add(*padded(part.lines[0], part.width, style), *padded(right, wide, style))


def _tabs(model: Model, screen: Frame) -> None:
    """The pages' titles: with less around them, then shorter, where there is not enough room."""
    serious = f" {model.findings.serious}!" if model.findings.serious else ""
    for gap, short in (("  ", False), (" ", False), (" ", True)):
        texts = [
            f"{number} {(page.short or page.title) if short else page.title}"
            + (serious if page is model.findings else "")
            for number, page in enumerate(model.pages, 1)
        ]
        if sum(map(len, texts)) + len(gap) * (len(texts) + 1) <= screen.width:
            break
    line: Line = []
    left = 0
    for number, text in enumerate(texts):
        bad = serious and model.pages[number] is model.findings
        style = "tab chosen" if number == model.number else "tab bad" if bad else "tab"
        shown = f"{' ' * (len(gap) - 1)}{text} "
        screen.hit(left, left + len(shown), "tab", str(number))
        line.append((style, shown))
        left += len(shown)
    if model.detail is not None and left + width_of(model.detail.name) + 5 <= screen.width:
        line += [("tab", " ▶ "), ("tab chosen", f" {printable(model.detail.name)} ")]
    screen.add(*padded(line, screen.width, ""))


def _footer(model: Model, screen: Frame) -> None:
    if model.typing is not None:
        screen.add(
            ("key", " /"),
            ("bold", printable(model.typing)),
            ("cursor", " "),
            ("dim", "  Enter keeps it, Esc shows all"),
        )
        return
    if model.said:
        screen.add(
            (
                "bad" if model.said_badly else "good",
                f" {'✗' if model.said_badly else '●'} {printable(model.said)}",
            )
        )
        return
    line: Line = []
    used = 0
    for key, text in _keys(model):
        used += width_of(key) + width_of(text) + 3
        if used > screen.width:
            break
        line += [("key", f" {key} "), ("dim", f"{text} ")]
    screen.add(*line)


def _keys(model: Model) -> list[tuple[str, str]]:
    """The keys that matter here, the most useful first: what does not fit is in the help."""
    page = model.page
    found = [("q", "leave"), ("?", "help"), ("p", "go on" if model.paused else "pause"), ("/", "filter")]
    match page:
        case ProcessesPage():
            found += [
                ("Enter", "detail"),
                ("s", "sort"),
                ("r", "reverse"),
                ("w", "now" if page.over_window else "60s"),
            ]
            found += [("t", "flat" if page.as_tree else "tree"), ("l", "log")]
        case DetailPage():
            found = [("Esc", "back"), ("← →", "section"), *found, ("l", "log")]
        case LookPage():
            found += [("[ ]", "process"), ("Enter", "look"), ("s", "sort")]
        case LogsPage():
            found += [("n", "next"), ("a", "all"), ("e", "level"), ("↑", "back")]
        case _ if model.subject() is not None:
            found += [("Enter", "process"), ("l", "log")]
        case _:
            pass
    if model.destructive and model.subject() is not None:
        found += [("R", "restart"), ("S", "stop"), ("K", "kill")]
    return [*found, ("+ -", "pace")]


def _over(screen: Frame, title: str, rows: list[Text]) -> None:
    """A box in the middle, above what is there."""
    wide = max(len(title), *(width_of(left) + width_of(right) + 1 for left, right in rows)) + 4
    wide = min(wide, screen.width)
    top = max(0, (len(screen.lines) - len(rows) - 2) // 2)
    edge = (screen.width - wide) // 2
    lines: list[Line] = [[("box bold", fit(f"─ {title} ".ljust(wide, "─"), wide))]]
    for left, right in rows:
        room = wide - 4 - width_of(left)
        lines.append([("box", "  "), ("box key", left), ("box", fit(right, max(0, room))), ("box", "  ")])
    lines.append([("box", "─" * wide)])
    for number, line in enumerate(lines):
        if top + number < len(screen.lines):
            under = screen.lines[top + number]
            screen.lines[top + number] = cut([*_part(under, edge), *line], screen.width)
    screen.hits = []


def _part(line: Line, width: int) -> Line:
    """The first `width` columns of a line, filled up."""
    kept = cut(line, width)
    used = sum(width_of(text) for _, text in kept)
    return [*kept, ("", " " * (width - used))]
