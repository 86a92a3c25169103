"""Work beside the loop: its result comes there, its failure too, and what hangs keeps nobody for ever."""

import threading

import pytest

from limpet_supervisor.errors import LimpetError
from limpet_supervisor.runtime import aside
from limpet_supervisor.runtime.aside import Aside
from limpet_supervisor.runtime.reactor import Reactor
from support.loop import turn_until


def test_results_and_failures_come_on_the_loop_in_order() -> None:
    reactor = Reactor()
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
    reactor.close()


def test_what_hangs_is_given_up_and_the_next_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "_WITHIN", 0.05)
    reactor = Reactor()
    beside = Aside(reactor)
    released = threading.Event()
    told: list[object] = []
    beside.do(lambda: released.wait(60), lambda _: told.append("late"), lambda error: told.append(str(error)))
    turn_until(reactor, lambda: told)
    assert "has not answered" in str(told[0])
    beside.do(lambda: "next", told.append, told.append)
    turn_until(reactor, lambda: len(told) == 2)
    released.set()
    beside.do(lambda: "last", told.append, told.append)
    turn_until(reactor, lambda: len(told) == 3)
    assert told[1:] == ["next", "last"], "an answer that comes too late is nobody's"
    reactor.close()


def test_too_much_is_refused() -> None:
    reactor = Reactor()
    beside = Aside(reactor)
    released = threading.Event()
    told: list[object] = []
    for _ in range(65):
        beside.do(lambda: released.wait(60), told.append, told.append)
    with pytest.raises(LimpetError, match="too much"):
        beside.do(lambda: None, told.append, told.append)
    released.set()
    turn_until(reactor, lambda: len(told) == 65)
    reactor.close()
