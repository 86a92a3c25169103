"""Running asyncio loops, their tasks and what each awaits, seen from another thread."""

import sys
from typing import Any

from .natives import main_thread

_ENTRIES = ("run_forever", "run", "run_until_complete", "run_app", "serve_forever")
_CHAIN = 100
"""Awaits of one task that are followed."""


def running_loops() -> dict[Any, int]:
    """Running loops with the ident of the thread that each runs in (0 if unknown); the main thread's first.

    A loop is found by the frames of its thread (asyncio's and uvloop's alike), else by its tasks.
    """
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or not hasattr(asyncio, "AbstractEventLoop"):
        return {}
    kind = asyncio.AbstractEventLoop
    found: dict[Any, int] = {}
    for ident, innermost in sys._current_frames().items():  # noqa: SLF001 - the documented way
        frame: Any = innermost
        while frame is not None:
            if frame.f_code.co_name in _ENTRIES:
                names = frame.f_locals
                this = names.get("self")
                for candidate in (this, getattr(this, "_loop", None), names.get("loop")):
                    if isinstance(candidate, kind) and candidate.is_running():
                        found.setdefault(candidate, ident)
            frame = frame.f_back
    for task in _registered():
        loop = task.get_loop()
        if loop.is_running():
            found.setdefault(loop, getattr(loop, "_thread_id", None) or 0)
    main = main_thread()
    return dict(sorted(found.items(), key=lambda item: item[1] != main))


def all_tasks() -> list[Any]:
    """Tasks of all loops that are not done."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or not hasattr(asyncio, "all_tasks"):
        return []
    tasks = {id(task): task for task in _registered() if not task.done()}
    if sys.version_info >= (3, 14):  # the sets hold no C tasks any more, and all_tasks works from any thread
        for loop in running_loops():
            tasks.update((id(task), task) for task in asyncio.all_tasks(loop))
    return list(tasks.values())


def _registered() -> list[Any]:
    """Tasks that asyncio's own sets know."""
    tasks = sys.modules.get("asyncio.tasks")
    found: list[Any] = []
    for name in ("_scheduled_tasks", "_all_tasks", "_eager_tasks"):
        registered = getattr(tasks, name, ())
        for _ in range(50):
            try:
                found += list(registered)
            except RuntimeError:  # the set changed meanwhile
                continue
            break
    return found


def await_chain(coroutine: Any) -> list[tuple[str, str, int]]:
    """(qualified name, file, line) from a task's coroutine to its innermost await, maybe a future."""
    chain: list[tuple[str, str, int]] = []
    while coroutine is not None and len(chain) < _CHAIN:
        for prefix, attribute in (("cr", "cr_await"), ("gi", "gi_yieldfrom"), ("ag", "ag_await")):
            code = getattr(coroutine, f"{prefix}_code", None)
            if code is not None:
                frame = getattr(coroutine, f"{prefix}_frame", None)
                line = frame.f_lineno if frame is not None and frame.f_lineno else code.co_firstlineno
                chain.append((code.co_qualname, code.co_filename, line))
                coroutine = getattr(coroutine, attribute)
                break
        else:
            chain.append((type(coroutine).__qualname__, "", 0))
            break
    return chain


def awaited_by(future: Any) -> list[str]:
    """Names of the tasks (or kinds of the futures) that wait for `future`."""
    asyncio = sys.modules["asyncio"]
    names = []
    for callback, _context in list(getattr(future, "_callbacks", None) or ()):
        owner = getattr(callback, "__self__", None)
        if isinstance(owner, asyncio.Task):
            names.append(owner.get_name())
            continue
        parent = getattr(owner, "_parent_task", None)  # a TaskGroup
        if parent is not None:
            names.append(parent.get_name())
            continue
        for cell in getattr(callback, "__closure__", None) or ():  # gather, wait
            try:
                content = cell.cell_contents
            except ValueError:
                continue
            if isinstance(content, asyncio.Future) and content is not future:
                names += awaited_by(content) or [type(content).__name__]
    return names
