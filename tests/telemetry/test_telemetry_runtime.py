"""What the interpreter itself tells: log records, how late a loop is, collections."""

import asyncio
import gc
import logging
import threading
import time

import pytest
import uvloop

from limpet import telemetry
from limpet.telemetry import asyncio as asyncio_telemetry
from limpet.telemetry import gc as gc_telemetry
from limpet.telemetry import logging as logging_telemetry

BOUND = 30.0


@pytest.fixture
def records(heard):
    end = logging_telemetry.install()
    telemetry.attach("h", logging_telemetry.RECORD, heard)
    yield heard
    end()


def test_log_records_are_counted_by_level_and_logger(records) -> None:
    telemetry.metrics(logging_telemetry.METRICS)
    log = logging.getLogger("shop.telemetry")
    log.setLevel(logging.INFO)
    log.warning("one")
    log.warning("two")
    log.info("three")
    log.debug("not let through")
    assert [about for _, _, about in records] == [
        {"level": "WARNING", "logger": "shop.telemetry"},
        {"level": "WARNING", "logger": "shop.telemetry"},
        {"level": "INFO", "logger": "shop.telemetry"},
    ]
    (family,) = telemetry.snapshot()
    assert family["samples"] == [[["WARNING", "shop.telemetry"], 2], [["INFO", "shop.telemetry"], 1]]


def test_a_handler_that_logs_is_called_once_a_record(records) -> None:
    telemetry.attach("logs", logging_telemetry.RECORD, lambda *_told: logging.getLogger("told").warning("x"))
    logging.getLogger("shop").warning("one")
    assert len(records) == 1


def test_counting_leaves_how_logging_is_set_up_alone() -> None:
    before = logging.getLogRecordFactory()
    end = logging_telemetry.install()
    assert logging.getLogger("shop.telemetry").handlers == []
    end()
    assert logging.getLogRecordFactory() is before


def test_a_factory_that_was_put_around_it_stays() -> None:
    before = logging.getLogRecordFactory()
    end = logging_telemetry.install()
    inner = logging.getLogRecordFactory()

    def around(*args, **kwargs):
        return inner(*args, **kwargs)

    logging.setLogRecordFactory(around)
    try:
        end()
        assert logging.getLogRecordFactory() is around
        logging.getLogger("shop").warning("still works")
    finally:
        logging.setLogRecordFactory(before)


@pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_a_blocked_loop_is_told_as_late_as_it_was(heard, new_loop) -> None:
    telemetry.metrics(asyncio_telemetry.METRICS)
    ticked = asyncio.Event()

    def hear(*told) -> None:
        heard(*told)
        ticked.set()

    telemetry.attach("h", asyncio_telemetry.LOOP, hear)

    async def main() -> None:
        end = asyncio_telemetry.watch_lag(every="1ms")
        await ticked.wait()
        ticked.clear()
        heard.clear()
        time.sleep(0.05)  # noqa: ASYNC251 - this is the block
        await ticked.wait()
        end()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())
    assert heard[0][1]["lag"] > 0.04
    (family,) = telemetry.snapshot()
    assert family["name"] == "asyncio_loop_lag_seconds"
    assert family["samples"][0][1]["count"] >= 2


def test_lag_is_told_of_a_running_loop_only() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio_telemetry.watch_lag()
    with pytest.raises(ValueError, match="a period is"):
        asyncio_telemetry.watch_lag(every=0)


def test_collections_are_told_by_another_thread(heard) -> None:
    told = threading.Event()

    def hear(*about) -> None:
        heard(*about)
        if about[2]["generation"] == 2 and about[1]["collected"]:
            told.set()

    telemetry.attach("h", gc_telemetry.PAUSE, hear)
    telemetry.metrics(gc_telemetry.METRICS)
    end = gc_telemetry.install(every="1ms")
    try:
        for _ in range(100):
            cycle = []
            cycle.append(cycle)
        del cycle
        gc.collect()
        assert told.wait(BOUND)
    finally:
        end()
    assert not [callback for callback in gc.callbacks if "_Pauses" in repr(callback)]
    _, measured, about = next(one for one in heard if one[2]["generation"] == 2)
    assert measured["duration"] >= 0
    assert set(measured) == {"duration", "collected", "uncollectable", "skipped"}
    assert "gc_pause_duration_seconds" in [one["name"] for one in telemetry.snapshot()]
    assert about


def test_more_collections_than_are_kept_are_counted(heard, monkeypatch) -> None:
    monkeypatch.setattr(gc_telemetry, "KEPT", 2)
    telemetry.attach("h", gc_telemetry.PAUSE, heard)
    pauses = gc_telemetry._Pauses()
    for _ in range(5):
        pauses.note("start", {})
        pauses.note("stop", {"generation": 0, "collected": 1, "uncollectable": 0})
    pauses.tell()
    assert [measured["skipped"] for _, measured, _ in heard] == [3, 0]
