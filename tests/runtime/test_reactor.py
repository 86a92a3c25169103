"""The loop: far timers, numbers of descriptors that are used again within a turn, bugs in callbacks."""

import os
from collections.abc import Iterator

import pytest

from limpet_supervisor.runtime import reactor as loop
from limpet_supervisor.runtime.reactor import Priority, Reactor


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    """A loop of its own."""
    made = Reactor()
    yield made
    made.close()


@pytest.mark.parametrize("delay", [30 * 86400.0, 1e30, float("inf")])
def test_a_timer_of_a_month_is_waited_for_as_any_other(reactor: Reactor, delay: float) -> None:
    """epoll_wait(2) cannot wait for longer than 24 days: max_age = "30d" ended the node."""
    called = []
    reactor.call_later(delay, lambda: called.append("late"))
    read, write = os.pipe()
    reactor.add(read, lambda _events: called.append(os.read(read, 1)))
    os.write(write, b"x")
    reactor.turn()
    assert called == [b"x"]
    reactor.remove(read)
    os.close(read)
    os.close(write)


def test_a_time_that_is_no_number_is_refused(reactor: Reactor) -> None:
    """In the heap it would keep all other timers from their turn."""
    with pytest.raises(ValueError, match="a time"):
        reactor.call_later(float("nan"), lambda: None)


def test_cancelled_timers_do_not_pile_up_and_the_others_keep_their_order(reactor: Reactor) -> None:
    """Each request has a deadline of half a minute, which its answer cancels: the heap held them all."""
    called = []
    late = reactor.call_later(60, lambda: called.append("late"))
    now = reactor.now()
    for k in (3, 1, 2):
        reactor.call_at(now + k * 1e-6, lambda k=k: called.append(k))
    for _ in range(10_000):
        reactor.call_later(30, lambda: called.append("cancelled")).cancel()
    late.cancel()
    late.cancel()
    assert len(reactor._timers) < 1000
    while len(called) < 3:
        reactor.turn()
    assert called == [1, 2, 3]
    assert reactor._idle_timers == len(reactor._timers)


def test_what_was_ready_is_not_told_to_the_next_owner_of_its_number(reactor: Reactor) -> None:
    """A descriptor closed in this turn may have its number taken in it: the event was not for that one."""
    first_read, first_write = os.pipe()
    second_read, second_write = os.pipe()
    told = []

    def closes_the_other(_events: int) -> None:
        os.read(first_read, 1)
        reactor.remove(second_read)
        os.dup2(first_read, second_read)  # nothing to be read there any more
        reactor.add(second_read, lambda _events: told.append("wrong"))

    reactor.add(first_read, closes_the_other, priority=Priority.CONTROL)
    reactor.add(second_read, lambda _events: told.append("closed"))
    os.write(first_write, b"x")
    os.write(second_write, b"x")
    reactor.turn()
    assert told == []
    for fd in (first_read, second_read):
        reactor.remove(fd)
    for fd in (first_read, first_write, second_read, second_write):
        os.close(fd)


def test_a_bug_in_what_is_done_at_regular_times_does_not_end_it(reactor: Reactor) -> None:
    """A look that is taken no more would say for ever that all is well."""
    bugs: list[Exception] = []
    reactor.on_error = bugs.append
    calls = iter([0, 1, 1])
    left = [3]

    def look() -> None:
        left[0] -= 1
        if not left[0]:
            periodic.cancel()
        1 // next(calls)

    periodic = reactor.call_every(0.001, look)
    while left[0]:
        reactor.turn()
    assert [type(bug) for bug in bugs] == [ZeroDivisionError]


def test_a_thread_that_comes_too_late_writes_to_nobody() -> None:
    """The number of the descriptor may be another's by then."""
    closed = Reactor()
    closed.close()
    read, write = os.pipe2(os.O_NONBLOCK)
    others = [os.dup(write) for _ in range(8)]  # among them, whatever numbers the loop had
    closed.call_from_thread(lambda: None)
    with pytest.raises(BlockingIOError):
        os.read(read, 1)
    for each in (read, write, *others):
        os.close(each)


class Frozen:
    """A clock, and an epoll that waits by it; some of its waits last longer than they were to."""

    def __init__(self, reactor: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1000.0
        self.longer: list[float] = []
        self.waits: list[float] = []
        self._epoll = reactor._epoll
        monkeypatch.setattr(loop, "time", self)
        monkeypatch.setattr(reactor, "_epoll", self)

    def monotonic(self) -> float:
        return self.seconds

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        self.waits.append(timeout)
        self.seconds += timeout + (self.longer.pop(0) if self.longer else 0.0)
        return self._epoll.poll(0)

    def close(self) -> None:
        self._epoll.close()


def test_no_timer_comes_earlier_by_a_pause_in_which_nothing_ran(
    reactor: Reactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container was frozen for an hour, and thawed: whoever was to end within 10 s was killed at once."""
    clock = Frozen(reactor, monkeypatch)
    told: list[object] = []
    reactor.on_pause = told.append
    reactor.call_later(4, lambda: told.append("tick"))
    reactor.call_later(10, lambda: told.append("killed"))
    clock.longer = [3600.0]
    began = reactor.now()
    reactor.turn()
    assert told == [3600.0, "tick"]
    assert reactor.now() == began + 4
    reactor.turn()
    assert told == [3600.0, "tick", "killed"]
    assert clock.waits == [4, 6]


def test_what_is_begun_just_after_a_pause_has_its_whole_time(
    reactor: Reactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Frozen(reactor, monkeypatch)
    told: list[object] = []
    reactor.call_later(1, lambda: reactor.call_later(10, lambda: told.append(clock.seconds)))
    clock.longer = [100.0]
    reactor.turn()
    reactor.turn()
    assert told == [1000.0 + 1 + 100 + 10]


def test_a_loop_that_is_a_little_late_makes_up_for_it(
    reactor: Reactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Frozen(reactor, monkeypatch)
    told: list[object] = []
    reactor.on_pause = told.append
    reactor.call_later(1, lambda: None)
    reactor.call_later(10, lambda: told.append(clock.seconds))
    clock.longer = [0.5]
    reactor.turn()
    reactor.turn()
    assert told == [1010.0]
