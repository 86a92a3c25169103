"""Work beside the loop: its result comes there, its failure too, and what hangs keeps nobody for ever."""

import threading
from collections.abc import Callable, Iterator

import pytest

from limpet_supervisor.runtime import aside
from limpet_supervisor.runtime.aside import Aside
from limpet_supervisor.runtime.reactor import Reactor
from support.loop import turn_until


class Loop(Reactor):
    """A loop that knows how many threads have told it what came of their work."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = 0
        self._lock = threading.Lock()

    def call_from_thread(self, callback: Callable[[], None]) -> None:
        super().call_from_thread(callback)
        with self._lock:
            self.heard += 1

    def end(self, threads: int) -> None:
        """Closes it after so many threads have told: a later one would write to whoever has its number."""
        turn_until(self, lambda: self.heard == threads)
        self.close()


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What work that hangs waits for."""
    event = threading.Event()
    yield event
    event.set()


def test_results_and_failures_come_on_the_loop_in_order() -> None:
    reactor = Loop()
    beside = Aside(reactor)
    told: list[object] = []
    here = threading.get_ident()

    def then(result: object) -> None:
        told.append((result, threading.get_ident() == here))

    beside.do(lambda: threading.get_ident() != here, then, told.append)
    beside.do(lambda: 1 // 0, then, lambda error: told.append(str(error)))
    beside.do(lambda: "after", then, told.append)
    turn_until(reactor, lambda: len(told) == 3)
    assert told[0] == (True, True)
    assert "ZeroDivisionError" in str(told[1])
    assert told[2] == ("after", True)
    reactor.end(3)


def test_what_hangs_is_given_up_and_the_next_has_its_turn(
    monkeypatch: pytest.MonkeyPatch, released: threading.Event
) -> None:
    monkeypatch.setattr(aside, "_WITHIN", 0.05)
    reactor = Loop()
    beside = Aside(reactor)
    told: list[object] = []
    beside.do(lambda: released.wait(60), lambda _: told.append("late"), lambda error: told.append(str(error)))
    turn_until(reactor, lambda: told)
    assert "has not answered" in str(told[0])
    monkeypatch.undo()
    beside.do(lambda: "next", told.append, told.append)
    turn_until(reactor, lambda: len(told) == 2)
    released.set()
    beside.do(lambda: "last", told.append, told.append)
    turn_until(reactor, lambda: len(told) == 3)
    assert told[1:] == ["next", "last"], "an answer that comes too late is nobody's"
    reactor.end(3)


def test_too_much_is_refused(released: threading.Event) -> None:
    reactor = Loop()
    beside = Aside(reactor)
    told: list[object] = []
    for _ in range(65):
        beside.do(lambda: released.wait(60), told.append, told.append)
    beside.do(lambda: None, told.append, told.append)
    assert not told, "never before it has returned"
    turn_until(reactor, lambda: told)
    assert "too much" in str(told[0])
    released.set()
    turn_until(reactor, lambda: len(told) == 66)
    reactor.end(65)


def test_what_hangs_again_and_again_leaves_a_few_threads(
    monkeypatch: pytest.MonkeyPatch, released: threading.Event
) -> None:
    """A scrape every few seconds of a node whose disk hangs must not use up the tasks of its processes."""
    monkeypatch.setattr(aside, "_WITHIN", 0.02)
    reactor = Loop()
    beside = Aside(reactor)
    begun: list[int] = []
    told: list[object] = []

    def hang() -> str:
        begun.append(threading.get_ident())
        released.wait(60)
        return "went on"

    for number in range(10):
        beside.do(hang, told.append, told.append)
        turn_until(reactor, lambda: len(told) == number + 1)  # noqa: B023 - used at once
    turn_until(reactor, lambda: len(begun) >= 4)
    assert len(begun) == 4
    assert "hangs" in str(told[-1])
    released.set()
    while told[-1] != "went on":
        seen = len(told)
        beside.do(hang, told.append, told.append)
        turn_until(reactor, lambda: len(told) > seen)  # noqa: B023 - used at once
    reactor.end(len(begun))


def test_a_thread_that_cannot_be_started_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    reactor = Loop()
    beside = Aside(reactor)
    told: list[object] = []
    with monkeypatch.context() as patched:
        patched.setattr(aside, "start_new_thread", refused)
        beside.do(lambda: "never", told.append, told.append)
    beside.do(lambda: "next", told.append, told.append)
    turn_until(reactor, lambda: len(told) == 2)
    assert "can't start new thread" in str(told[0])
    assert told[1] == "next"
    reactor.end(1)
