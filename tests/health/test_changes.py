"""What goes to and fro is told once a change, and not each time if it flaps."""

from typing import Any

import pytest

from limpet_supervisor.daemon.changes import MOST, WINDOW, Changes, Key


class Clock:
    """A reactor's time, by hand."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.timers: list[Any] = []

    def now(self) -> float:
        return self.at

    def call_at(self, when: float, callback: Any) -> Any:
        timer = type("Timer", (), {"when": when, "callback": staticmethod(callback)})()
        timer.cancel = lambda: self.timers.remove(timer)
        self.timers.append(timer)
        return timer

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        for timer in [each for each in self.timers if each.when <= self.at]:
            self.timers.remove(timer)
            timer.callback()


class World:
    def __init__(self) -> None:
        self.clock = Clock()
        self.changes = Changes(self.clock)  # type: ignore[arg-type]
        self.told: list[tuple[bool, int]] = []

    def is_so(self, *states: bool, name: str = "database", owner: str = "web.1") -> list[tuple[bool, int]]:
        for fails in states:
            self.changes.now(
                Key(owner, name), lambda fails, untold: self.told.append((fails, untold)), fails=fails
            )
        told, self.told = self.told, []
        return told


@pytest.fixture
def world() -> World:
    return World()


def test_a_change_is_told_once_and_what_is_well_from_the_start_never(world: World) -> None:
    assert world.is_so(False, False) == []
    assert world.is_so(True, True, True) == [(True, 0)]
    assert world.is_so(False, False) == [(False, 0)]


def test_what_flaps_is_told_so_often_and_then_where_it_ended_up(world: World) -> None:
    assert world.is_so(*[True, False] * MOST) == [(True, 0), (False, 0)] * (MOST // 2)
    assert world.is_so(True) == [], "it is well as far as anybody knows, and has changed since"
    world.clock.sleep(WINDOW)
    assert world.told == [(True, MOST)]
    assert world.clock.timers == []


def test_what_is_again_as_it_was_told_is_not_told_again(world: World) -> None:
    world.is_so(*[True, False] * (MOST // 2))
    assert world.is_so(True, False) == []
    world.clock.sleep(WINDOW)
    assert world.told == []
    assert world.is_so(True) == [(True, 0)]


def test_another_thing_of_the_same_owner_has_its_own_count(world: World) -> None:
    world.is_so(*[True, False] * MOST)
    assert world.is_so(True, name="cache") == [(True, 0)]
    assert world.is_so(True, owner="web.2") == [(True, 0)]


def test_nothing_is_told_of_what_is_gone(world: World) -> None:
    world.is_so(*[True, False] * MOST, True)
    world.changes.forget("web.1")
    assert world.clock.timers == []
    world.clock.sleep(WINDOW)
    assert world.told == []
