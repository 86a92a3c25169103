"""Metrics: what a scrape of the node has, the application's own first, with what has changed a second."""

import re
from typing import Any, Final

from limpet_supervisor.client import messages

from .page import Page
from .series import Series
from .table import Column, Row, Table

_LINE: Final = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>[^ ]+)")
_LEFT_OUT: Final = ("_bucket", "_created")
_OURS: Final = "limpet_"
_COST: Final = 0.05
"""Seconds of work that a scrape counts as: every process is asked."""


class MetricsPage(Page):
    """Fed by Metrics."""

    title = "Metrics"

    def __init__(self) -> None:
        super().__init__()
        self.table: Table = Table(
            (
                Column("metric", "METRIC", width=24, most=60, ends=True),
                Column("labels", "LABELS", width=16),
                Column("value", "VALUE", "count", width=12),
                Column("rate", "A SECOND", "count", width=9, rank=1),
            )
        )
        self.table.ordered = False
        self.cost = _COST
        self._series: dict[str, Series] = {}

    def requests(self) -> list[messages.Request]:
        """A scrape."""
        return [messages.Metrics()]

    def take(self, reply: Any) -> None:
        """Takes a scrape in; `at` of its changes is the observer's own clock."""
        if not isinstance(reply, messages.MetricsReply):
            return
        rows = []
        kinds: dict[str, str] = {}
        for text in reply.text.splitlines():
            if text.startswith("# TYPE "):
                _, _, name, kind = text.split(" ", 3)
                kinds[name] = kind
            elif not text.startswith("#") and (found := _LINE.match(text)):
                rows += self._row(found["name"], found["labels"] or "", found["value"], kinds)
        self._series = {row.key: self._series[row.key] for row in rows if row.key in self._series}
        self.table.put(sorted(rows, key=lambda row: row.key.startswith(_OURS)))

    def _row(self, name: str, labels: str, value: str, kinds: dict[str, str]) -> list[Row]:
        if name.endswith(_LEFT_OUT):
            return []
        try:
            number = float(value)
        except ValueError:
            return []
        key = f"{name}{{{labels}}}"
        counts = name.endswith(("_total", "_count", "_sum")) or kinds.get(name) == "counter"
        rate = None
        if counts:
            series = self._series.setdefault(key, Series())
            series.add(self.clock, number)
            rate = series.rate(0.0)
        cells = {
            "metric": name,
            "labels": labels.replace('"', ""),
            "value": int(number) if number.is_integer() else number,
            "rate": rate if counts else "",
        }
        return [Row(key, cells, "dim" if name.startswith(_OURS) else "")]
