"""What turns from well to not well and back, told once a change; of what flaps, not each time.

Of one thing at most MOST changes are told within WINDOW seconds. Those beyond are counted, and as soon as
there is room again it is told where it has ended up, if that is not what was told last.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from limpet_supervisor.runtime.reactor import Reactor, Timer

MOST: Final = 6
WINDOW: Final = 60.0
"""Seconds."""

Tell = Callable[[bool, int], None]
"""Called with whether it fails now, and the number of changes that were not told before this one."""


class Key(NamedTuple):
    """What changes."""

    owner: object
    """With whom it goes."""
    name: str


class _Thing:
    """One thing that changes."""

    def __init__(self) -> None:
        self.fails = False
        self.told = False
        """What was told last; of what was never told, that it is well."""
        self.tell: Tell
        self.times: deque[float] = deque(maxlen=MOST)
        """When it was told."""
        self.untold = 0
        self.timer: Timer | None = None


class Changes:
    """Tells changes."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._things: dict[object, dict[str, _Thing]] = {}
        """By owner and name."""

    def now(self, key: Key, tell: Tell, *, fails: bool) -> None:
        """It is so now: told now, later or never."""
        things = self._things.get(key.owner, {})
        thing = things.get(key.name)
        if thing is None:
            if not fails:
                return
            thing = self._things.setdefault(key.owner, {})[key.name] = _Thing()
        thing.tell = tell
        if thing.fails is fails:
            return
        thing.fails = fails
        if thing.timer is not None:
            thing.untold += 1
            return
        now = self._reactor.now()
        if len(thing.times) == MOST and now - thing.times[0] < WINDOW:
            thing.untold = 1
            thing.timer = self._reactor.call_at(thing.times[0] + WINDOW, lambda: self._room(thing))
            return
        self._tell(thing, 0)

    def forget(self, owner: object, name: str = "") -> None:
        """It is no more, or all of its owner's: nothing of it is told."""
        things = self._things.get(owner, {})
        for each in [name] if name else list(things):
            thing = things.pop(each, None)
            if thing is not None and thing.timer is not None:
                thing.timer.cancel()
        if not things:
            self._things.pop(owner, None)

    def _room(self, thing: _Thing) -> None:
        thing.timer = None
        if thing.fails is not thing.told:
            self._tell(thing, thing.untold - 1)

    def _tell(self, thing: _Thing, untold: int) -> None:
        thing.told = thing.fails
        thing.untold = 0
        thing.times.append(self._reactor.now())
        thing.tell(thing.fails, untold)


def unsaid(count: int) -> str:
    """How an event's text ends after so many changes that were not told."""
    return f" ({count} changes before it were not told)" if count else ""
