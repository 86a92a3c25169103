"""Events reach their handlers, and no others; a handler that fails harms nobody."""

import asyncio
import sys
import threading
from types import MappingProxyType

import pytest

from limpet import telemetry
from limpet.telemetry.dispatch import FAILURE, FIRST_DELAY, LAST_DELAY, RECOVERY, REMEMBERED

SALE = ("shop", "sale", "stop")


def ignore(*_told: object) -> None:
    pass


class Broken:
    """A handler that raises as long as `fails`."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error or ValueError("no total")
        self.fails = True
        self.handled = 0

    def __call__(self, *_told: object) -> None:
        if self.fails:
            raise self.error
        self.handled += 1


def test_a_handler_gets_event_measurements_metadata_and_its_configuration() -> None:
    got = []
    telemetry.attach("h", SALE, lambda *told: got.append(told), {"to": "log"})
    telemetry.execute(SALE, {"cents": 1200}, {"cart": "ada"})
    telemetry.execute(SALE)
    telemetry.execute(("shop", "sale"), {"cents": 1})
    assert got == [
        (SALE, {"cents": 1200}, {"cart": "ada"}, {"to": "log"}),
        (SALE, {}, {}, {"to": "log"}),
    ]
    with pytest.raises(TypeError):  # of an event without metadata: what one handler puts in no other finds
        got[1][2]["x"] = 1
    assert isinstance(got[1][2], MappingProxyType)


def test_handlers_are_called_in_the_order_of_attaching_and_not_after_detaching() -> None:
    order = []
    for name in "abc":
        telemetry.attach(name, SALE, lambda *_told, name=name: order.append(name))
    telemetry.execute(SALE)
    telemetry.detach("b")
    telemetry.execute(SALE)
    telemetry.detach("a")
    telemetry.execute(SALE)
    telemetry.detach("c")
    telemetry.execute(SALE)
    assert order == [*"abc", *"ac", "c"]


def test_one_handler_at_many_events(heard) -> None:
    telemetry.attach_many("h", [SALE, ("shop", "open"), SALE], heard)
    telemetry.execute(SALE)
    telemetry.execute(("shop", "open"))
    assert heard.names() == ["shop.sale.stop", "shop.open"]
    telemetry.detach("h")
    telemetry.execute(SALE)
    assert len(heard) == 2


def test_an_id_is_attached_once_and_detached_once() -> None:
    telemetry.attach(("any", 1), SALE, ignore)
    with pytest.raises(telemetry.AlreadyExists, match=r"\('any', 1\)"):
        telemetry.attach(("any", 1), ("else",), ignore)
    telemetry.detach(("any", 1))
    with pytest.raises(telemetry.NotFound, match=r"\('any', 1\)"):
        telemetry.detach(("any", 1))
    telemetry.attach(("any", 1), SALE, ignore)


def test_handlers_are_listed_by_prefix() -> None:
    telemetry.attach("a", SALE, ignore, 1)
    telemetry.attach_many("b", [("shop", "open"), ("bank",)], ignore)
    assert telemetry.list_handlers(("shop",)) == [
        ("a", SALE, ignore, 1),
        ("b", ("shop", "open"), ignore, None),
    ]
    assert [handler.event for handler in telemetry.list_handlers()] == [SALE, ("shop", "open"), ("bank",)]
    assert telemetry.list_handlers(("nothing",)) == []


async def forgotten(*_told: object) -> None:
    pass


@pytest.mark.parametrize(
    ("event", "handler", "said"),
    [
        ("shop.sale", ignore, "tuple of text"),
        ((), ignore, "tuple of text"),
        (("shop", 1), ignore, "tuple of text"),
        (SALE, "handler", "called with event"),
        (SALE, forgotten, "async"),
    ],
)
def test_what_can_be_no_event_or_handler_is_refused(event, handler, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        telemetry.attach("h", event, handler)
    assert telemetry.list_handlers() == []


def test_a_handler_may_detach_itself_and_attach_others_while_it_is_called(heard) -> None:
    def once(*_told: object) -> None:
        telemetry.detach("once")
        telemetry.attach("next", SALE, heard)

    telemetry.attach("once", SALE, once)
    telemetry.execute(SALE)
    assert not heard
    telemetry.execute(SALE)
    assert len(heard) == 1


def test_any_number_of_names_without_a_handler_is_forgotten_again(heard) -> None:
    """Names made of data are no good names, but they must not fill the memory."""
    telemetry.attach("h", SALE, heard)
    for number in range(3 * REMEMBERED):
        telemetry.execute(("user", str(number)))
    assert len(telemetry.dispatch._table) <= REMEMBERED + 1
    telemetry.execute(SALE)
    telemetry.attach("late", ("user", "7"), heard)
    telemetry.execute(("user", "7"))
    assert heard.names() == ["shop.sale.stop", "user.7"]


@pytest.mark.usefixtures("clock")
def test_a_failing_handler_reaches_neither_the_caller_nor_the_other_handlers(heard) -> None:
    telemetry.attach("bad", SALE, Broken())
    telemetry.attach("good", SALE, heard)
    telemetry.execute(SALE)
    telemetry.execute(SALE)
    assert len(heard) == 2
    (failure,) = telemetry.failures()
    assert failure.id == "bad"
    assert failure.events == ["shop.sale.stop"]
    assert failure.reason == "ValueError: no total"
    assert (failure.quarantined, failure.failed, failure.missed) == (True, 1, 1)
    assert failure.retry_in == FIRST_DELAY


def test_it_is_tried_again_with_growing_delays_until_it_succeeds_and_nothing_it_missed_is_uncounted(
    clock, heard
) -> None:
    """elixir-ecto/ecto#3639: in BEAM's telemetry it would be gone for good."""
    broken = Broken()
    telemetry.attach("durable", SALE, broken)
    telemetry.attach_many("reports", [FAILURE, RECOVERY], heard)
    executed = 0
    delays = []
    for _failure in range(9):
        for _ in range(10):
            telemetry.execute(SALE)
            executed += 1
        (failure,) = telemetry.failures()
        delays.append(failure.retry_in)
        clock.now += failure.retry_in
    assert delays == [1, 2, 4, 8, 16, 32, LAST_DELAY, LAST_DELAY, LAST_DELAY]
    assert (failure.failed, failure.missed) == (9, 81)
    broken.fails = False
    for _ in range(10):
        telemetry.execute(SALE)
        executed += 1
    (failure,) = telemetry.failures()
    assert (failure.quarantined, failure.retry_in) == (False, None)
    assert broken.handled == 10
    assert failure.failed + failure.missed + broken.handled == executed
    assert heard.names() == [".".join(FAILURE)] * 9 + [".".join(RECOVERY)]
    _, measurements, metadata = heard[0]
    assert measurements["retry_in"] == 1
    assert metadata["handler_id"] == "durable"
    assert metadata["event_name"] == SALE
    assert (metadata["kind"], metadata["reason"]) == ("ValueError", broken.error)
    assert metadata["stacktrace"].tb_frame is not None
    assert heard[-1][1]["missed"] == 81
    broken.fails = True
    telemetry.execute(SALE)
    assert telemetry.failures()[0].retry_in == FIRST_DELAY  # it begins anew
    telemetry.execute(SALE)
    broken.fails = False
    clock.now += FIRST_DELAY
    telemetry.execute(SALE)
    assert heard[-1][1]["missed"] == 1, "in the quarantine that ends, not since it was attached"
    assert telemetry.failures()[0].missed == 82


def test_a_failure_at_one_event_quarantines_at_all(clock) -> None:
    broken = Broken()
    telemetry.attach_many("h", [SALE, ("shop", "open")], broken)
    telemetry.execute(SALE)
    telemetry.execute(("shop", "open"))
    assert telemetry.failures()[0].missed == 1
    clock.now += 1
    broken.fails = False
    telemetry.execute(("shop", "open"))
    telemetry.execute(SALE)
    assert broken.handled == 2


@pytest.mark.usefixtures("clock")
def test_one_that_fails_at_reports_of_failures_is_quarantined_too() -> None:
    telemetry.attach("reports", FAILURE, Broken())
    telemetry.attach("h", SALE, Broken())
    telemetry.execute(SALE)
    assert [(failure.id, failure.failed) for failure in telemetry.failures()] == [("reports", 1), ("h", 1)]


@pytest.mark.usefixtures("clock")
def test_detached_while_it_is_quarantined_it_is_forgotten(heard) -> None:
    telemetry.attach("h", SALE, Broken())
    telemetry.execute(SALE)
    telemetry.detach("h")
    assert telemetry.failures() == []
    telemetry.attach("h", SALE, heard)
    telemetry.execute(SALE)
    assert len(heard) == 1


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_what_a_signal_handler_raises_in_a_handler_goes_on_to_the_application(error) -> None:
    """A server is told to stop by an exception that its signal handler raises, wherever the thread is."""
    for others in (0, 1):
        broken = Broken(error)
        telemetry.attach("h", SALE, broken)
        if others:
            telemetry.attach("other", SALE, ignore)
        with pytest.raises(type(error)):
            telemetry.execute(SALE)
        assert telemetry.failures() == []
        telemetry.detach("h")


def test_one_interrupted_while_it_is_tried_is_tried_again(clock) -> None:
    broken = Broken()
    telemetry.attach("h", SALE, broken)
    telemetry.execute(SALE)
    clock.now += 1
    broken.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        telemetry.execute(SALE)
    broken.fails = False
    telemetry.execute(SALE)
    assert broken.handled == 1
    assert not telemetry.failures()[0].quarantined


@pytest.mark.usefixtures("clock")
def test_the_cancellation_of_a_task_that_a_handler_asks_cancels_nobody_else() -> None:
    telemetry.attach("h", SALE, Broken(asyncio.CancelledError()))

    async def sell() -> str:
        telemetry.execute(SALE)
        return "sold"

    assert asyncio.run(sell()) == "sold"
    assert telemetry.failures()[0].failed == 1


@pytest.mark.usefixtures("clock")
def test_an_exception_that_cannot_be_shown_is_contained() -> None:
    class Hostile(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    telemetry.attach("h", SALE, Broken(Hostile()))
    telemetry.execute(SALE)
    assert telemetry.failures()[0].reason == "Hostile: ?"


def test_at_the_end_of_the_stack_the_caller_is_not_reached_either(clock) -> None:
    def deep(*told: object) -> None:
        deep(*told)

    telemetry.attach("h", SALE, deep)

    def descend(depth: int) -> None:
        if depth:
            descend(depth - 1)
        else:
            telemetry.execute(SALE)

    descend(sys.getrecursionlimit() // 2)
    assert telemetry.failures()[0].failed == 1
    clock.now += 1


def test_of_many_threads_no_event_is_uncounted_while_a_handler_comes_and_goes() -> None:
    """Handled, failed and missed are together what was executed, whatever the threads do."""
    handled = []
    turn = iter(range(10**9))

    def moody(*_told: object) -> None:
        if next(turn) % 7 == 0:
            raise ValueError
        handled.append(1)

    telemetry.attach("moody", SALE, moody)
    rounds = 2000
    start = threading.Barrier(4)

    def execute() -> None:
        start.wait()
        for _ in range(rounds):
            telemetry.execute(SALE)

    def attach() -> None:
        start.wait()
        for _ in range(rounds):
            telemetry.attach("other", SALE, ignore)
            telemetry.detach("other")

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    delays = telemetry.dispatch.FIRST_DELAY, telemetry.dispatch.LAST_DELAY
    telemetry.dispatch.FIRST_DELAY = telemetry.dispatch.LAST_DELAY = 0.0002
    try:
        threads = [threading.Thread(target=target) for target in (execute, execute, execute, attach)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
        telemetry.dispatch.FIRST_DELAY, telemetry.dispatch.LAST_DELAY = delays
    (failure,) = telemetry.failures()
    assert len(handled) + failure.failed + failure.missed == 3 * rounds
    assert failure.failed


class Waits(Exception):
    """An error whose text is there only when another thread has attached something."""

    def __init__(self) -> None:
        self.attached = threading.Event()

    def __str__(self) -> str:
        threading.Thread(target=self.attach, daemon=True).start()
        return "in time" if self.attached.wait(10) else "too late"

    def attach(self) -> None:
        telemetry.attach("other", ("shop", "other"), ignore)
        self.attached.set()


def test_the_text_of_an_error_may_wait_for_a_thread_that_attaches() -> None:
    telemetry.attach("waits", SALE, Broken(Waits()))
    telemetry.execute(SALE)
    assert telemetry.failures()[0].reason == "Waits: in time"
