"""Looks at asyncio's loops themselves: what is scheduled, what is ready, what serves their executors."""

import gc
import sys
from collections import deque
from typing import Any, Final

from .awaits import awaited_by, describe
from .futures import is_future, is_task, name_of, pending, read
from .heap import full_name
from .loops import all_tasks, current_tasks, found_loops
from .natives import monotonic
from .render import class_name, type_name
from .static import exactly, is_a, looked_up, own_names
from .threadlist import thread_name
from .view import View

_ARGUMENTS: Final = 4
"""Arguments of a timer's callback that are looked at for who waits."""


def timers(n: int = 100) -> View:
    """What running loops have scheduled, the next first: when, what is called, and for which task.

    Args:
        n: rows at the most.
    """
    rows = []
    for loop, ident in found_loops():
        now = _time(loop)
        for handle in scheduled(loop):
            when, callback, arguments = handle
            rows.append({
                "due": None if when is None else when - now,
                "task": _for_whom(callback, arguments),
                "calls": describe(callback) if callback is not None else "?",
                "loop": thread_name(ident),
            })  # fmt: skip
    rows.sort(key=lambda row: (row["due"] is None, row["due"] or 0.0))
    columns = ["due", "task", "calls"]
    if len({row["loop"] for row in rows}) > 1:
        columns.append("loop")
    notes = [f"{len(rows) - n:,} more"] if len(rows) > n else []
    return View(
        "timers",
        rows[:n],
        columns=columns,
        units={"due": "seconds"},
        notes=notes,
        empty="nothing is scheduled",
    )


def loop() -> View:
    """Running loops: class, thread, what is ready, scheduled and executed for them."""
    tasks = [id(read(task, "_loop")) for task in all_tasks()]
    busy = current_tasks()
    rows = []
    for one, ident in found_loops():
        names = own_names(one)
        current = busy.get(id(one))
        rows.append({
            "loop": _kind(one),
            "thread": thread_name(ident) if ident else "?",
            "debug": _debug(one, names),
            "tasks": tasks.count(id(one)),
            "running": None if current is None else name_of(current),
            "ready": _ready(one, names),
            "timers": len(scheduled(one)),
            **_executor(one, names),
        })  # fmt: skip
    columns = ("loop", "thread", "debug", "tasks", "running", "ready", "timers", "executor")
    return View("loop", rows, columns=columns, empty="no running loop")


def _kind(loop: Any) -> str:
    """`asyncio._UnixSelectorEventLoop`, `uvloop.Loop`: the package and the class."""
    name = full_name(type(loop))
    return f"{name.partition('.')[0]}.{name.rpartition('.')[2]}"


def scheduled(loop: Any) -> list[tuple[float | None, Any, tuple[Any, ...]]]:
    """(time of the loop's clock, callback, arguments) of timers that are not cancelled."""
    handles = own_names(loop).get("_scheduled")
    if type(handles) is list:
        found = [_handle(handle) for handle in list(handles)]
        return [(when, callback, arguments) for when, callback, arguments, off in found if not off]
    return [entry for handle in _of_uvloop(loop, set) if (entry := _uvloop_timer(handle)) is not None]


def _handle(handle: Any) -> tuple[float | None, Any, tuple[Any, ...], bool]:
    """Asyncio's TimerHandle, by its slots."""

    def slot(name: str) -> Any:
        member = looked_up(type(handle), name)
        return member.__get__(handle) if type(member).__name__ == "member_descriptor" else None

    arguments = slot("_args")
    return (
        slot("_when"),
        slot("_callback"),
        arguments if type(arguments) is tuple else (),
        bool(slot("_cancelled")),
    )


def _of_uvloop(loop: Any, kind: type) -> list[Any]:
    """The items of a container of `kind` that uvloop keeps its handles in: it hides them in C."""
    if not full_name(type(loop)).startswith("uvloop."):
        return []
    for found in gc.get_referents(loop):
        items: list[Any] = list(found) if type(found) is kind else []  # type: ignore[call-overload]
        names = [type_name(item) for item in items]
        if items and all(name.startswith("uvloop.loop.") and "Handle" in name for name in names):
            return items
    return []


def _uvloop_timer(handle: Any) -> tuple[float | None, Any, tuple[Any, ...]] | None:
    if type_name(handle) != "uvloop.loop.TimerHandle":
        return None
    if handle.cancelled():  # C, all of it
        return None
    held = gc.get_referents(handle)
    callback = next((one for one in held if not exactly(one, tuple, dict) and _callable(one)), None)
    arguments = next((one for one in held if type(one) is tuple), ())
    return handle.when(), callback, arguments


def _callable(thing: Any) -> bool:
    return looked_up(type(thing), "__call__") is not None and "uvloop" not in type_name(thing)


def _time(loop: Any) -> float:
    """The loop's clock; asyncio's own is the monotonic one, and so is uvloop's."""
    if full_name(type(loop)).startswith("uvloop."):
        return float(loop.time())
    return monotonic()


def _for_whom(callback: Any, arguments: tuple[Any, ...]) -> str | None:
    """The task that a timer is for: that it wakes from a sleep, or whose time-out it is."""
    owner = getattr(callback, "__self__", None) if class_name(type(callback)) == "method" else None
    candidates = [*arguments[:_ARGUMENTS], owner, own_names(owner).get("_task")]
    for one in candidates:
        if is_task(one):
            return name_of(one)
        if is_future(one) and pending(one):
            names = awaited_by(one)
            if names:
                return ", ".join(names)
    return None


def _debug(loop: Any, names: dict[str, Any]) -> bool | None:
    found = names.get("_debug")
    if type(found) is bool:
        return found
    return bool(loop.get_debug()) if full_name(type(loop)).startswith("uvloop.") else None


def _ready(loop: Any, names: dict[str, Any]) -> int | None:
    ready = names.get("_ready")
    if type(ready) is deque:
        return len(ready)
    if full_name(type(loop)).startswith("uvloop."):
        return len(_of_uvloop(loop, deque))
    return None


def _executor(loop: Any, names: dict[str, Any]) -> dict[str, Any]:
    """The default executor's threads, how many there may be, and the calls that wait for one."""
    module: Any = sys.modules.get("concurrent.futures.thread")
    kind = getattr(module, "ThreadPoolExecutor", None)
    executor = names.get("_default_executor")
    if executor is None and kind is not None and full_name(type(loop)).startswith("uvloop."):
        executor = next((one for one in gc.get_referents(loop) if is_a(one, kind)), None)
    found: dict[str, Any] = {
        "executor": None,
        "executor_threads": None,
        "executor_most": None,
        "executor_queue": None,
    }
    if executor is None or kind is None or not is_a(executor, kind):
        return found
    facts = own_names(executor)
    threads = facts.get("_threads")
    queue: Any = facts.get("_work_queue")
    simple: Any = sys.modules.get("_queue")
    found["executor_threads"] = len(threads) if type(threads) is set else None
    found["executor_most"] = facts.get("_max_workers")
    if simple is not None and type(queue) is simple.SimpleQueue:
        found["executor_queue"] = queue.qsize()
    count, most, waiting = list(found.values())[1:]
    found["executor"] = f"{count} of {most} threads, {waiting} waiting"
    return found
