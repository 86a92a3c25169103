"""Tables, colour, progress and JSON: the only module of the shell that prints.

Colour: `--color always|never`, else NO_COLOR (https://no-color.org), else FORCE_COLOR, else a terminal whose
TERM is not `dumb`. Text that comes from a process never reaches a terminal with control characters in it.
"""

import os
import sys
import time
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self, TextIO

PROGRESS_AFTER: Final = 0.3
"""Seconds before progress is shown."""

_CODES: Final = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
NAME_COLORS: Final = ("cyan", "green", "magenta", "blue", "yellow")
"""The colours of process names, in turn."""

_flag = "auto"


def configure(color: str) -> None:
    """Sets what `--color` said: auto, always or never."""
    global _flag  # noqa: PLW0603 - one command line, one answer
    _flag = color


def wants_color(terminal: bool, flag: str, environ: Mapping[str, str]) -> bool:
    """Whether to colour, by the flag, the variables and the stream, in this order."""
    if flag != "auto":
        return flag == "always"
    if environ.get("NO_COLOR"):
        return False
    if forced := environ.get("FORCE_COLOR"):
        return forced != "0"
    return terminal and environ.get("TERM", "dumb") != "dumb"


def is_terminal(stream: TextIO) -> bool:
    """Whether `stream` is a terminal; a closed one is none."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def stdout_is_terminal() -> bool:
    """Whether a person sees standard output."""
    return is_terminal(sys.stdout)


def stdin_is_terminal() -> bool:
    """Whether a person types on standard input."""
    return is_terminal(sys.stdin)


def is_dumb() -> bool:
    """Whether the terminal can do nothing but print."""
    return os.environ.get("TERM", "dumb") == "dumb"


def painter(stream: TextIO | None = None) -> Callable[[str, str], str]:
    """The function that colours for `stream` (standard output): paint(text, style)."""
    target = stream or sys.stdout
    return paint if wants_color(is_terminal(target), _flag, os.environ) else plain


def paint(text: str, style: str) -> str:
    """`text` in that style: names of colours and weights, separated by spaces; none: as it is."""
    codes = ";".join(_CODES[name] for name in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m" if codes else text


def plain(text: str, style: str) -> str:  # noqa: ARG001 - the same shape as paint
    """`text` as it is."""
    return text


def write(text: str, *, end: str = "\n") -> None:
    """Prints to standard output."""
    print(text, end=end)  # noqa: T201 - this is the module that prints


def flush() -> None:
    """Sends on what standard output holds back."""
    sys.stdout.flush()


def write_error(text: str, *, end: str = "\n") -> None:
    """Prints to standard error, at once; a standard error that is closed takes nothing."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)  # noqa: T201 - this is the module that prints
    except (OSError, ValueError):
        return


def write_json(value: Any, *, stream: TextIO | None = None) -> None:
    """Prints `value`, of JSON types and msgspec structs, as one line of JSON."""
    print(to_json(value), file=stream or sys.stdout, flush=True)


def to_json(value: Any) -> str:
    """`value`, of JSON types and msgspec structs, as one line of JSON."""
    import msgspec

    return msgspec.json.encode(value).decode()


def printable(text: str) -> str:
    """`text` with control characters written as escapes, so that it can only be read."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def printable_line(text: str) -> str:
    """A line of a process's output for a terminal: colours and tabs pass, all other control is escaped."""
    if text.isprintable():
        return text
    import re

    parts = re.split(r"(\x1b\[[0-9;]*m|\t)", text)
    reset = "\x1b[0m" if len(parts) > 1 and "\x1b" in text else ""
    return "".join(part if k % 2 else printable(part) for k, part in enumerate(parts)) + reset


def width_of(text: str) -> int:
    """Columns that `text` takes: by wcwidth if it is loaded (in the console), else by a coarse rule."""
    if text.isascii():
        return len(text)
    if wcwidth := sys.modules.get("wcwidth"):
        return max(0, int(wcwidth.wcswidth(text)))
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def columns() -> int:
    """Width of the terminal: COLUMNS, else what it says, else 80."""
    try:
        return int(os.environ["COLUMNS"]) or 80
    except (KeyError, ValueError):
        pass
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def shorten(text: str, width: int) -> str:
    """`text` cut to `width` columns, with an ellipsis where it was cut."""
    if width_of(text) <= width:
        return text
    kept = text[: max(0, width - 1)]
    while kept and width_of(kept) > width - 1:
        kept = kept[:-1]
    return kept + "…"


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: frozenset[int] = frozenset(),
    style: Callable[[int, int, str], str] = lambda _row, _column, _text: "",
    color: Callable[[str, str], str] = plain,
    width: int | None = None,
    spare: Sequence[int] = (),
) -> list[str]:
    """Aligned lines, the header first.

    Args:
        header: the columns' names.
        rows: the cells; control characters in them are escaped.
        right: the columns aligned to the right.
        style: the style of a cell (row from 0, column from 0, text); the header is dim.
        color: `paint` or `plain`.
        width: a line has at most so many columns: what is `spare` is left out, then the last column is cut.
        spare: columns that may be left out, one after the other.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(width_of, column)) for column in zip(header, *cells, strict=True)]
    kept = list(range(len(widths)))
    if width is not None and widths:
        for column in spare:
            if sum(widths[k] + 2 for k in kept) - 2 <= width:
                break
            kept.remove(column)
        last = kept[-1]
        room = width - sum(widths[k] + 2 for k in kept[:-1])
        widths[last] = max(len(header[last]), min(widths[last], room))
    last = kept[-1] if kept else 0

    def line(row: Sequence[str], styles: Sequence[str]) -> str:
        parts = []
        for k in kept:
            cell = row[k]
            text = shorten(cell, widths[k])
            gap = " " * (widths[k] - width_of(text))
            shown = color(text, styles[k]) if text and styles[k] else text
            parts.append(gap + shown if k in right else shown if k == last else shown + gap)
        return "  ".join(parts).rstrip()

    lines = [line(header, ["dim"] * len(header))]
    for number, row in enumerate(cells):
        lines.append(line(row, [style(number, column, cell) for column, cell in enumerate(row)]))
    return lines


class Progress:
    """What is waited for now, on a terminal's standard error, once it has taken 300 ms.

    The line is drawn by a thread of its own, because those who report are blocked meanwhile. Used as a
    context manager; the line is gone afterwards.
    """

    def __init__(self) -> None:
        self._shown = is_terminal(sys.stderr) and os.environ.get("TERM", "dumb") != "dumb"
        self._text = ""
        self._since = time.monotonic()
        self._drawn = False
        self._lock = allocate_lock()
        self._ended = allocate_lock()

    def __enter__(self) -> Self:
        if self._shown:
            self._ended.acquire()
            start_new_thread(self._draw, ())
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._ended.release()
            with self._lock:
                self._shown = False
                self._clear()

    def __call__(self, text: str) -> None:
        """Says what is waited for from now on; nothing, if empty: then the line is free for output."""
        self._text = "; ".join(text.splitlines())
        if not text:
            with self._lock:
                self._clear()

    def _clear(self) -> None:
        if self._drawn:
            write_error("\r\x1b[K", end="")
            self._drawn = False

    def _draw(self) -> None:
        wait = PROGRESS_AFTER
        while not self._ended.acquire(timeout=wait):
            wait = 0.1
            with self._lock:
                if not self._shown:
                    return
                if self._text:
                    passed = f" ({time.monotonic() - self._since:.0f}s)"
                    text = shorten(printable(self._text), columns() - len(passed) - 1)
                    write_error(f"\r\x1b[K{text}{passed}", end="")
                    self._drawn = True
