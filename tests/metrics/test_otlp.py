"""OTLP: what is written is what OpenTelemetry's own messages read, and starts of series are right."""

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from limpet_supervisor.runtime.openmetrics import Family, Histogram, Summary, Value
from limpet_supervisor.runtime.otlp import Encoder, Scope, rejected
from support.collector import Pushed, labels, read

STARTED = 1_000


def pushed(encoder: Encoder, now: int, *families: Family) -> Pushed:
    """What OpenTelemetry reads of a request."""
    return Pushed("", {}, read(encoder.encode([Scope("limpet", "1.0", families)], now)))


def counter(**values: float) -> Family:
    """A counter with a label."""
    return Family("c", "counter", "", ("of",), [((name,), value) for name, value in values.items()])


def gauge(**values: float) -> Family:
    """A gauge with a label."""
    return Family("g", "gauge", "", ("of",), [((name,), value) for name, value in values.items()])


def of(name: str) -> frozenset[tuple[str, str]]:
    """The attributes of a series of these."""
    return frozenset({("of", name)})


def test_each_type_is_read_as_it_is_meant() -> None:
    found = pushed(
        Encoder({"service.name": "shop", "host.name": "größe"}, STARTED),
        2_000,
        Family("a", "counter", "Counts.", (), [((), 3)]),
        Family("b_seconds", "gauge", "", ("x", "y"), [(("1", ""), 0.5), (("2", "ü"), math.inf)], "seconds"),
        Family("c", "info", "", ("version",), [(("1.0",), 1)]),
        Family(
            "d_bytes", "histogram", "", ("x",), [(("1",), Histogram((0.1, 1.0), (2, 3, 4), 7.5))], "bytes"
        ),
        Family("e", "summary", "", (), [((), Summary(4, 2.0, ((0.5, 0.4), (0.99, 1.0))))]),
        Family("f", "gauge", "Without samples.", ("x",), []),
        Family("h", "counter", "", (), [((), 2**63)]),
    )
    assert found.resource == {"service.name": "shop", "host.name": "größe"}
    (scope,) = found.request.resource_metrics[0].scope_metrics
    assert (scope.scope.name, scope.scope.version) == ("limpet", "1.0")
    metrics = found.metrics
    assert list(metrics) == ["a", "b_seconds", "c_info", "d_bytes", "e", "h"]
    assert (metrics["a"].description, metrics["a"].sum.is_monotonic) == ("Counts.", True)
    assert metrics["a"].sum.aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE
    (point,) = metrics["a"].sum.data_points
    assert (point.as_int, point.start_time_unix_nano, point.time_unix_nano) == (3, STARTED, 2_000)
    assert metrics["b_seconds"].unit == "s"
    assert found.value("b_seconds", x="1", y="") == 0.5
    assert found.value("b_seconds", x="2", y="ü") == math.inf
    assert found.value("c_info", version="1.0") == 1
    assert not metrics["c_info"].sum.is_monotonic
    (point,) = metrics["d_bytes"].histogram.data_points
    assert metrics["d_bytes"].unit == "By"
    assert (list(point.explicit_bounds), list(point.bucket_counts)) == ([0.1, 1.0], [2, 3, 4])
    assert (point.count, point.sum, point.start_time_unix_nano) == (9, 7.5, STARTED)
    (point,) = metrics["e"].summary.data_points
    assert (point.count, point.sum) == (4, 2.0)
    assert [(each.quantile, each.value) for each in point.quantile_values] == [(0.5, 0.4), (0.99, 1.0)]
    assert found.value("h") == 2.0**63, "beyond what a whole number of OTLP's holds"


values = st.one_of(
    st.integers(),
    st.floats(),
    st.builds(
        lambda counts, total: Histogram(tuple(map(float, range(len(counts) - 1))), tuple(counts), total),
        st.lists(st.integers(0, 2**40), min_size=1, max_size=6),
        st.floats(),
    ),
    st.builds(Summary, st.integers(0, 2**40), st.floats(), st.just(((0.5, 1.0),))),
)
text = st.text(st.characters(exclude_categories=()), max_size=200)


@given(st.lists(st.tuples(text, text), max_size=5, unique=True), values, text)
def test_any_labels_and_values_are_read_by_the_official_messages(
    series: list[tuple[str, str]], value: Value, help_: str
) -> None:
    kind = {Histogram: "histogram", Summary: "summary"}.get(type(value), "counter")
    family = Family("m", kind, help_, ("a", "b"), [(each, value) for each in series], "seconds")
    encoder = Encoder({"service.name": help_}, STARTED)
    for now in (2_000, 3_000):
        found = pushed(encoder, now, family)
        points = [
            point
            for metric in found.metrics.values()
            for point in getattr(metric, metric.WhichOneof("data")).data_points
        ]
        expected = {frozenset({("a", clean(a)), ("b", clean(b))}) for a, b in series}
        assert {labels(point) for point in points} == expected


def clean(label: str) -> str:
    """Without what is no Unicode: halves of surrogates."""
    return label.encode("utf-8", "replace").decode()


def test_a_series_that_comes_or_begins_anew_has_its_own_start() -> None:
    encoder = Encoder({}, STARTED)
    pushed(encoder, 2_000, counter(a=5))
    found = pushed(encoder, 3_000, counter(a=6, b=1)).points("c")
    assert found[of("a")].start_time_unix_nano == STARTED
    assert found[of("b")].start_time_unix_nano == 2_000, "it came after the push before"
    found = pushed(encoder, 4_000, counter(a=2, b=1)).points("c")
    assert found[of("a")].start_time_unix_nano == 3_000, "it began anew"
    assert found[of("b")].start_time_unix_nano == 2_000
    found = pushed(encoder, 5_000, gauge(a=2)).points("g")
    assert pushed(encoder, 6_000, gauge(a=1)).points("g")[of("a")].start_time_unix_nano == 4_000


def gone(found: Pushed) -> set[tuple[str, str]]:
    """Series that are told to be gone: metric, and what of."""
    return {
        (metric.name, dict(labels(point))["of"])
        for metric in found.metrics.values()
        for point in getattr(metric, metric.WhichOneof("data")).data_points
        if point.flags == 1
    }


def test_a_series_that_is_gone_is_told_until_that_has_arrived() -> None:
    encoder = Encoder({}, STARTED)
    histogram = Family("h", "histogram", "", ("of",), [(("a",), Histogram((1.0,), (1, 1), 1.0))])
    assert gone(pushed(encoder, 2_000, counter(a=1, b=1), gauge(a=1), histogram)) == set()
    encoder.delivered()
    lost = {("c", "b"), ("g", "a"), ("h", "a")}
    assert gone(pushed(encoder, 3_000, counter(a=1))) == lost
    assert gone(pushed(encoder, 4_000, counter(a=1))) == lost, "the push before did not arrive"
    encoder.delivered()
    assert gone(pushed(encoder, 5_000, counter(a=1))) == set()
    assert gone(pushed(encoder, 6_000, counter(b=1))) == {("c", "a")}
    assert gone(pushed(encoder, 7_000, counter(a=1, b=1))) == set(), "it is there again"


def test_series_of_one_family_that_are_gone_share_its_name_and_help() -> None:
    encoder = Encoder({}, STARTED)
    pushed(encoder, 2_000, counter(a=1, b=1, c=1), gauge(a=1, b=1))
    found = pushed(encoder, 3_000, counter(c=1), gauge(c=1))
    metrics = found.request.resource_metrics[0].scope_metrics[0].metrics
    assert Counter(metric.name for metric in metrics) == {"c": 2, "g": 2}, "here, and gone"
    points = [
        (metric.name, dict(labels(point))["of"])
        for metric in metrics
        for point in getattr(metric, metric.WhichOneof("data")).data_points
        if point.flags == 1
    ]
    assert sorted(points) == [("c", "a"), ("c", "b"), ("g", "a"), ("g", "b")]


def test_of_a_long_outage_the_last_that_are_gone_are_told() -> None:
    encoder = Encoder({}, STARTED)
    for life in range(4):
        names = {f"{life}.{number}": 1.0 for number in range(4_000)}
        found = pushed(encoder, 2_000 + life, gauge(**names))
    metrics = found.request.resource_metrics[0].scope_metrics[0].metrics
    points = [point for metric in metrics for point in metric.gauge.data_points if point.flags == 1]
    lives = Counter(dict(labels(point))["of"].partition(".")[0] for point in points)
    assert lives == {"0": 2_000, "1": 4_000, "2": 4_000}
    assert encoder.points == 14_000


@pytest.mark.parametrize(("count", "message"), [(0, ""), (7, "too old"), (2**40, "ü" * 200)])
def test_what_is_not_taken_is_read_off_the_answer(count: int, message: str) -> None:
    answer = ExportMetricsServiceResponse(
        partial_success=ExportMetricsPartialSuccess(rejected_data_points=count, error_message=message)
    )
    assert rejected(answer.SerializeToString()) == (count, message)


@given(st.binary(max_size=60))
def test_an_answer_that_is_no_message_is_an_error_and_nothing_worse(data: bytes) -> None:
    result: Any
    try:
        result = rejected(data)
    except ValueError:
        return
    assert isinstance(result[0], int)
