"""Running asyncio loops and their tasks, seen from another thread."""

import sys
from types import MethodDescriptorType
from typing import Any, Final

from .frames import variables
from .futures import is_task, pending, read
from .natives import main_thread
from .render import class_name
from .static import is_a, looked_up, own_names
from .threads import ours

_ENTRIES: Final = frozenset({"run_forever", "run", "run_until_complete", "run_app", "serve_forever"})
"""Functions in whose frames a loop that runs is found."""


def running_loops() -> dict[Any, int]:
    """The application's of `found_loops`; for those who will call the loops' methods anyway.

    A loop in a thread of ours is an evaluation's own: it ends with it, and what it was handed may never run.
    """
    return {loop: ident for loop, ident in found_loops() if ident not in ours}


def found_loops() -> list[tuple[Any, int]]:
    """Running loops with the ident of the thread that each runs in (0 if unknown); the main thread's first.

    A loop is found by the frames of its thread (asyncio's and uvloop's alike), else by its tasks.
    """
    events = sys.modules.get("asyncio.events")
    kind = getattr(events, "AbstractEventLoop", None)
    if kind is None:
        return []
    found: dict[int, tuple[Any, int]] = {}
    for ident, innermost in sys._current_frames().items():  # noqa: SLF001 - the documented way
        frame: Any = innermost
        while frame is not None:
            if frame.f_code.co_name in _ENTRIES:
                names = variables(frame)
                this = names.get("self")
                for candidate in (this, own_names(this).get("_loop"), names.get("loop")):
                    if is_a(candidate, kind) and runs(candidate):
                        found.setdefault(id(candidate), (candidate, ident))
            frame = frame.f_back
    for task in registered():
        loop = read(task, "_loop")
        if id(loop) not in found and loop is not None and is_a(loop, kind) and runs(loop):
            found[id(loop)] = (loop, own_names(loop).get("_thread_id") or 0)
    main = main_thread()
    return sorted(found.values(), key=lambda item: item[1] != main)


def runs(loop: Any) -> bool:
    """Whether a loop runs; asyncio's own, also subclassed, is not asked for it."""
    names = own_names(loop)
    if "_thread_id" in names:  # asyncio.BaseEventLoop
        return names["_thread_id"] is not None
    method = looked_up(type(loop), "is_running")
    if type(method) is MethodDescriptorType or class_name(type(method)) == "cython_function_or_method":
        return bool(method(loop))  # uvloop's, in C
    return True  # a loop of another kind, found where it runs or by its tasks, is believed


def all_tasks() -> list[Any]:
    """Tasks of all loops that are not done."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or not hasattr(asyncio, "all_tasks"):
        return []
    tasks = {id(task): task for task in registered() if pending(task)}
    if sys.version_info >= (3, 14):  # the sets hold no C tasks any more, and all_tasks works from any thread
        for loop, _ in found_loops():
            tasks.update((id(task), task) for task in asyncio.all_tasks(loop))
    return list(tasks.values())


def registered() -> list[Any]:
    """Tasks that asyncio's own sets know, those that are done included; copied without their iterators."""
    tasks = sys.modules.get("asyncio.tasks")
    found: list[Any] = []
    for name in ("_scheduled_tasks", "_all_tasks", "_eager_tasks"):
        known = getattr(tasks, name, None)
        if known is None:
            continue
        references = own_names(known).get("data")  # of a WeakSet
        if references is None:
            found += list(known)
        else:
            found += [task for reference in list(references) if (task := reference()) is not None]
    return [task for task in found if is_task(task)]


def current_tasks() -> dict[int, Any]:
    """The task that each loop works on just now, by the loop's identity."""
    tasks = sys.modules.get("asyncio.tasks")
    current = getattr(tasks, "_current_tasks", None)
    if type(current) is not dict:
        return {}
    return {id(loop): task for loop, task in list(current.items())}
