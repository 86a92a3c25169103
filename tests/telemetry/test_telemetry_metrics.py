"""Metrics measure the events they are defined for, within bounds."""

import json
import os
import signal
import threading
from decimal import Decimal
from math import inf, nan

import pytest

from limpet import telemetry

STOP = ("shop", "sale", "stop")


def family(name: str) -> dict:
    (found,) = [found for found in telemetry.snapshot() if found["name"] == name]
    return found


def samples(name: str) -> dict:
    return {tuple(labels): value for labels, value in family(name)["samples"]}


def test_the_five_kinds() -> None:
    telemetry.metrics(
        [
            telemetry.counter("shop.sale.stop.count", description="sales"),
            telemetry.sum("shop.sale.stop.cents"),
            telemetry.last_value("shop.sale.stop.left", unit="books"),
            telemetry.summary("shop.sale.stop.duration", unit="seconds"),
            telemetry.distribution(
                "shop.sale.stop.took",
                event_name="shop.sale.stop",
                measurement="duration",
                buckets=[1, 2.5, 5],
            ),
        ]
    )
    for number, duration in enumerate([0.5, 1.0, 2.0, 9.0], 1):
        telemetry.execute(STOP, {"cents": 100, "left": 10 - number, "duration": duration})
    found = {one["name"]: one for one in telemetry.snapshot()}
    assert json.loads(json.dumps(found)) == found
    assert found["shop_sale_stop_count"] == {
        "name": "shop_sale_stop_count",
        "kind": "counter",
        "help": "sales",
        "unit": "",
        "labels": [],
        "samples": [[[], 4]],
        "dropped": 0,
        "invalid": 0,
    }
    assert found["shop_sale_stop_cents"]["samples"] == [[[], 400]]
    assert (found["shop_sale_stop_left_books"]["kind"], found["shop_sale_stop_left_books"]["samples"]) == (
        "gauge",
        [[[], 6]],
    )
    assert found["shop_sale_stop_duration_seconds"]["kind"] == "summary"
    assert found["shop_sale_stop_duration_seconds"]["samples"][0][1] == {
        "count": 4,
        "sum": 12.5,
        "min": 0.5,
        "max": 9.0,
        "quantiles": {"0.5": 1.0, "0.9": 9.0, "0.95": 9.0, "0.99": 9.0},
    }
    took = found["shop_sale_stop_took"]
    assert (took["kind"], took["bounds"]) == ("histogram", [1.0, 2.5, 5.0])
    assert took["samples"] == [[[], {"buckets": [2, 1, 0, 1], "count": 4, "sum": 12.5}]]


def test_before_the_first_event_what_is_known_is_zero() -> None:
    telemetry.metrics(
        [
            telemetry.counter("a.b.count"),
            telemetry.distribution("a.b.size", buckets=[1]),
            telemetry.last_value("a.b.last"),
            telemetry.counter("a.b.tagged", tags=["x"]),
        ]
    )
    assert samples("a_b_count") == {(): 0}
    assert samples("a_b_size") == {(): {"buckets": [0, 0], "count": 0, "sum": 0}}
    assert samples("a_b_last") == samples("a_b_tagged") == {}


def test_tags_keep_values_apart() -> None:
    telemetry.metrics(
        [
            telemetry.counter("shop.sale.stop.count", tags=["country", "new"]),
            telemetry.counter(
                "shop.sale.stop.kinds", tags=["kind"], tag_values=lambda told: {"kind": told["isbn"][:3]}
            ),
        ]
    )
    for country, new in (("de", True), ("de", True), ("fr", False), (None, 1), ("x" * 300, "")):
        telemetry.execute(STOP, {}, {"country": country, "new": new, "isbn": "978-3"})
    telemetry.execute(STOP, {}, {"isbn": "979-1"})
    assert samples("shop_sale_stop_count") == {
        ("de", "True"): 2,
        ("fr", "False"): 1,
        ("", "1"): 1,
        ("x" * 200, ""): 1,
        ("", ""): 1,
    }
    assert samples("shop_sale_stop_kinds") == {("978",): 5, ("979",): 1}


def test_sets_of_tag_values_beyond_the_limit_are_dropped_and_counted() -> None:
    telemetry.metrics([telemetry.counter("shop.sale.stop.count", tags=["user"], limit=3)])
    for number in range(10):
        telemetry.execute(STOP, {}, {"user": number})
        telemetry.execute(STOP, {}, {"user": 0})
    assert samples("shop_sale_stop_count") == {("0",): 11, ("1",): 1, ("2",): 1}
    assert family("shop_sale_stop_count")["dropped"] == 7


def test_keep_and_drop_choose_events() -> None:
    telemetry.metrics(
        [
            telemetry.counter("shop.sale.stop.kept", keep=lambda told: told["paid"]),
            telemetry.counter("shop.sale.stop.rest", drop=lambda told: told["paid"]),
        ]
    )
    for paid in (True, True, False):
        telemetry.execute(STOP, {}, {"paid": paid})
    assert (samples("shop_sale_stop_kept"), samples("shop_sale_stop_rest")) == ({(): 2}, {(): 1})


@pytest.mark.parametrize(
    ("unit", "name", "measured", "kept"),
    [
        (("seconds", "milliseconds"), "milliseconds", 0.25, 250),
        (("s", "ms"), "milliseconds", 0.25, 250),
        (("second", "millisecond"), "milliseconds", 0.25, 250),
        (("nanoseconds", "seconds"), "seconds", 5e8, 0.5),
        (("bytes", "megabytes"), "megabytes", 2_500_000, 2.5),
        (("mebibytes", "bytes"), "bytes", 2, 2 * 2**20),
    ],
)
def test_units_are_converted(unit, name: str, measured: float, kept: float) -> None:
    telemetry.metrics([telemetry.last_value("shop.sale.stop.x", unit=unit)])
    telemetry.execute(STOP, {"x": measured})
    assert samples(f"shop_sale_stop_x_{name}") == {(): pytest.approx(kept)}
    assert family(f"shop_sale_stop_x_{name}")["unit"] == name


def test_a_measurement_may_be_a_function_and_names_may_be_tuples() -> None:
    telemetry.metrics(
        [telemetry.sum(("shop", "sale", "stop", "net"), measurement=lambda got: got["gross"] - got["tax"])]
    )
    telemetry.execute(STOP, {"gross": 119, "tax": 19})
    assert samples("shop_sale_stop_net") == {(): 100}


def test_what_is_no_number_is_counted_and_spoils_nothing() -> None:
    telemetry.metrics(
        [telemetry.sum("shop.sale.stop.cents"), telemetry.sum("shop.sale.stop.up", monotonic=False)]
    )
    for value in (1, True, Decimal("0.5"), None, "7", b"7", nan, inf, object(), 10**400, [1], -1):
        telemetry.execute(STOP, {"cents": value, "up": value})
    telemetry.execute(STOP)
    assert samples("shop_sale_stop_cents") == {(): 2.5}
    assert family("shop_sale_stop_cents")["invalid"] == 8
    assert samples("shop_sale_stop_up") == {(): 1.5}
    assert family("shop_sale_stop_up")["kind"] == "gauge"
    assert telemetry.failures() == []


def test_a_metric_whose_function_raises_is_quarantined_alone() -> None:
    telemetry.metrics(
        [
            telemetry.counter("shop.sale.stop.bad", keep=lambda told: told["nothing"]),
            telemetry.counter("shop.sale.stop.good"),
        ]
    )
    telemetry.execute(STOP)
    telemetry.execute(STOP)
    assert samples("shop_sale_stop_good") == {(): 2}
    (failure,) = telemetry.failures()
    assert failure.id == "limpet.metric.shop_sale_stop_bad"
    assert (failure.failed, failure.missed) == (1, 1)


def test_metrics_are_attached_once_all_or_none_and_detached() -> None:
    attached = telemetry.metrics([telemetry.counter("a.b.count")])
    with pytest.raises(telemetry.AlreadyExists, match="a_b_count"):
        telemetry.metrics([telemetry.counter("a.b.other"), telemetry.counter("a.b.count")])
    with pytest.raises(telemetry.AlreadyExists, match="a_b_twice"):
        telemetry.metrics([telemetry.counter("a.b.twice"), telemetry.sum("a.b.twice")])
    assert [found["name"] for found in telemetry.snapshot()] == ["a_b_count"]
    attached.detach()
    assert (telemetry.snapshot(), telemetry.list_handlers()) == ([], [])
    with pytest.raises(telemetry.NotFound):
        attached.detach()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: telemetry.counter("count"), "names no event"),
        (lambda: telemetry.counter("a..count"), "empty"),
        (lambda: telemetry.counter("a.count", tags=["no-tag"]), "'no-tag'"),
        (lambda: telemetry.counter("a.count", keep=bool, drop=bool), "both keep and drop"),
        (lambda: telemetry.sum("a.x", unit=("seconds", "bytes")), "cannot be converted"),
        (lambda: telemetry.distribution("a.x", buckets=[]), "buckets"),
        (lambda: telemetry.distribution("a.x", buckets=[2, 1]), "buckets"),
        (lambda: telemetry.distribution("a.x", buckets=[1, nan]), "buckets"),
    ],
)
def test_a_definition_that_makes_no_sense_is_refused(make, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_what_is_no_metric_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a metric"):
        telemetry.metrics(["a.b.count"])


def test_the_last_bound_may_be_infinite() -> None:
    telemetry.metrics([telemetry.distribution("a.x", buckets=[1, inf])])
    assert family("a_x")["bounds"] == [1.0]


def test_threads_lose_no_event() -> None:
    telemetry.metrics(
        [
            telemetry.counter("shop.sale.stop.count", tags=["who"]),
            telemetry.distribution("shop.sale.stop.x", buckets=[1]),
            telemetry.summary("shop.sale.stop.y"),
        ]
    )

    def work(who: int) -> None:
        for _ in range(3000):
            telemetry.execute(STOP, {"x": 1, "y": 1}, {"who": who % 2})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert samples("shop_sale_stop_count") == {("0",): 6000, ("1",): 6000}
    assert samples("shop_sale_stop_x") == {(): {"buckets": [12000, 0], "count": 12000, "sum": 12000}}
    assert samples("shop_sale_stop_y")[()]["count"] == 12000


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forks_child_starts_from_zero_even_if_a_lock_was_held() -> None:
    telemetry.metrics(
        [
            telemetry.counter("shop.sale.stop.count"),
            telemetry.last_value("shop.sale.stop.last"),
            telemetry.counter("shop.sale.stop.bad", keep=lambda told: told["nothing"]),
        ]
    )
    for _ in range(3):
        telemetry.execute(STOP, {"last": 7})
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with telemetry.dispatch._lock, telemetry.registry._series["shop_sale_stop_count"]._lock:
            held.set()
            release.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            before = telemetry.snapshot(), [failure._asdict() for failure in telemetry.failures()]
            telemetry.execute(STOP, {"last": 8})
            telemetry.attach("new", STOP, print)
            os.write(writer, json.dumps([*before, telemetry.snapshot()]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    release.set()
    with open(reader, "rb") as said:
        before, failures, after = json.loads(said.read())
    os.waitpid(child, 0)
    holder.join()
    assert [found["samples"] for found in before] == [[[[], 0]], [], [[[], 0]]]
    assert [found["samples"] for found in after][:2] == [[[[], 1]], [[[], 8]]]
    assert [(one["quarantined"], one["failed"], one["missed"]) for one in failures] == [(True, 0, 0)]
    assert samples("shop_sale_stop_count") == {(): 3}


def test_events_of_a_signal_handler_in_the_middle_of_another_are_all_measured() -> None:
    """It neither waits for a lock that its own thread holds, nor is overwritten by what it interrupts."""
    telemetry.metrics(
        [
            telemetry.counter("shop.sale.stop.count", tags=["x"]),
            telemetry.sum("shop.sale.stop.x"),
            telemetry.summary("shop.sale.stop.y", measurement="x"),
            telemetry.distribution("shop.sale.stop.z", measurement="x", buckets=[1]),
        ]
    )
    signals = 0

    def interrupt(*_about: object) -> None:
        nonlocal signals
        signals += 1
        telemetry.execute(STOP, {"x": 1}, {"x": 1})

    before = signal.signal(signal.SIGVTALRM, interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.0002, 0.0002)
    executed = 0
    try:
        while signals < 50 or executed < 5000:
            telemetry.execute(STOP, {"x": 1}, {"x": 1})
            executed += 1
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    total = executed + signals
    assert samples("shop_sale_stop_count") == {("1",): total}
    assert samples("shop_sale_stop_x") == {(): total}
    assert samples("shop_sale_stop_y")[()]["count"] == total
    assert samples("shop_sale_stop_z") == {(): {"buckets": [total, 0], "count": total, "sum": total}}
