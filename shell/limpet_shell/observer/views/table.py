"""A table's heading and the rows that are seen."""

from typing import Any

from limpet_shell.fitting import shortened
from limpet_shell.observer.state.table import Column, Row, Table
from limpet_shell.output import width_of

from .cells import show
from .frame import Frame, Line, fit, padded


def draw(table: Table, frame: Frame, *, empty: str = "nothing") -> None:
    """Fills what is left of the frame with a table."""
    height = frame.left - 1
    if height < 1:
        return
    window = table.window(height)
    texts = [{column.key: _text(row, column) for column in table.columns} for row in window]
    whole = [text for row, text in zip(window, texts, strict=True) if len(row.cells) > 1]

    def measured(column: Column) -> int:
        return max((width_of(text[column.key]) for text in whole), default=0)

    layout = table.layout(frame.width, measured)
    _heading(table, layout, frame)
    if not window:
        frame.add(("dim", empty if not table.total else f"no row contains {table.needle!r}"))
        return
    for number, (row, text) in enumerate(zip(window, texts, strict=True)):
        line = _line(row, text, layout)
        chosen = row.key == table.selected
        frame.hit(0, frame.width, "row", str(table.top + number))
        frame.add(*(padded(line, frame.width, "selected") if chosen else line))


def _heading(table: Table, layout: list[tuple[Column, int]], frame: Frame) -> None:
    line: Line = []
    left = 0
    for column, width in layout:
        sorted_by = table.ordered and column.key == table.sort
        mark = ("▼" if table.descending else "▲") if sorted_by else ""
        if table.ordered:
            frame.hit(left, left + width, "sort", column.key)
        title = fit(f"{column.title}{mark}", width, right=column.right)
        line += [("title sorted" if sorted_by else "title", title), ("title", " ")]
        left += width + 1
    frame.add(*line[:-1])


def _text(row: Row, column: Column) -> str:
    value: Any = row.cells.get(column.key, "")
    text = show(value, column.unit)
    if column.right and row.styles.get(column.key) == "bad":
        text = f"!{text}"
    return f"{row.branch}{_sign(row)}{text}" if _leads(row, column) else text


def _sign(row: Row) -> str:
    return f"{row.sign} " if row.sign else ""


def _leads(row: Row, column: Column) -> bool:
    """Whether it is the row's first column, which bears the sign."""
    return column.key == next(iter(row.cells), "")


def _line(row: Row, texts: dict[str, str], layout: list[tuple[Column, int]]) -> Line:
    line: Line = []
    if len(row.cells) == 1:  # a heading among the rows: it may go on over all columns
        first = layout[0][0].key
        return [("dim", row.branch), (row.style, texts[first][len(row.branch) :])]
    for column, width in layout:
        whole = texts[column.key]
        text = fit(shortened(whole, width) if column.ends else whole, width, right=column.right)
        style = row.styles.get(column.key, row.style)
        if _leads(row, column) and row.sign:
            lead = len(row.branch)
            mark = lead + len(row.sign)
            line += [("dim", text[:lead]), (row.styles.get("@", row.style), text[lead:mark])]
            line += [(style, text[mark:]), ("", " ")]
        else:
            style = "dim" if texts[column.key] == "-" else style
            line += [(style, text), ("", " ")]
    return line[:-1]
