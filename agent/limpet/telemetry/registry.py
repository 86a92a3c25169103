"""The metrics that are attached in this process, and what they have measured."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from .definitions import Metric
from .dispatch import AlreadyExists, NotFound, attach, detach
from .series import Series

__all__ = ["Metrics", "metrics", "snapshot"]

_series: dict[str, Series] = {}
"""By the family's name."""


class Metrics:
    """Metrics that were attached together."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        """Of their families, as a snapshot has them."""

    def detach(self) -> None:
        """Takes them off; what they have measured is gone.

        Raises:
            NotFound: they are off already.
        """
        for name in self.names:
            if _series.pop(name, None) is None:
                raise NotFound(f"no metric {name!r} is attached")
            detach(f"limpet.metric.{name}")

    def __repr__(self) -> str:
        return f"<metrics {', '.join(self.names)}>"


def metrics(definitions: Iterable[Metric]) -> Metrics:
    """Attaches metrics: from now on they are measured, and found in a snapshot.

    Each is a handler of its own, so that one whose functions fail is quarantined alone.

    Raises:
        AlreadyExists: a metric of the same name is attached; none of these is, then.
        TypeError: one is no metric.
    """
    wanted = list(definitions)
    for definition in wanted:
        if not isinstance(definition, Metric):
            raise TypeError(f"expected a metric such as counter(…) makes, found {definition!r}")
    attached: dict[str, Series] = {}
    for definition in wanted:
        name = definition.family
        series = Series(definition)
        try:
            attach(f"limpet.metric.{name}", definition.event, series.take)
        except AlreadyExists:
            for other in attached:
                detach(f"limpet.metric.{other}")
            raise AlreadyExists(f"a metric {name!r} is attached already") from None
        attached[name] = series
    _series.update(attached)
    _serve()
    return Metrics(tuple(attached))


def snapshot() -> list[dict[str, Any]]:
    """What the attached metrics have measured in this process, since it began or was forked; plain JSON.

    A list of families, in order of attaching: `name` (as OpenMetrics has it, the unit at its end, with no
    `_total`), `kind` (counter, gauge, summary or histogram), `help`, `unit`, `labels` (names), `samples`
    (each the labels' values and what was measured), `dropped` (events beyond the limit of label sets),
    `invalid` (measurements that are no number) and, of a histogram, `bounds`.

    What was measured is a number; of a summary `{"count", "sum", "min", "max", "quantiles": {"0.5": …}}`; of
    a histogram `{"buckets", "count", "sum"}`: how many fell into each bucket (they are not cumulated), the
    last one above all bounds.
    """
    return [series.family() for series in list(_series.values())]


def _serve() -> None:
    """Lets the node fetch snapshots, if there is one around this process."""
    from limpet.agent import want

    want()


def _after_fork() -> None:
    for series in _series.values():
        series.reset()


os.register_at_fork(after_in_child=_after_fork)
