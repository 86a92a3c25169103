"""The application's own metrics (limpet.telemetry), of all its processes together.

Counters, histograms and summaries are added up over the instances and forks of a process, and keep what those
had measured that are gone: they never go down as long as the node lives. What a process had measured since
the last scrape before its end is lost. Gauges stay apart, each with the process that it is of, and vanish
with it. Names and labels that the format does not allow are made so that it does; what cannot be told apart
from something else then is left out, and counted.

Everything here runs beside the loop, one scrape at a time.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from limpet_supervisor.runtime.openmetrics import (
    Family,
    Histogram,
    Sample,
    Summary,
    Value,
    label_name,
    metric_name,
    names_of,
)

MOST: Final = 50_000
"""Series in one scrape; those beyond are left out, and counted."""
_OURS: Final = "limpet_"
_PROCESS: Final = "process"

Labels: TypeAlias = tuple[str, ...]
Key: TypeAlias = tuple[str, str]
"""Process (`web`) and name of a family."""


class Measured(Struct, frozen=True):
    """A histogram (with `buckets`) or a summary, as a snapshot has it."""

    count: float = 0
    sum: float = 0.0
    buckets: tuple[int, ...] = ()
    quantiles: dict[str, float] = {}


class Told(Struct, frozen=True):
    """A family, as `limpet.telemetry.snapshot` has it."""

    name: str
    kind: str
    labels: Labels
    samples: tuple[tuple[Labels, float | Measured], ...]
    help: str = ""
    unit: str = ""
    dropped: int = 0
    invalid: int = 0
    bounds: tuple[float, ...] = ()


class Source(NamedTuple):
    """Whose snapshot it is."""

    agent: object
    process: str
    """`web`."""
    name: str
    """`web.1`, `web.1/4711`."""


class _Shape(NamedTuple):
    """What all that is added up must have in common."""

    kind: str
    labels: Labels
    bounds: tuple[float, ...]
    unit: str


class Application:
    """Adds up what the processes tell."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        """What was left out, by the reason; each time."""
        self._live: dict[object, tuple[Source, dict[str, Told]]] = {}
        self._kept: dict[Key, tuple[Told, dict[Labels, Value]]] = {}
        """Of those that are gone."""

    def take(self, source: Source, data: Any) -> None:
        """The snapshot of a process, as it came."""
        try:
            told = msgspec.convert(data or [], list[Told])
        except msgspec.ValidationError:
            self.dropped["garbage"] += 1
            return
        families = {}
        for family in told:
            if family.kind not in ("counter", "gauge", "summary", "histogram") or any(
                len(labels) != len(family.labels) for labels, _ in family.samples
            ):
                self.dropped["garbage"] += 1
                continue
            families[family.name] = family
        before = self._live.get(source.agent)
        if before is not None:
            self._keep_what_went_down(before[0], before[1], families)
        self._live[source.agent] = source, families

    def forget_all_but(self, agents: Iterable[object], processes: Iterable[str]) -> None:
        """Whoever is gone has measured all that it will; of a process that was removed nothing stays."""
        here = set(agents)
        for agent in self._live.keys() - here:
            source, families = self._live.pop(agent)
            self._keep_what_went_down(source, families, {})
        known = set(processes)
        for key in [key for key in self._kept if key[0] not in known]:
            del self._kept[key]

    def _keep_what_went_down(self, source: Source, before: dict[str, Told], after: dict[str, Told]) -> None:
        """What is no more, or has begun anew; of a family with another shape since, only what has that."""
        room = MOST - sum(len(sums) for _, sums in self._kept.values())
        for name, family in before.items():
            if family.kind == "gauge":
                continue
            now = dict(after[name].samples) if name in after else {}
            for labels, value in family.samples:
                if labels not in now or _count(now[labels]) < _count(value):
                    key = (source.process, name)
                    shape, sums = self._kept.setdefault(key, (family, {}))
                    if _shape(shape) != _shape(family):
                        room += len(sums)
                        _, sums = self._kept[key] = (family, {})
                    if labels not in sums:
                        room -= 1
                        if room < 0:  # labels that are others in each life would pile up
                            self.dropped["too_many"] += 1
                            continue
                    sums[labels] = _plus(sums.get(labels), _value(family, value))

    # -- together -----------------------------------------------------------------------------------------

    def families(self, late: Iterable[object] = ()) -> list[Family]:
        """All metrics; the gauges of agents that are late are left out."""
        silent = set(late)
        found: dict[str, _Sum] = {}
        # Those that live come first: what an earlier release measured in another shape is what has to go.
        for agent, (source, families) in self._live.items():
            for family in families.values():
                if (into := self._into(found, family)) is None:
                    continue
                if family.kind != "gauge":
                    into.add_all(
                        source.process, {labels: _value(family, value) for labels, value in family.samples}
                    )
                elif agent not in silent:
                    into.add_all(
                        source.name,
                        {
                            labels: value
                            for labels, value in family.samples
                            if not isinstance(value, Measured)
                        },
                    )
                self._lost(into, family)
        for (process, _), (family, sums) in self._kept.items():
            if (into := self._into(found, family)) is not None:
                into.add_all(process, sums)
        return list(self._without_clashes(found.values()))

    def _into(self, found: dict[str, "_Sum"], family: Told) -> "_Sum | None":
        into = found.setdefault(family.name, _Sum(family))
        if into.shape != _shape(family):
            self.dropped["clash"] += 1
            return None
        return into

    def _lost(self, into: "_Sum", family: Told) -> None:
        into.lost += family.dropped
        into.invalid += family.invalid

    def _without_clashes(self, sums: Iterable["_Sum"]) -> Iterator[Family]:
        taken: set[str] = set()
        left = MOST
        lost: list[Sample] = []
        for each in sums:
            family = each.family()
            names = names_of(family)
            if family.name.startswith(_OURS) or names & taken:
                self.dropped["clash"] += 1
                continue
            taken |= names
            for reason, count in (("too_many", each.lost), ("invalid", each.invalid)):
                if count:
                    lost.append(((family.name, reason), count))
            if len(family.samples) > left:
                self.dropped["too_many"] += len(family.samples) - left
                family = family._replace(samples=family.samples[:left])
            left -= len(family.samples)
            yield family
        yield Family(
            "limpet_telemetry_dropped",
            "gauge",
            "Events that metrics of the application left out: too many label sets, or no number.",
            ("metric", "reason"),
            lost,
        )


class _Sum:
    """One family, added up."""

    def __init__(self, family: Told) -> None:
        self.shape = _shape(family)
        self.lost = 0
        self.invalid = 0
        self._told = family
        self._samples: dict[Labels, Value] = {}

    def add_all(self, process: str, values: dict[Labels, Value]) -> None:
        """Adds what was measured, under this process."""
        samples = self._samples
        for labels, value in values.items():
            key = (process, *labels)
            samples[key] = _plus(samples.get(key), value)

    def family(self) -> Family:
        """It, as the format has it."""
        told = self._told
        name = metric_name(told.name)
        if told.kind == "counter":
            name = name.removesuffix("_total")
        unit = told.unit if told.unit and name.endswith(f"_{told.unit}") else ""
        labels = [_PROCESS]
        for label in told.labels:
            allowed = label_name(label, (_PROCESS,))
            while allowed in labels:
                allowed += "_"
            labels.append(allowed)
        return Family(name, told.kind, told.help, tuple(labels), list(self._samples.items()), unit)


def _shape(family: Told) -> _Shape:
    return _Shape(family.kind, family.labels, family.bounds, family.unit)


def _count(value: float | Measured) -> float:
    """What only grows."""
    return value.count if isinstance(value, Measured) else value


def _value(family: Told, value: float | Measured) -> Value:
    if not isinstance(value, Measured):
        return value
    if family.kind == "histogram":
        counts = value.buckets
        if len(counts) != len(family.bounds) + 1:
            counts = (0,) * (len(family.bounds) + 1)
        return Histogram(family.bounds, counts, value.sum)
    quantiles = tuple(
        (float(share), found)
        for share, found in value.quantiles.items()
        if share.replace(".", "", 1).isdigit()
    )
    return Summary(value.count, value.sum, quantiles)


def _plus(before: Value | None, value: Value) -> Value:
    """Both together; quantiles of several cannot be told from their quantiles."""
    if before is None:
        return value
    if isinstance(before, Histogram) and isinstance(value, Histogram):
        counts = tuple(a + b for a, b in zip(before.counts, value.counts, strict=True))
        return Histogram(before.bounds, counts, before.sum + value.sum)
    if isinstance(before, Summary) and isinstance(value, Summary):
        return Summary(before.number + value.number, before.sum + value.sum)
    if isinstance(before, float | int) and isinstance(value, float | int):
        return before + value
    return before
