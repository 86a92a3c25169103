"""The application's metrics added up: instances and forks together, counters that never go down."""

from typing import Any

import pytest

from limpet_supervisor.daemon import application
from limpet_supervisor.daemon.application import Application, Source
from limpet_supervisor.runtime.openmetrics import Family, Histogram, Summary

WEB = [
    Source(object(), "web", "web.1"),
    Source(object(), "web", "web.2"),
    Source(object(), "web", "web.1/71"),
]
WORKER = Source(object(), "worker", "worker.1")


def told(
    kind: str, value: Any, name: str = "shop_orders", labels: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    """A family of one sample, or of several by their labels' values."""
    samples = (
        [[list(key), each] for key, each in value.items()]
        if isinstance(value, dict) and labels
        else [[[], value]]
    )
    facts = {"name": name, "kind": kind, "help": "", "unit": "", "labels": list(labels), "samples": samples}
    return {**facts, "dropped": 0, "invalid": 0, **more}


def histogram(*buckets: int, total: float = 1.0) -> dict[str, Any]:
    return told("histogram", {"buckets": list(buckets), "count": sum(buckets), "sum": total}, bounds=[0.1])


def found(made: Application, name: str = "shop_orders", **options: Any) -> dict[tuple[str, ...], Any]:
    """The samples of one family."""
    families: dict[str, Family] = {family.name: family for family in made.families(**options)}
    return dict(families[name].samples) if name in families else {}


def test_counters_of_instances_and_forks_are_one_and_of_processes_apart() -> None:
    made = Application()
    for count, source in enumerate((*WEB, WORKER), 1):
        made.take(source, [told("counter", count)])
    assert found(made) == {("web",): 6, ("worker",): 4}


def test_a_family_that_has_another_shape_in_the_next_life_is_that_of_those_that_live() -> None:
    """Other buckets after a deployment: the metric was left out as long as the node lived."""
    made = Application()
    old, new, last = (Source(object(), "web", "web.1") for _ in range(3))
    made.take(old, [histogram(3, 1, total=2.0)])
    made.forget_all_but([], ["web"])
    made.take(new, [told("histogram", {"buckets": [1, 1, 0], "count": 2, "sum": 1.0}, bounds=[0.1, 0.5])])
    assert found(made) == {("web",): Histogram((0.1, 0.5), (1, 1, 0), 1.0)}
    made.forget_all_but([], ["web"])
    made.take(last, [told("histogram", {"buckets": [1, 0, 0], "count": 1, "sum": 0.1}, bounds=[0.1, 0.5])])
    assert found(made) == {("web",): Histogram((0.1, 0.5), (2, 1, 0), 1.1)}


def test_what_is_kept_of_those_that_are_gone_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A label that is another in each life, such as a pid, would fill the node's memory in months."""
    monkeypatch.setattr(application, "MOST", 10)
    made = Application()
    for life in range(30):
        made.take(Source(object(), "web", "web.1"), [told("counter", {(str(life),): 1}, labels=("pid",))])
        made.forget_all_but([], ["web"])
    assert len(found(made)) == 10
    assert made.dropped["too_many"] == 20


def test_gauges_are_each_of_a_process_and_vanish_with_it() -> None:
    made = Application()
    for count, source in enumerate(WEB, 1):
        made.take(source, [told("gauge", count)])
    assert found(made) == {("web.1",): 1, ("web.2",): 2, ("web.1/71",): 3}
    made.forget_all_but([WEB[0].agent], ["web"])
    assert found(made) == {("web.1",): 1}


def test_a_counter_never_goes_down_whoever_goes_or_begins_anew() -> None:
    made = Application()
    made.take(WEB[0], [told("counter", {("a",): 5, ("b",): 1}, labels=("kind",))])
    made.take(WEB[1], [told("counter", {("a",): 7}, labels=("kind",))])
    assert found(made) == {("web", "a"): 12, ("web", "b"): 1}
    made.forget_all_but([WEB[0].agent], ["web"])
    assert found(made) == {("web", "a"): 12, ("web", "b"): 1}
    made.take(WEB[0], [told("counter", {("a",): 2}, labels=("kind",))])  # attached anew
    assert found(made) == {("web", "a"): 14, ("web", "b"): 1}
    made.take(WEB[0], [told("counter", {("a",): 3}, labels=("kind",))])
    assert found(made) == {("web", "a"): 15, ("web", "b"): 1}
    made.forget_all_but([], ["worker"])
    assert found(made) == {}, "the process was removed: nothing of it stays"


def test_histograms_and_summaries_are_added_up_and_quantiles_are_not() -> None:
    made = Application()
    made.take(
        WEB[0], [histogram(1, 2), told("summary", {"count": 2, "sum": 3.0, "quantiles": {"0.5": 1.5}}, "s")]
    )
    assert found(made, "s") == {("web",): Summary(2, 3.0, ((0.5, 1.5),))}
    made.take(
        WEB[1], [histogram(3, 4), told("summary", {"count": 1, "sum": 1.0, "quantiles": {"0.5": 1.0}}, "s")]
    )
    assert found(made) == {("web",): Histogram((0.1,), (4, 6), 2.0)}
    assert found(made, "s") == {("web",): Summary(3, 4.0)}
    made.forget_all_but([], ["web"])
    assert found(made) == {("web",): Histogram((0.1,), (4, 6), 2.0)}


def test_of_an_agent_that_is_late_counters_stay_and_gauges_are_left_out() -> None:
    made = Application()
    made.take(WEB[0], [told("counter", 5), told("gauge", 1, "g")])
    made.take(WEB[1], [told("counter", 5), told("gauge", 1, "g")])
    assert found(made, late=[WEB[1].agent]) == {("web",): 10}
    assert found(made, "g", late=[WEB[1].agent]) == {("web.1",): 1}


def test_names_are_made_valid_and_clashes_left_out_and_counted() -> None:
    made = Application()
    made.take(WEB[0], [
        told("counter", 1, "9 bottles.of-beer"),
        told("counter", 1, "limpet_node"),
        told("gauge", 1, "a_total"),
        told("counter", 1, "a"),
        told("counter", {("x", "y", "z"): 1}, "l", ("process", "a b", "a_b")),
    ])  # fmt: skip
    made.take(WORKER, [told("gauge", 1, "9 bottles.of-beer")])
    families = {family.name: family for family in made.families()}
    assert list(families) == ["_9_bottles_of_beer", "a_total", "l", "limpet_telemetry_dropped"]
    assert families["_9_bottles_of_beer"].kind == "counter"
    assert families["l"].labels == ("process", "exported_process", "a_b", "a_b_")
    assert made.dropped == {"clash": 3}


def test_what_no_snapshot_could_be_is_counted_as_garbage() -> None:
    made = Application()
    for data in ("text", [1], [{"name": "a"}], [told("counter", "much")], [told("guess", 1)]):
        made.take(WEB[0], data)
    made.take(WEB[0], [told("counter", {("a", "b"): 1}, labels=("one",))])
    assert made.dropped == {"garbage": 6}
    assert found(made) == {}
    made.take(WEB[0], None)


def test_series_are_bounded_and_events_left_out_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "MOST", 10)
    made = Application()
    many = {(str(k),): 1 for k in range(25)}
    made.take(WEB[0], [told("counter", many, labels=("k",), dropped=7, invalid=2)])
    assert len(found(made)) == 10
    assert made.dropped == {"too_many": 15}
    assert found(made, "limpet_telemetry_dropped") == {
        ("shop_orders", "too_many"): 7,
        ("shop_orders", "invalid"): 2,
    }
