"""What has been measured: the cells of one metric, one for each set of tag values.

Invariant: a cell changes under its metric's lock. The lock is re-entrant, as a signal handler of the
application may bring an event in the middle of another; and no signal is handled between the reading of a
part of a cell and its writing.
"""

from __future__ import annotations

from _bisect import bisect_left
from _thread import RLock
from collections import deque
from math import inf, isfinite
from typing import Any, Protocol

from .definitions import Metric
from .dispatch import Event, Measurements, Metadata

__all__ = ["Series"]

LONGEST = 200
"""Characters of a tag's value."""
RECENT = 256
"""Measurements that a summary's quantiles are of."""
QUANTILES = (0.5, 0.9, 0.95, 0.99)
"""By nearest rank."""

TYPES = {"counter": "counter", "last_value": "gauge", "summary": "summary", "distribution": "histogram"}


class _Cell(Protocol):
    def add(self, value: float, /) -> None:
        """Takes a measurement."""

    def value(self, lock: RLock, /) -> Any:
        """What a snapshot has of it; the lock is held no longer than copying takes."""


class _Total:
    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total: float = 0

    def add(self, value: float) -> None:
        self.total += value

    def value(self, _lock: RLock) -> float:
        return self.total


class _Last:
    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last: float = 0

    def add(self, value: float) -> None:
        self.last = value

    def value(self, _lock: RLock) -> float:
        return self.last


class _Summary:
    __slots__ = ("count", "greatest", "least", "recent", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total: float = 0
        self.least = inf
        self.greatest = -inf
        self.recent: deque[float] = deque(maxlen=RECENT)

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        if value < self.least:  # noqa: PLR1730 - after a call a signal may be handled
            self.least = value
        if value > self.greatest:  # noqa: PLR1730 - same reason
            self.greatest = value
        self.recent.append(value)

    def value(self, lock: RLock) -> dict[str, Any]:
        with lock:
            found = {"count": self.count, "sum": self.total, "min": self.least, "max": self.greatest}
            ordered = list(self.recent)
        ordered.sort()
        return {**found, "quantiles": {str(share): _nearest(ordered, share) for share in QUANTILES}}


class _Distribution:
    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total: float = 0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def value(self, lock: RLock) -> dict[str, Any]:
        with lock:
            counts, total = list(self.counts), self.total
        return {"buckets": counts, "count": sum(counts), "sum": total}


class Series:
    """A metric that is attached: takes its events and keeps what they measure."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.reset()

    def reset(self) -> None:
        """Starts from zero, with a lock of its own."""
        self._lock = RLock()
        self._cells: dict[tuple[str, ...], _Cell] = {}
        self._dropped = 0
        self._invalid = 0
        if not self.metric.tags and self.metric.kind in ("counter", "sum", "distribution"):
            self._cells[()] = self._new()  # zero is known before the first event

    def take(self, _event: Event, measurements: Measurements, metadata: Metadata, _config: object) -> None:
        """The handler of its events. What the metric's own functions raise quarantines it."""
        metric = self.metric
        if metric.keep is not None and not metric.keep(metadata):
            return
        if metric.drop is not None and metric.drop(metadata):
            return
        value: float
        if metric.kind == "counter":
            value = 1
        else:
            wanted = metric.measurement
            found = measurements.get(wanted) if isinstance(wanted, str) else wanted(measurements)
            if found is None:
                return
            value = _number(found) * metric.factor
            if not isfinite(value) or (value < 0 and metric.kind == "sum" and metric.monotonic):
                with self._lock:
                    self._invalid += 1
                return
        key: tuple[str, ...] = ()
        if metric.tags:
            values = metadata if metric.tag_values is None else metric.tag_values(metadata)
            key = tuple(
                [
                    found if type(found) is str and len(found) <= LONGEST else _text(found)
                    for found in map(values.get, metric.tags)
                ]
            )
        with self._lock:
            cell = self._cells.get(key)
            if cell is None:
                if len(self._cells) >= metric.limit:
                    self._dropped += 1
                    return
                cell = self._cells[key] = self._new()
            cell.add(value)

    def family(self) -> dict[str, Any]:
        """All that has been measured, as `snapshot` has it."""
        metric = self.metric
        with self._lock:
            cells = list(self._cells.items())
            dropped, invalid = self._dropped, self._invalid
        samples = [[list(key), cell.value(self._lock)] for key, cell in cells]
        found: dict[str, Any] = {
            "name": metric.family,
            "kind": TYPES.get(metric.kind) or ("counter" if metric.monotonic else "gauge"),
            "help": metric.description,
            "unit": metric.unit,
            "labels": list(metric.tags),
            "samples": samples,
            "dropped": dropped,
            "invalid": invalid,
        }
        if metric.kind == "distribution":
            found["bounds"] = list(metric.buckets)
        return found

    def _new(self) -> _Cell:
        match self.metric.kind:
            case "last_value":
                return _Last()
            case "summary":
                return _Summary()
            case "distribution":
                return _Distribution(self.metric.buckets)
            case _:
                return _Total()


def _number(found: Any) -> float:
    """A measurement as a number; NaN if it is none. Of text none is made, though Python could."""
    if type(found) is float:
        return found
    if isinstance(found, str | bytes | bytearray):
        return float("nan")
    try:
        return float(found)  # an int, a bool, a Decimal, one of numpy's
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def _text(value: Any) -> str:
    """A tag's value; empty if there is none."""
    return "" if value is None else str(value)[:LONGEST]


def _nearest(ordered: list[float], share: float) -> float:
    """The least of the ordered values that so large a share of them does not exceed."""
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
