"""Looks at threads and their stacks, those of asyncio's tasks and of greenlets included."""

import os
import sys
from typing import Any, Final

from . import natives
from .awaits import awaited_by, chain
from .frames import Place, place_of_frame, stack_lines
from .futures import name_of, read
from .loops import all_tasks, found_loops
from .natives import get_ident, main_thread
from .render import clip
from .static import own_names, plain_text
from .view import View

STACKS: Final = 256_000
"""Characters of all stacks."""
_TICK: Final = os.sysconf("SC_CLK_TCK")


def threads() -> View:
    """Every thread, those without Python included: name, idents, processor time, state, where it is."""
    rows = []
    known = _known()
    seen = set()
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way
        tid = _tid(ident, known.get(ident))
        seen.add(tid)
        cpu, state, _ = _kernel(tid)
        rows.append({
            "thread": thread_name(ident),
            "ident": f"{ident:#x}",
            "tid": tid,
            "daemon": bool(own_names(known.get(ident)).get("_daemonic", True)),
            "cpu": cpu,
            "state": state,
            "at": place_of_frame(frame).text,
        })  # fmt: skip
    for tid in sorted(map(int, os.listdir("/proc/self/task"))):
        if tid not in seen:
            cpu, state, name = _kernel(tid)
            rows.append({
                "thread": name,
                "ident": None,
                "tid": tid,
                "daemon": None,
                "cpu": cpu,
                "state": state,
                "at": "no Python",
            })  # fmt: skip
    return View("threads", rows, units={"cpu": "seconds", "tid": "id"})


def stacks() -> View:
    """The stack of every thread, and of every asyncio task through all that it awaits."""
    rows = []
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way
        rows.append({"of": f"Thread {thread_name(ident)} ({ident:#x})", "stack": stack_lines(frame)})
    loops = {id(loop): ident for loop, ident in found_loops()}
    for task in all_tasks():
        waits = "".join(f", awaited by {name}" for name in awaited_by(task))
        ident = loops.get(id(read(task, "_loop")), 0)
        where = f"the loop in {thread_name(ident)}" if ident else "a loop that does not run"
        lines = [link.place.lines for link in chain(read(task, "_coro")).links]
        rows.append({"of": f"Task {name_of(task)} of {where}{waits}", "stack": "\n".join(lines)})
    text = "\n\n".join(f"{row['of']}:\n{row['stack']}" for row in rows)
    return View("stacks", rows, text=clip(text, STACKS))


def thread_name(ident: int) -> str:
    """Its name in `threading`, or what it is to us."""
    known = _known()
    if ident in known:
        return plain_text(own_names(known[ident]).get("_name"), f"{ident:#x}")
    if ident == main_thread():
        return "MainThread"
    if ident == natives.agent_thread[0]:
        return "limpet agent"
    return "this evaluation" if ident == get_ident() else "unnamed"


def _known() -> dict[int, Any]:
    """Threads that `threading` knows, by ident, if it is loaded; read without its lock."""
    module: Any = sys.modules.get("threading")
    known = getattr(module, "_active", None)
    return dict(known) if type(known) is dict else {}


def _tid(ident: int, thread: Any) -> int | None:
    """The kernel's number of it. Before Python 3.13 that of a fork's main thread is its parent's."""
    if ident == main_thread():
        return os.getpid()
    if ident == natives.agent_thread[0]:
        return natives.agent_thread[1]
    found = own_names(thread).get("_native_id")
    return found if type(found) is int else None


def _kernel(tid: int | None) -> tuple[float | None, str | None, str]:
    """Processor seconds, state (R, S, D, …) and name that the kernel has of a thread: proc(5)."""
    try:
        with open(f"/proc/self/task/{tid}/stat", "rb") as file:
            name, _, rest = file.read().decode("utf-8", "replace").rpartition(")")
    except OSError:
        return None, None, "?"
    fields = rest.split()
    return (int(fields[11]) + int(fields[12])) / _TICK, fields[0], name.partition("(")[2]


def greenlets(n: int = 100) -> View:
    """Every greenlet of gevent, eventlet or the application: kind, state, what it runs, where it waits."""
    module: Any = sys.modules.get("greenlet")
    kind = getattr(module, "greenlet", None)
    if type(kind) is not type:
        return View("greenlets", empty="greenlet is not loaded")
    from .heap import instances_of

    found = instances_of(kind)
    return View("greenlets", [_greenlet(one, kind) for one in found[:n]], empty="no greenlets")


def _greenlet(one: Any, kind: Any) -> dict[str, Any]:
    from .render import type_name

    frame = kind.__dict__["gr_frame"].__get__(one)
    dead = kind.__dict__["dead"].__get__(one)
    outer = Place("?")
    while frame is not None:
        outer = place_of_frame(frame)
        frame = frame.f_back
    return {"greenlet": type_name(one), "dead": dead, "at": outer.text}
