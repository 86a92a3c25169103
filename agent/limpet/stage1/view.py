"""What a look at the process found: rows for a machine, a table for a person."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from .natives import give_way
from .render import Text, bounded

ROWS: Final = 10_000
"""Rows in `data`; a note tells of the others."""
_SLICE: Final = 50
"""Rows between which others may run."""
_WIDTH: Final = 60
"""Characters of a cell, but for those of the last column."""
_SCALES: Final = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


class View(Text):
    """Rows with the same keys, in their order; its repr is what it has to say. A sequence of its rows.

    Args:
        kind: which look it is: `tasks`, `types`.
        rows: values are text, numbers, None, and lists and dicts of such.
        columns: keys that the table shows, in this order; default: those of the first row.
        units: of columns of numbers: `bytes`, `seconds`, `percent`, or `id` for a number that counts nothing.
        notes: lines below the table: what is left out, and why.
        text: shown in place of the table.
        empty: shown in place of a table without rows.
    """

    def __init__(
        self,
        kind: str,
        rows: Sequence[dict[str, Any]] = (),
        *,
        columns: Sequence[str] = (),
        units: Mapping[str, str] | None = None,
        notes: Sequence[str] = (),
        text: str = "",
        empty: str = "nothing",
    ) -> None:
        self.kind = kind
        self.rows = list(rows)
        self.columns = tuple(columns) or tuple(self.rows[0] if self.rows else ())
        self.units = dict(units or {})
        self.notes = tuple(notes)
        self.objects: list[Any] = []
        """What the rows are about, where a session may want it; it is never sent."""
        self._empty = empty
        super().__init__(text)

    @property
    def data(self) -> dict[str, Any]:
        """The same as plain JSON: kind, rows, columns, units, notes."""
        notes = list(self.notes)
        if len(self.rows) > ROWS:
            notes.append(f"{len(self.rows) - ROWS:,} more rows are left out")
        return {
            "kind": self.kind,
            "rows": [{key: _plain(value) for key, value in row.items()} for row in self._some_rows()],
            "columns": list(self.columns),
            "units": self.units,
            "notes": notes,
        }

    def _some_rows(self) -> Iterator[dict[str, Any]]:
        """ROWS of them, with room for others between."""
        for number, row in enumerate(self.rows[:ROWS], 1):
            yield row
            if number % _SLICE == 0:
                give_way()

    @property
    def text(self) -> str:
        """For a person."""
        shown = self._text or (self._table() if self.rows else self._empty)
        return "\n".join((shown, *(f"({note})" for note in self.notes)))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]

    def _table(self) -> str:
        columns = self.columns
        right = [all(type(row.get(key)) in (int, float, type(None)) for row in self.rows) for key in columns]
        rows = [[key.replace("_", " ").upper() for key in columns]]
        rows.extend(
            [cell(row.get(key), self.units.get(key, "")) for key in columns] for row in self._some_rows()
        )
        last = len(columns) - 1
        widths = [
            max(len(row[k]) if k == last else min(len(row[k]), _WIDTH) for row in rows)
            for k in range(len(columns))
        ]
        return "\n".join(
            "  ".join(
                text.rjust(width) if flush else text if k == last else _cut(text, width).ljust(width)
                for k, (text, width, flush) in enumerate(zip(row, widths, right, strict=True))
            ).rstrip()
            for row in rows
        )


def cell(value: Any, unit: str = "") -> str:
    """One value as a table shows it: `31.4 MiB`, `1.2ms`, `12,345`, empty for None."""
    if value is None:
        return ""
    if type(value) is int or type(value) is float:
        if unit == "bytes":
            return size(value)
        if unit == "id":
            return str(value)
        if unit == "seconds":
            return duration(value)
        if unit == "percent":
            return f"{value:.1f}%"
        return f"{value:,}" if type(value) is int else f"{value:,.3f}".rstrip("0").rstrip(".")
    if type(value) is list:
        return ", ".join(map(cell, value))
    return " ".join(str(value).split()) if type(value) in (str, bool) else bounded(value, 200)


def size(count: float) -> str:
    """`31.4 MiB` for a number of bytes."""
    for name, scale in _SCALES:
        if abs(count) >= scale:
            return f"{count / scale:.1f} {name}"
    return f"{count:.0f} B"


def duration(seconds: float) -> str:
    """`1.2ms`, `3.4s`, `2m05s`, `3h20m`."""
    if abs(seconds) < 1e-3:
        return f"{seconds * 1e6:.0f}us"
    if abs(seconds) < 1:
        return f"{seconds * 1e3:.1f}ms"
    if abs(seconds) < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _plain(value: Any) -> Any:
    """`value` as JSON has it; what JSON does not have, as text."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) in (list, tuple):
        return [_plain(each) for each in value]
    if type(value) is dict:
        return {str(key): _plain(each) for key, each in value.items()}
    return bounded(value, 200)
