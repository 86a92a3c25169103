"""The text format of OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/).

prometheus_client writes it as well, at 8 MB and 60 ms of import: more than half of what this daemon takes in
all. Its parser and Prometheus itself check in the tests what is written here.
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_NOT_NAME: Final = re.compile(r"[^a-zA-Z0-9_:]")
_NOT_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]")
_ESCAPED: Final = re.compile(r'[\\\n"]')
_ESCAPES: Final = {"\\": "\\\\", "\n": "\\n", '"': '\\"'}
_SUFFIXES: Final = {
    "counter": ("_total", "_created"),
    "gauge": ("",),
    "info": ("_info",),
    "summary": ("", "_count", "_sum", "_created"),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
}
"""What the names of a family's samples end with, by its type."""


class Histogram(NamedTuple):
    """What fell into buckets."""

    bounds: tuple[float, ...]
    """Upper bounds, ascending, without infinity."""
    counts: tuple[int, ...]
    """Not cumulated; one more than the bounds: above all of them."""
    sum: float


class Summary(NamedTuple):
    """A number of measurements, their sum, and quantiles where they are known."""

    number: float
    sum: float
    quantiles: tuple[tuple[float, float], ...] = ()


Value = float | Histogram | Summary
Sample = tuple[tuple[str, ...], Value]
"""The labels' values, and what was measured."""


class Family(NamedTuple):
    """A metric with all its samples."""

    name: str
    """With its unit at the end; of a counter without `_total`."""
    kind: str
    """counter, gauge, info, summary, histogram."""
    help: str
    labels: tuple[str, ...]
    samples: Sequence[Sample]
    unit: str = ""


def metric_name(text: str) -> str:
    """`text` as a name of a metric: what may not stand in one becomes `_`."""
    name = _NOT_NAME.sub("_", text) or "_"
    return f"_{name}" if name[0].isdigit() else name


def label_name(text: str, reserved: Iterable[str] = ()) -> str:
    """`text` as a name of a label; `exported_` comes before one that is reserved."""
    name = _NOT_LABEL.sub("_", text) or "_"
    name = f"_{name}" if name[0].isdigit() else name
    if name.startswith("__"):
        name = f"x{name}"
    return f"exported_{name}" if name in (*reserved, "le", "quantile") else name


def names_of(family: Family) -> set[str]:
    """All names that samples of the family may have: no two families may share one."""
    return {f"{family.name}{suffix}" for suffix in (*_SUFFIXES[family.kind], "")}


def render(families: Iterable[Family]) -> bytes:
    """The families as text; one without samples is left out."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        lines.append(f"# TYPE {family.name} {family.kind}")
        if family.unit:
            lines.append(f"# UNIT {family.name} {family.unit}")
        if family.help:
            lines.append(f"# HELP {family.name} {_escaped(' '.join(family.help.split()))}")
        heads = [f'{label}="' for label in family.labels]
        for values, value in family.samples:
            pairs = ",".join([f'{head}{_escaped(text)}"' for head, text in zip(heads, values, strict=True)])
            _sample(lines, family, pairs, value)
    lines.append("# EOF\n")
    return "\n".join(lines).encode("utf-8", "replace")


def _sample(lines: list[str], family: Family, pairs: str, value: Value) -> None:
    name = family.name
    labels = f"{{{pairs}}}" if pairs else ""
    between = "," if pairs else ""
    if isinstance(value, Histogram):
        total = 0
        for bound, count in zip((*value.bounds, math.inf), value.counts, strict=True):
            total += count
            lines.append(f'{name}_bucket{{{pairs}{between}le="{_number(bound, bucket=True)}"}} {total}')
        lines.append(f"{name}_count{labels} {total}")
        lines.append(f"{name}_sum{labels} {_number(value.sum)}")
    elif isinstance(value, Summary):
        for share, found in value.quantiles:
            quantile = _number(share, bucket=True)
            lines.append(f'{name}{{{pairs}{between}quantile="{quantile}"}} {_number(found)}')
        lines.append(f"{name}_count{labels} {_number(value.number)}")
        lines.append(f"{name}_sum{labels} {_number(value.sum)}")
    else:
        suffix = {"counter": "_total", "info": "_info"}.get(family.kind, "")
        lines.append(f"{name}{suffix}{labels} {_number(value)}")


def _number(value: float, *, bucket: bool = False) -> str:
    if isinstance(value, int) and not bucket:
        return str(value)
    value = float(value)
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return repr(value)


def _escaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], text)
