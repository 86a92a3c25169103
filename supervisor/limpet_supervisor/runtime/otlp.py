"""Metrics as OTLP has them: an ExportMetricsServiceRequest in protobuf.

https://github.com/open-telemetry/opentelemetry-proto, metrics/v1/metrics.proto. Written by hand, as the text
format is: the messages of opentelemetry-proto cost 6 MB and 0.1 s in a daemon of 14 MB, and a version of
protobuf that the application may not want. They read in the tests what is written here.

Sums, histograms and summaries are cumulative. A series has a start: the node's, or, if it came or began anew
later, the look before that (Resets and Gaps of the metrics data model). One that is gone is told as such
once ("no recorded value"), so that nobody goes on showing it.
"""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from struct import Struct, pack
from typing import Final, NamedTuple

from .openmetrics import Family, Histogram, Summary, Value

CONTENT_TYPE: Final = "application/x-protobuf"
_UNITS: Final = {"seconds": "s", "bytes": "By", "milliseconds": "ms", "microseconds": "us", "ratio": "1"}
"""UCUM's names, as the semantic conventions want them; others stay as they are."""
_CUMULATIVE: Final = b"\x10\x02"
_MONOTONIC: Final = b"\x18\x01"
_NO_VALUE: Final = 1
"""DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK."""
_INT64: Final = 1 << 63
_TIMES: Final = Struct("<BQBQ")
_DOUBLE: Final = Struct("<Bd")
_FIXED: Final = Struct("<Bq")
_AT_ONCE: Final = 100
"""Series after which the interpreter is left to the loop for a moment; else each turn of it may wait 5 ms."""
_PAUSE: Final = 1e-5
_GONE: Final = 10_000
"""Series that are gone and not told of yet, at most: those of a long outage would make requests too large."""
_LENGTH, _TAG_BITS = 2, 3

Key = tuple[str, tuple[str, ...]]
"""A series: its family's name, and the values of its labels."""


class Scope(NamedTuple):
    """Whose metrics they are: OpenTelemetry's instrumentation scope."""

    name: str
    version: str
    families: Sequence[Family]


class _Seen(NamedTuple):
    """A series at the last look."""

    start: int
    total: float
    """What only grows; 0 of a gauge."""
    scope: int
    family: Family
    """Without its samples: its shape."""


class Encoder:
    """Writes one request after the other, and remembers where each series began.

    Args:
        resource: what the metrics are of: `service.name` and so on.
        start: when the node began, in Unix nanoseconds.
    """

    def __init__(self, resource: Mapping[str, str], start: int) -> None:
        self.points = 0
        """Data points of the last request."""
        self._resource = b"".join(_field(1, _pair(name, value)) for name, value in resource.items())
        self._start = start
        self._last = start
        """The time of the last request."""
        self._seen: dict[Key, _Seen] = {}
        self._gone: dict[Key, _Seen] = {}

    def delivered(self) -> None:
        """The last request has arrived: what it told to be gone is told."""
        self._gone = {}

    def encode(self, scopes: Sequence[Scope], now: int) -> bytes:
        """The request; families without samples are left out.

        Args:
            scopes: all that there is.
            now: Unix nanoseconds, after the last request's.
        """
        seen: dict[Key, _Seen] = {}
        written = [self._families(index, scope.families, seen, now) for index, scope in enumerate(scopes)]
        for key in self._seen.keys() - seen.keys():
            self._gone[key] = self._seen[key]
        for key in self._gone.keys() & seen.keys():
            del self._gone[key]
        for key in list(self._gone)[:-_GONE]:  # whoever showed them has stopped to by itself
            del self._gone[key]
        lost: dict[tuple[int, str, str], tuple[Family, list[bytes]]] = {}
        for (name, values), gone in self._gone.items():
            _, points = lost.setdefault((gone.scope, name, gone.family.kind), (gone.family, []))
            points.append(_no_point(gone, values, now))
        for (index, *_), (family, points) in lost.items():
            written[index].append(_metric(family, points))
        self._seen = seen
        self._last = now
        self.points = len(seen) + len(self._gone)
        body = [_field(1, self._resource)]
        for scope, metrics in zip(scopes, written, strict=True):
            about = _field(1, _text(1, scope.name) + _text(2, scope.version))
            body.append(_field(2, about + b"".join(metrics)))
        return _field(1, b"".join(body))

    def _families(
        self, scope: int, families: Iterable[Family], seen: dict[Key, _Seen], now: int
    ) -> list[bytes]:
        written = []
        for family in families:
            if not family.samples:
                continue
            shape = family._replace(samples=())
            heads = [_text(1, label) for label in family.labels]
            tag = 9 if family.kind == "histogram" else 7
            points = []
            for number, (values, value) in enumerate(family.samples):
                if number % _AT_ONCE == _AT_ONCE - 1:
                    time.sleep(_PAUSE)
                start = self._began((family.name, values), value, scope, shape, seen)
                attributes = b"".join(
                    [_field(tag, head + _word(text)) for head, text in zip(heads, values, strict=True)]
                )
                points.append(attributes + _TIMES.pack(17, start, 25, now) + _value(value))
            written.append(_metric(family, points))
        return written

    def _began(self, key: Key, value: Value, scope: int, shape: Family, seen: dict[Key, _Seen]) -> int:
        """When the series began."""
        total = 0.0 if shape.kind == "gauge" else _total(value)
        before = self._seen.get(key)
        start = self._last if before is None or total < before.total else before.start
        seen[key] = _Seen(start, total, scope, shape)
        return start


def rejected(answer: bytes) -> tuple[int, str]:
    """How many data points the endpoint has not taken, and why: ExportMetricsServiceResponse.partial_success.

    Raises:
        ValueError: it is no such message.
    """
    count, message = 0, ""
    for field, value in _fields(answer):
        if field == 1 and isinstance(value, bytes):
            for inner, found in _fields(value):
                if inner == 1 and isinstance(found, int):
                    count = found
                elif inner == 2 and isinstance(found, bytes):
                    message = found.decode("utf-8", "replace")
    return count, message


def why(status: bytes) -> str:
    """The message of a google.rpc.Status, which tells what is wrong with a request.

    Raises:
        ValueError: it is no such message.
    """
    texts = [value for field, value in _fields(status) if field == 2 and isinstance(value, bytes)]
    return texts[-1].decode("utf-8", "replace") if texts else ""


# -- protobuf (https://protobuf.dev/programming-guides/encoding/) --------------------------------------------


def _metric(family: Family, points: Sequence[bytes]) -> bytes:
    data = b"".join([_field(1, point) for point in points])
    name = family.name
    match family.kind:
        case "counter":
            data = _field(7, data + _CUMULATIVE + _MONOTONIC)
        case "info":  # a sum that may go down, as OpenTelemetry's compatibility specification wants it
            name, data = f"{name}_info", _field(7, data + _CUMULATIVE)
        case "histogram":
            data = _field(9, data + _CUMULATIVE)
        case "summary":
            data = _field(11, data)
        case _:
            data = _field(5, data)
    unit = _UNITS.get(family.unit, family.unit)
    return _field(2, _text(1, name) + _text(2, family.help) + _text(3, unit) + data)


def _value(value: Value) -> bytes:
    if isinstance(value, Histogram):
        found = [_whole(count) for count in value.counts]
        counts = pack(f"<{len(found)}Q", *found)
        bounds = pack(f"<{len(value.bounds)}d", *value.bounds)
        total = _FIXED.pack(33, _whole(sum(found))) + _DOUBLE.pack(41, _float(value.sum))
        return total + _field(6, counts) + _field(7, bounds)
    if isinstance(value, Summary):
        quantiles = b"".join(
            _field(6, _DOUBLE.pack(9, share) + _DOUBLE.pack(17, found)) for share, found in value.quantiles
        )
        return _FIXED.pack(33, _whole(value.number)) + _DOUBLE.pack(41, _float(value.sum)) + quantiles
    if isinstance(value, int) and -_INT64 <= value < _INT64:
        return _FIXED.pack(49, value)
    return _DOUBLE.pack(33, _float(value))


def _no_point(gone: _Seen, values: tuple[str, ...], now: int) -> bytes:
    histogram = gone.family.kind == "histogram"
    pairs = zip(gone.family.labels, values, strict=True)
    attributes = b"".join(_field(9 if histogram else 7, _pair(name, value)) for name, value in pairs)
    flags = bytes(((10 if histogram else 8) << _TAG_BITS, _NO_VALUE))
    return attributes + _TIMES.pack(17, gone.start, 25, now) + flags


def _total(value: Value) -> float:
    if isinstance(value, Histogram):
        return sum(value.counts)
    return value.number if isinstance(value, Summary) else value


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond all that a double holds
        return math.inf if value > 0 else -math.inf


def _whole(number: float) -> int:
    return int(number) if 0 <= number < _INT64 else 0


def _pair(name: str, value: str) -> bytes:
    """A KeyValue."""
    return _text(1, name) + _word(value)


def _word(value: str) -> bytes:
    """The value of a KeyValue: a string, which may be empty."""
    return _field(2, _field(1, value.encode("utf-8", "replace")))


def _text(field: int, text: str) -> bytes:
    return _field(field, text.encode("utf-8", "replace")) if text else b""


def _field(field: int, data: bytes) -> bytes:
    """A field whose length comes first; all of ours have numbers below 16."""
    size = len(data)
    if size < 0x80:
        return bytes((field << _TAG_BITS | _LENGTH, size)) + data
    head = bytearray((field << _TAG_BITS | _LENGTH,))
    while size >= 0x80:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + data


def _fields(data: bytes) -> Iterable[tuple[int, int | bytes]]:
    """The fields of a message, in order.

    Raises:
        ValueError: it is none.
    """
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        value: int | bytes
        if kind == 0:
            value, at = _varint(data, at)
        else:
            if kind == _LENGTH:
                size, at = _varint(data, at)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
            else:
                raise ValueError(f"wire type {kind}")
            if len(data) - at < size:
                raise ValueError("it ends too early")
            value = data[at : at + size]
            at += size
        yield tag >> _TAG_BITS, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    found = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return found, at
    raise ValueError("it ends too early")
