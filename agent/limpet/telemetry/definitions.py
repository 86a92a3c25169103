"""What is measured: counter, sum, last_value, summary and distribution, each of the events of one name.

They are Telemetry.Metrics': a name `bookshop.checkout.stop.duration` is the measurement `duration` of the
event `("bookshop", "checkout", "stop")`, unless `event_name` and `measurement` say otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf, isnan
from typing import Any, TypeAlias

from .dispatch import Event, Measurements, Metadata, checked

__all__ = ["BUCKETS", "Metric", "counter", "distribution", "last_value", "sum", "summary"]

Predicate: TypeAlias = Callable[[Metadata], object]
Measurement: TypeAlias = str | Callable[[Measurements], Any]

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of a distribution's buckets unless it has others: good for seconds of a request."""
LIMIT = 1000
"""Sets of tag values of one metric that are kept apart; what has any other is dropped, and counted."""

_TIMES = {"nanoseconds": 1e-9, "microseconds": 1e-6, "milliseconds": 1e-3, "seconds": 1.0, "minutes": 60.0,
          "hours": 3600.0}  # fmt: skip
_SIZES = {"bytes": 1.0, "kilobytes": 1e3, "megabytes": 1e6, "gigabytes": 1e9, "kibibytes": 2.0**10,
          "mebibytes": 2.0**20, "gibibytes": 2.0**30}  # fmt: skip
_SHORT = {"ns": "nanoseconds", "us": "microseconds", "ms": "milliseconds", "s": "seconds", "min": "minutes",
          "h": "hours", "B": "bytes", "kB": "kilobytes", "MB": "megabytes", "GB": "gigabytes",
          "KiB": "kibibytes", "MiB": "mebibytes", "GiB": "gibibytes"}  # fmt: skip


class Metric:
    """A definition: made by `counter` and its like, given to `metrics`."""

    __slots__ = (
        "buckets",
        "description",
        "drop",
        "event",
        "factor",
        "family",
        "keep",
        "kind",
        "limit",
        "measurement",
        "monotonic",
        "name",
        "tag_values",
        "tags",
        "unit",
    )

    def __init__(
        self,
        kind: str,
        name: str | Event,
        *,
        event_name: str | Event | None = None,
        measurement: Measurement | None = None,
        tags: Iterable[str] = (),
        tag_values: Callable[[Metadata], Mapping[str, Any]] | None = None,
        unit: str | tuple[str, str] = "",
        description: str = "",
        keep: Predicate | None = None,
        drop: Predicate | None = None,
        buckets: Sequence[float] = (),
        limit: int = LIMIT,
        monotonic: bool = True,
    ) -> None:
        parts = _parts(name)
        if event_name is None and len(parts) < 2:
            raise ValueError(f"{name!r} names no event: wanted its name and the measurement's, or event_name")
        if keep is not None and drop is not None:
            raise ValueError(f"{name!r} has both keep and drop: only one of them can be")
        self.kind = kind
        """counter, sum, last_value, summary or distribution."""
        self.monotonic = monotonic
        """Of a sum: whether it only grows."""
        self.name = ".".join(parts)
        self.event = parts[:-1] if event_name is None else _parts(event_name)
        self.measurement: Measurement = parts[-1] if measurement is None else measurement
        self.tags = tuple(tags)
        for tag in self.tags:
            if not (tag.isascii() and tag.isidentifier()):
                raise ValueError(
                    f"{name!r} has a tag {tag!r}: letters, digits and _ only, with no digit first"
                )
        self.tag_values = tag_values
        self.unit, self.factor = _unit(unit)
        self.family = _family(parts, self.unit)
        """Its name as OpenMetrics has it: with `_`, and the unit at its end."""
        self.description = description
        self.keep = keep
        self.drop = drop
        self.buckets = tuple(map(float, buckets))
        self.limit = limit

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


def counter(name: str | Event, **options: Any) -> Metric:
    """Counts events; the measurement in its name, as in `bookshop.checkout.stop.count`, need not be there.

    Options of all five:
        event_name: the event, if not the name's part before its last dot.
        measurement: the measurement's name, or a function of the measurements, if not what is behind it.
        tags: names of metadata whose values are kept apart. What is missing or None is empty text.
        tag_values: a function of the metadata that gives the tags' values.
        unit: what it is measured in, such as `"seconds"` or `"bytes"`; or `("seconds", "milliseconds")`:
            what it comes in and what it is to be converted to.
        description: for people.
        keep, drop: a function of the metadata: only events for which it is true are taken, or left out.
        limit: how many sets of tag values are kept apart; events with any other are dropped, and counted.

    Raises:
        ValueError: a name with no event, a unit that cannot be converted, an impossible tag; keep and drop.
    """
    return Metric("counter", name, **options)


def sum(name: str | Event, *, monotonic: bool = True, **options: Any) -> Metric:  # noqa: A001 - Telemetry.Metrics' name
    """Adds a measurement up; options as for `counter`.

    Args:
        name: of the event and the measurement.
        monotonic: it only grows, and a measurement below zero is dropped and counted. If not, it may go down
            as well, and is a gauge.
        options: as for `counter`.
    """
    return Metric("sum", name, monotonic=monotonic, **options)


def last_value(name: str | Event, **options: Any) -> Metric:
    """Keeps the last measurement; options as for `counter`."""
    return Metric("last_value", name, **options)


def summary(name: str | Event, **options: Any) -> Metric:
    """Number, sum, extremes and quantiles (of the last values) of a measurement; options as for `counter`."""
    return Metric("summary", name, **options)


def distribution(name: str | Event, *, buckets: Sequence[float] = BUCKETS, **options: Any) -> Metric:
    """A histogram of a measurement; options as for `counter`.

    Args:
        name: of the event and the measurement.
        buckets: upper bounds (a value on a bound belongs below it), ascending, in the unit that it is
            converted to.
        options: as for `counter`.
    """
    bounds = [float(bound) for bound in buckets]
    if not bounds or any(isnan(bound) for bound in bounds) or sorted(set(bounds)) != bounds:
        raise ValueError(f"{name!r}: buckets are numbers, each greater than the one before, not {buckets!r}")
    if bounds[-1] == inf:  # which is there in any case
        bounds.pop()
    return Metric("distribution", name, buckets=bounds, **options)


def _parts(name: str | Event) -> Event:
    """A name written with dots, or as a tuple."""
    parts = tuple(name.split(".")) if isinstance(name, str) else name
    if not all(checked(parts)):
        raise ValueError(f"{name!r} is no name: one of its parts is empty")
    return parts


def _unit(unit: str | tuple[str, str]) -> tuple[str, float]:
    """The unit's full name, and what a measurement is multiplied by."""
    if isinstance(unit, str):
        return _full(unit), 1.0
    source, target = map(_full, unit)
    for units in (_TIMES, _SIZES):
        if source in units and target in units:
            return target, units[source] / units[target]
    known = ", ".join((*_TIMES, *_SIZES))
    raise ValueError(f"{source!r} cannot be converted to {target!r}: there are {known}")


def _full(unit: str) -> str:
    unit = _SHORT.get(unit, unit)
    return f"{unit}s" if f"{unit}s" in _TIMES or f"{unit}s" in _SIZES else unit


def _family(parts: Event, unit: str) -> str:
    name, unit = _plain("_".join(parts)), _plain(unit)
    if name[0].isdecimal():
        name = f"_{name}"
    return name if not unit or name == unit or name.endswith(f"_{unit}") else f"{name}_{unit}"


def _plain(text: str) -> str:
    """ASCII letters, digits and `_` only; anything else is `_`."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in text)
