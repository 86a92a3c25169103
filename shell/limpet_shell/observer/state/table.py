"""A table: rows that are sorted, filtered, selected and scrolled; how it is drawn is not its business."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

NUMBERS: Final = frozenset({"count", "bytes", "seconds", "percent", "change", "bytes change"})
"""Units of what is aligned to the right and begins with the largest when sorted."""
LEAST_WIDTH: Final = 3


class Column(NamedTuple):
    """One column.

    Args:
        key: of the cells in it.
        title: its heading.
        unit: one of NUMBERS; `id`: a number that measures nothing; empty: text.
        width: columns of the terminal that it has at least.
        rank: where there is not enough room, columns of the highest rank go first; 0 stays.
        most: columns of the terminal that it has at most; 0: as many as there are.
        ends: both ends of its texts count: what is too long is cut in the middle.
    """

    key: str
    title: str
    unit: str = ""
    width: int = 0
    rank: int = 0
    most: int = 0
    ends: bool = False

    @property
    def right(self) -> bool:
        """Whether it is aligned to the right."""
        return self.unit in NUMBERS or self.unit == "id"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the key by which it is known, its cells, and how it is shown."""

    key: str
    cells: dict[str, Any]
    style: str = ""
    """`good`, `warn`, `bad`, `dim`, or empty."""
    sign: str = ""
    """What says the same as the style without colour, in front of the first cell."""
    branch: str = ""
    """Lines of a tree, in front of the sign."""
    styles: dict[str, str] = field(default_factory=dict)
    """Of single cells, by key."""


class Table:
    """See the module.

    Attributes:
        needle: only rows that contain this text, in any case, are there.
        selected: key of the row that the cursor is on. It follows its row wherever that is sorted.
        top: index of the first row that is shown.
        widths: of each column, the widest cell so far: columns grow and never shrink, so nothing flickers.
    """

    def __init__(self, columns: Sequence[Column], *, sort: str = "", descending: bool | None = None) -> None:
        self.columns = tuple(columns)
        self.sort = sort
        self.descending = self._starts_high(sort) if descending is None else descending
        self.needle = ""
        self.selected: str | None = None
        self.top = 0
        self.widths: dict[str, int] = {}
        self.ordered = True
        """Whether rows are sorted at all; a tree is not."""
        self._rows: list[Row] = []
        self._shown: list[Row] | None = None
        self._index = 0

    @property
    def total(self) -> int:
        """Rows, those that the filter hides included."""
        return len(self._rows)

    def put(self, rows: Iterable[Row]) -> None:
        """Replaces the rows; the selection stays on its row, or where that was."""
        self._rows = list(rows)
        self._shown = None

    def rows(self) -> list[Row]:
        """The rows that pass the filter, sorted."""
        if self._shown is None:
            rows = [row for row in self._rows if self._passes(row)]
            if self.ordered and self.sort:
                rows = _sorted(rows, self.sort, descending=self.descending)
            self._shown = rows
            self._settle()
        return self._shown

    def _passes(self, row: Row) -> bool:
        if not self.needle:
            return True
        needle = self.needle.casefold()
        return any(needle in str(cell).casefold() for cell in row.cells.values() if cell is not None)

    def _settle(self) -> None:
        """Finds the selected row again; if it is gone, the one that has come to its place is selected."""
        rows = self._shown or []
        for k, row in enumerate(rows):
            if row.key == self.selected:
                self._index = k
                return
        self._index = max(0, min(self._index, len(rows) - 1))
        self.selected = rows[self._index].key if rows else None

    @property
    def index(self) -> int:
        """Of the selected row, among those that are there."""
        self.rows()
        return self._index

    @property
    def row(self) -> Row | None:
        """The selected row; None: there is none."""
        rows = self.rows()
        return rows[self._index] if rows else None

    def select(self, index: int) -> None:
        """Moves the cursor to a row, or to the nearest that there is."""
        rows = self.rows()
        if rows:
            self._index = max(0, min(index, len(rows) - 1))
            self.selected = rows[self._index].key

    def window(self, height: int) -> list[Row]:
        """The rows that `height` lines show, scrolled so that the selected one is among them."""
        rows = self.rows()
        height = max(1, height)
        self.top = max(0, min(self.top, len(rows) - height))
        if self._index < self.top:
            self.top = self._index
        elif self._index >= self.top + height:
            self.top = self._index - height + 1
        return rows[self.top : self.top + height]

    def filter(self, needle: str) -> None:
        """Shows only the rows with that text."""
        self.needle = needle
        self._shown = None

    def sort_by(self, key: str) -> None:
        """Sorts by a column; by the one that it is sorted by already, the other way round."""
        if key == self.sort:
            self.descending = not self.descending
        else:
            self.sort, self.descending = key, self._starts_high(key)
        self._shown = None

    def sort_next(self, by: int = 1) -> None:
        """Sorts by the next column, or the one before."""
        keys = [column.key for column in self.columns]
        place = keys.index(self.sort) if self.sort in keys else -by
        self.sort = keys[(place + by) % len(keys)]
        self.descending = self._starts_high(self.sort)
        self._shown = None

    def reverse(self) -> None:
        """Sorts the other way round."""
        self.descending = not self.descending
        self._shown = None

    def _starts_high(self, key: str) -> bool:
        return any(column.key == key and column.unit in NUMBERS for column in self.columns)

    # -- widths -------------------------------------------------------------------------------------------

    def layout(self, width: int, measured: Callable[[Column], int]) -> list[tuple[Column, int]]:
        """The columns for which there is room, with their widths; one blank stands between two.

        Args:
            width: columns of the terminal.
            measured: the widest cell of a column, among those that are shown now.
        """
        if not self.columns:
            return []
        for column in self.columns:
            wide = max(len(column.title) + 1, column.width, measured(column))
            wide = min(wide, column.most) if column.most else wide
            self.widths[column.key] = max(self.widths.get(column.key, 0), wide)
        chosen = list(self.columns)
        while len(chosen) > 1 and self._needed(chosen) > width:
            worst = max(chosen, key=lambda column: column.rank)
            if not worst.rank:
                break
            chosen.remove(worst)
        widths = {column.key: self.widths[column.key] for column in chosen}
        self._squeeze(chosen, widths, width)
        return [(column, widths[column.key]) for column in chosen]

    def _needed(self, columns: Sequence[Column]) -> int:
        """The room that they need, where texts are cut to what they must have."""
        needed = (
            self.widths[column.key] if column.right else max(column.width, len(column.title))
            for column in columns
        )
        return sum(needed) + len(columns) - 1

    def _squeeze(self, columns: list[Column], widths: dict[str, int], width: int) -> None:
        """Cuts the widest text until all fit; gives what is left over to the last text."""
        texts = [column for column in columns if not column.right] or columns[-1:]
        room = (
            width - (len(columns) - 1) - sum(widths[column.key] for column in columns if column not in texts)
        )
        while sum(widths[column.key] for column in texts) > room:
            widest = max(texts, key=lambda column: widths[column.key])
            if widths[widest.key] <= LEAST_WIDTH:
                break
            widths[widest.key] -= 1
        if columns[-1] in texts:
            left = width - (len(columns) - 1) - sum(widths.values())
            widths[columns[-1].key] += max(0, left)


def _sorted(rows: list[Row], key: str, *, descending: bool) -> list[Row]:
    """By that cell; rows that have none come last, whichever way, and equal ones keep their order."""

    def rank(row: Row) -> tuple[int, Any]:
        value = row.cells[key]
        return (0, value) if isinstance(value, int | float) else (1, str(value).casefold())

    known = [row for row in rows if row.cells.get(key) is not None]
    unknown = [row for row in rows if row.cells.get(key) is None]
    return sorted(known, key=rank, reverse=descending) + unknown
