"""Numbers for objects of the application that have no name: given once, never given again in this process.

`id()` is given again as soon as an object is gone, and whoever cancels by it may hit another.
"""

import weakref
from typing import Any

from .ownlocks import owned_lock


class Numbers:
    """Numbers of objects that can be referred to weakly; nothing is kept alive by them."""

    def __init__(self) -> None:
        self._lock = owned_lock()
        self._known: dict[int, tuple[weakref.ref[Any], int]] = {}
        self._last = 0

    def of(self, thing: Any) -> int:
        """Its number, the next one if it has none."""
        with self._lock:
            reference, number = self._known.get(id(thing), (None, 0))
            if reference is None or reference() is not thing:
                self._last += 1
                number = self._last
                # Without a callback: nothing is added to the object's end.
                self._known[id(thing)] = (weakref.ref(thing), number)
            return number

    def prune(self) -> None:
        """Forgets those that are gone."""
        with self._lock:
            for key in [key for key, (reference, _) in self._known.items() if reference() is None]:
                del self._known[key]
