"""Values over time, for charts and for what has changed within a window."""

from collections import deque
from typing import Final

LONGEST: Final = 900.0
"""Seconds that are remembered."""
_BRIDGE: Final = 4
"""Spans from one value to the next between which there is no gap."""


class Series:
    """Pairs of time and value, oldest first; times never go back."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque()

    def add(self, at: float, value: float) -> None:
        """Remembers a value; one of the same time replaces the last."""
        points = self._points
        if points and at <= points[-1][0]:
            points.pop()
        points.append((at, value))
        while points[0][0] < at - LONGEST:
            points.popleft()

    @property
    def last(self) -> float | None:
        """The latest value."""
        return self._points[-1][1] if self._points else None

    def since(self, seconds: float) -> list[tuple[float, float]]:
        """The points of the last so many seconds, and the one before them: two at least, if there are."""
        if not self._points:
            return []
        begin = self._points[-1][0] - seconds
        found: list[tuple[float, float]] = []
        for point in reversed(self._points):
            found.append(point)
            if point[0] <= begin and len(found) > 1:
                break
        return found[::-1]

    def change(self, seconds: float) -> float | None:
        """By how much it has changed in the last so many seconds; None: there is but one point."""
        points = self.since(seconds)
        return points[-1][1] - points[0][1] if len(points) > 1 else None

    def rate(self, seconds: float) -> float | None:
        """Its change a second, over that time; a counter that fell has begun anew, and tells nothing."""
        points = self.since(seconds)
        if len(points) < 2 or points[-1][0] <= points[0][0]:
            return None
        rise = points[-1][1] - points[0][1]
        return rise / (points[-1][0] - points[0][0]) if rise >= 0 else None

    def highest(self, seconds: float) -> float | None:
        """The highest value within that time."""
        return max((value for _, value in self.since(seconds)), default=None)

    def bins(self, count: int, width: float) -> list[float | None]:
        """`count` values, each of a span of `width` seconds, the last one the latest; None: nobody looked.

        The spans lie on multiples of their width, so that a chart moves by whole columns.
        """
        found: list[float | None] = [None] * count
        if not self._points:
            return found
        latest = int(self._points[-1][0] // width)
        for at, value in reversed(self._points):
            place = count - 1 - (latest - int(at // width))
            if place < 0:
                break
            present = found[place]
            found[place] = value if present is None else max(present, value)
        return _bridged(found)


def _bridged(values: list[float | None]) -> list[float | None]:
    """Short gaps between two values filled with the first: whoever is asked less often is seen as well."""
    last = -1
    for place, value in enumerate(values):
        if value is None:
            continue
        if last >= 0 and place - last <= _BRIDGE:
            values[last + 1 : place] = [values[last]] * (place - last - 1)
        last = place
    return values
