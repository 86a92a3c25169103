"""What has to fit a terminal: a look's table, as its process has written it; lists of help.

A line that wraps takes a table apart. So the widest cells of text are cut in their middle: of a place in
the source both ends count, its function and its line. Numbers are never cut.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

_LEAST: Final = 10
"""Columns that a cell of text keeps, whatever the terminal."""
_GAP: Final = 2
"""Columns between two cells."""
_BESIDE: Final = 24
"""Columns that a text beside a name needs."""


def fitted(text: str, data: Any, width: int) -> str:
    """`text` with the lines of its table cut to `width` columns; as it is if it has none, or fits, or cannot.

    Columns without a single cell go first.

    Args:
        text: what a person reads of a look: a table, then notes.
        data: the same for a machine: {"rows", "columns", …}; anything else for what is no look.
        width: of the terminal.
    """
    if not isinstance(data, dict) or not data.get("rows"):
        return text
    lines = text.split("\n")
    keys = [str(key) for key in data.get("columns", ())]
    table, notes = lines[: len(data["rows"]) + 1], lines[len(data["rows"]) + 1 :]
    if re.split(r" {2,}", table[0].strip()) != [key.replace("_", " ").upper() for key in keys]:
        return text
    if max(map(len, table)) <= width:
        return text
    spans = _spans(table)
    if len(spans) != len(keys):  # a cell with gaps of its own
        return text
    cells = [[line[begin:end].strip() for begin, end in spans] for line in table]
    right = [all(_is_number(row.get(key)) for row in data["rows"]) for key in keys]
    said = [k for k in range(len(keys)) if any(row[k] for row in cells[1:])]
    cells = [[row[k] for k in said] for row in cells]
    right = [right[k] for k in said]
    widths = _widths(cells, right, width)
    if sum(widths) + _GAP * (len(widths) - 1) > width:
        return text
    return "\n".join([*(_line(row, widths, right) for row in cells), *notes])


def _spans(lines: Sequence[str]) -> list[tuple[int, int]]:
    """Where columns begin and end: between them all lines are blank, `_GAP` wide at the least."""
    wide = max(map(len, lines))
    blank = [all(len(line) <= k or line[k] == " " for line in lines) for k in range(wide)]
    marks = "".join(" " if each else "x" for each in blank)
    return [match.span() for match in re.finditer(rf"x(?: {{0,{_GAP - 1}}}x)*", marks)]


def _widths(cells: list[list[str]], right: list[bool], width: int) -> list[int]:
    """Of each column; text gives way, the widest first."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    least = [
        natural if number else min(natural, max(len(head), _LEAST))
        for head, natural, number in zip(cells[0], widths, right, strict=True)
    ]
    over = sum(widths) + _GAP * (len(widths) - 1) - width
    while over > 0:
        room = [wide if wide > low else 0 for wide, low in zip(widths, least, strict=True)]
        if not any(room):
            break
        widths[room.index(max(room))] -= 1
        over -= 1
    return widths


def _line(row: list[str], widths: list[int], right: list[bool]) -> str:
    parts = [
        text.rjust(wide) if number else shortened(text, wide).ljust(wide)
        for text, wide, number in zip(row, widths, right, strict=True)
    ]
    return (" " * _GAP).join(parts).rstrip()


def shortened(text: str, width: int) -> str:
    """`text` cut in its middle: `uvicorn.mid…ersMiddleware`."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def listed(rows: Sequence[tuple[str, str]], width: int, paint: Callable[[str, str], str]) -> list[str]:
    """Names and what they are, as help lists them: side by side, or below each other if that is too narrow.

    Args:
        rows: (name, text) pairs; the names are painted.
        width: of the terminal.
        paint: output.paint or output.plain.
    """
    from textwrap import wrap

    wide = max((len(name) for name, _ in rows), default=0)
    beside = width - wide - 2 * _GAP - 1
    lines = []
    for name, text in rows:
        if beside >= _BESIDE:
            first, *more = wrap(text, beside) or [""]
            lines.append(f"  {paint(name.ljust(wide), 'cyan')}  {first}".rstrip())
            indent = " " * (wide + 2 * _GAP)
        else:
            lines.append(f"  {paint(name, 'cyan')}")
            more = wrap(text, max(width - 2 * _GAP - 1, 1))
            indent = " " * (2 * _GAP)
        lines += [f"{indent}{line}" for line in more]
    return lines


def flowed(text: str, width: int) -> list[str]:
    """Prose in lines of `width` columns at the most; of a list, each entry on lines of its own.

    A line of a list is one that is indented, or has two spaces in a row: what follows them stays beside what
    comes before.
    """
    from textwrap import wrap

    lines: list[str] = []
    prose: list[str] = []
    for line in [*text.split("\n"), ""]:
        entry = re.match(r"( *\S.*? {2,}| +)", line)
        if line and entry is None:
            prose.append(line)
            continue
        lines += wrap(" ".join(prose), width, break_on_hyphens=False)
        prose = []
        hang = len(entry[1]) if entry is not None else 0
        indent = " " * (hang if hang + _BESIDE <= width else 6)
        lines += wrap(line, width, subsequent_indent=indent, break_on_hyphens=False) or [""]
    return lines[:-1]
