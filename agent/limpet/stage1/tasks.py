"""Looks at asyncio's tasks: all of them, groups of them, one of them."""

import re
from collections import Counter
from typing import Any, Final

from . import creation
from .awaits import Chain, awaited_by, chain, place_of, steps, waiters
from .frames import Place, variables
from .futures import cancellations, is_future, is_task, name_of, pending, read
from .loops import all_tasks, current_tasks, found_loops
from .natives import monotonic
from .numbers import Numbers
from .render import shown, type_name
from .static import own
from .threadlist import thread_name
from .timers import scheduled
from .view import View, cell, duration

_VALUE: Final = 200
"""Characters of a variable."""
_VARIABLES: Final = 50
"""Variables of a frame."""
_SAME: Final = 20
"""Tasks of one name that `task` shows."""
_GROUPS: Final = ("coroutine", "at", "state", "loop", "task")
_numbers: Final = Numbers()


def tasks(filter: str = "", n: int = 100, by: str = "") -> View:  # noqa: A002 - the word that one would type
    """Every asyncio task, by name: state, what it runs, where that waits, who waits for it.

    Args:
        filter: only tasks that have this text in their name, coroutine or place.
        n: rows at the most.
        by: count them instead, by `coroutine`, `at`, `state`, `loop` or `task` (by name, without number).
    """
    _numbers.prune()
    found = all_tasks()
    total = len(found)
    if filter:
        found = [task for task in found if any(filter in text for text in _texts(task))]
    if by:
        return _grouped(found, by, n)
    looks = _Looks()
    rows = [looks.row(task) for task in _ordered(found)[:n]]
    columns = ["task", "state", "coroutine", "at", "awaited_by"]
    if len({row["task"] for row in rows}) < len(rows):
        columns.insert(1, "id")
    if len({row["loop"] for row in rows}) > 1:
        columns.insert(-1, "loop")
    if any(row["age"] is not None for row in rows):
        columns.insert(-1, "age")
    notes = []
    if len(found) > n:
        notes.append(f"{len(found) - n:,} more: tasks(n=…), tasks('text'), tasks(by='coroutine')")
    if filter and found:
        notes.append(f"{len(found):,} of {total:,} tasks")
    nothing = f"none of {total:,} tasks has {filter!r} in it" if filter and total else "no asyncio tasks"
    return View(
        "tasks", rows, columns=columns, units={"age": "seconds", "id": "id"}, notes=notes, empty=nothing
    )


def task(which: Any) -> View:
    """One task: what it awaits with the variables on the way, who waits for it, what is called at its end.

    Args:
        which: its name, its number (`id` of tasks()), or the task itself. Of a name that several have, all.
    """
    found = named(which)
    looks = _Looks()
    notes = []
    if len(found) > _SAME:
        notes.append(f"{len(found) - _SAME:,} more are named {which!r}")
    rows = [looks.whole(one) for one in found[:_SAME]]
    return View("task", rows, text="\n\n".join(map(_text, rows)), notes=notes)


def named(which: Any) -> list[Any]:
    """The tasks that `task` and `cancel` mean.

    Raises:
        LookupError: there is none.
    """
    if is_task(which):
        return [which]
    everything = all_tasks()
    if type(which) is str and not which.isdigit():
        found = [one for one in everything if name_of(one) == which]
    else:
        number = int(which)
        found = [one for one in everything if _numbers.of(one) == number]
    if not found and type(which) is str:
        found = [one for one in everything if name_of(one) == which]
    if not found:
        raise LookupError(f"no task that still runs is {which!r}; see tasks()")
    return found


class _Looks:
    """Rows about tasks, at one moment."""

    def __init__(self) -> None:
        self._current = current_tasks()
        self._loops = {id(loop): thread_name(ident) for loop, ident in found_loops() if ident}
        self._now = monotonic()

    def loop_name(self, loop: Any) -> str:
        return self._loops.get(id(loop), "not running")

    def state(self, task: Any) -> str:
        if not pending(task):
            return str(read(task, "_state")).lower()
        if self._current.get(id(read(task, "_loop"))) is task:
            return "running"
        return "ready" if read(task, "_fut_waiter") is None else "waiting"

    def row(self, task: Any) -> dict[str, Any]:
        return self._row(task, chain(read(task, "_coro")))

    def _row(self, task: Any, found: Chain) -> dict[str, Any]:
        made = creation.of(task)
        return {
            "task": name_of(task),
            "id": _numbers.of(task),
            "state": self.state(task),
            "coroutine": found.links[0].place.function if found.links else "?",
            "at": found.at.text,
            "loop": self.loop_name(read(task, "_loop")),
            "age": None if made is None else self._now - made.at,
            "cancelling": cancellations(task),
            "awaited_by": awaited_by(task),
            "chain": [link.place.text for link in found.links],
        }

    def whole(self, task: Any) -> dict[str, Any]:
        found = chain(read(task, "_coro"))
        waiting = waiters(task)
        made = creation.of(task)
        row = self._row(task, found)
        row["waits_for"] = _what(found.future, read(task, "_loop"))
        row["callbacks"] = list(dict.fromkeys(one.text for one in waiting))
        row["created_by"] = made.parent if made is not None else None
        row["created"] = [place._asdict() for place in creation.places(task)]
        row["chain"] = [{**link.place._asdict(), "variables": _variables(link.frame)} for link in found.links]
        return row


def _variables(frame: Any) -> dict[str, str]:
    if frame is None:
        return {}
    found = list(variables(frame).items())[:_VARIABLES]
    return {name: shown(value, _VALUE, name=name) for name, value in found}


def _what(future: Any, loop: Any) -> str | None:
    """What a chain ends at, for a person; None if only those know who will set the future's result."""
    if future is None:
        return None
    if is_task(future):
        return f"task {name_of(future)}"
    children = [one for one in list(_children(future)) if is_future(one)]
    if children:
        names = [name_of(one) if is_task(one) else "a future" for one in children if pending(one)]
        return f"gather of {len(children)}, not done: {', '.join(names) or 'none'}"
    for when, _, arguments in scheduled(loop):
        if when is not None and any(one is future for one in arguments):
            return f"a timer, due in {duration(when - monotonic())}"
    return None


def _children(future: Any) -> list[Any]:
    children = own(future, "_children")
    return list(children) if type(children) is list else []


def _text(row: dict[str, Any]) -> str:
    facts = [
        ("task", f"{row['task']} (id {row['id']})"),
        ("state", row["state"] + (", asked to cancel" if row["cancelling"] else "")),
        ("loop", row["loop"]),
        ("age", cell(row["age"], "seconds")),
        ("awaited by", ", ".join(row["awaited_by"])),
        ("waits for", row["waits_for"]),
        ("at its end", ", ".join(row["callbacks"])),
        ("created by", row["created_by"]),
    ]
    lines = [f"{name:<11} {text}" for name, text in facts if text]
    for title, places in (("runs", row["chain"]), ("created", row["created"])):
        if places:
            lines.append(f"{title}:")
        for place in places:
            lines.append(Place(place["function"], place["file"], place["line"]).lines)
            lines += [f"      {name} = {text}" for name, text in place.get("variables", {}).items()]
    return "\n".join(lines)


def _texts(task: Any) -> list[str]:
    """What a filter looks for its text in."""
    found, end = steps(read(task, "_coro"))
    beyond = [] if end is None or is_future(end) else [type_name(end)]
    return [name_of(task), *(place_of(step).text for step in found), *beyond]


def _ordered(found: list[Any]) -> list[Any]:
    """By name, Task-2 before Task-10: asyncio numbers its tasks, and its sets have no order."""

    def key(task: Any) -> tuple[str, int, str]:
        name = name_of(task)
        text = name.rstrip("0123456789")
        return text, len(name) - len(text), name

    return sorted(found, key=key)


def _grouped(found: list[Any], by: str, n: int) -> View:
    if by not in _GROUPS:
        raise ValueError(f"tasks are not counted by {by!r}, but by {', '.join(_GROUPS)}")
    looks = _Looks()
    same: Counter[tuple[str, str, str]] = Counter()
    """Of the same group, state and place."""
    for task in found:
        state = looks.state(task)
        runs, end = steps(read(task, "_coro"))
        place = place_of(runs[-1]).text if runs else "?"
        match by:
            case "coroutine":
                key = runs[0][0].co_qualname if runs else "?" if end is None else type_name(end)
            case "at":
                key = place
            case "state":
                key = state
            case "loop":
                key = looks.loop_name(read(task, "_loop"))
            case _:
                key = re.sub(r"\d+", "N", name_of(task))
        same[key, state, place] += 1
    states: dict[str, Counter[str]] = {}
    places: dict[str, Counter[str]] = {}
    for (key, state, place), count in sorted(same.items()):
        states.setdefault(key, Counter())[state] += count
        places.setdefault(key, Counter())[place] += count
    rows = []
    for key, counts in sorted(states.items(), key=lambda item: (-item[1].total(), item[0]))[:n]:
        ((place, times),) = places[key].most_common(1)
        total = counts.total()
        rows.append({
            by: key,
            "tasks": total,
            "waiting": counts["waiting"],
            "ready": counts["ready"] + counts["running"],
            "mostly_at": place if times == total else f"{place} ({times:,})",
        })  # fmt: skip
    notes = [f"{len(states) - n:,} more groups"] if len(states) > n else []
    if by == "at":
        rows = [{key: value for key, value in row.items() if key != "mostly_at"} for row in rows]
    return View("tasks", rows, notes=notes, empty="no asyncio tasks")
