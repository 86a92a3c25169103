"""A look at the greenlets of gevent, eventlet or the application itself."""

import sys
from collections import Counter
from typing import Any, Final

from .frames import outwards, place_of_frame
from .heap import full_name, instances_of
from .view import View

_LIBRARIES: Final = frozenset({"gevent", "eventlet", "greenlet", "threading"})
"""Packages whose frames are not what somebody looks for."""
_GROUPS: Final = ("function", "at", "state", "greenlet")


def greenlets(n: int = 100, by: str = "", force: bool = False) -> View:
    """Every greenlet that has begun: kind, state, what it runs, where it waits.

    Args:
        n: rows at the most.
        by: count them instead, by `function`, `at`, `state` or `greenlet` (the kind).
        force: also if there are so many objects that looking through them stops the process for a while.
    """
    if by and by not in _GROUPS:
        raise ValueError(f"greenlets are not counted by {by!r}, but by {', '.join(_GROUPS)}")
    kind = getattr(sys.modules.get("greenlet"), "greenlet", None)
    if type(kind) is not type:
        return View("greenlets", empty="greenlet is not loaded")
    rows = [_row(one, kind) for one in instances_of(kind, force=force)]
    if by:
        counts = Counter(row[by] for row in rows)
        rows = [{by: key, "greenlets": count} for key, count in counts.most_common()]
    columns = (by, "greenlets") if by else ("greenlet", "state", "function", "at")
    notes = [f"{len(rows) - n:,} more"] if len(rows) > n else []
    return View("greenlets", rows[:n], columns=columns, notes=notes, empty="no greenlets")


def _row(one: Any, kind: Any) -> dict[str, Any]:
    names = kind.__dict__
    frames = list(outwards(names["gr_frame"].__get__(one)))
    own = [frame for frame in frames if not _of_a_library(frame)]
    if names["dead"].__get__(one):
        state = "dead"
    elif frames:
        state = "waiting"
    else:
        # Of the one that runs there is no frame, nor of one that has not begun.
        state = "running" if names["__bool__"](one) else "new"
    return {
        "greenlet": full_name(type(one)),
        "state": state,
        "function": place_of_frame(own[-1]).function if own else "",
        "at": place_of_frame((own or frames)[0]).text if frames else "",
        "stack": [place_of_frame(frame).text for frame in reversed(frames)],
    }


def _of_a_library(frame: Any) -> bool:
    package = dict.get(frame.f_globals, "__name__")
    return type(package) is str and package.partition(".")[0] in _LIBRARIES
