"""Looks at threads, and at the stacks of threads and of asyncio's tasks."""

import os
import sys
from typing import Any, Final

from .awaits import awaited_by, chain
from .frames import place_of_frame, stack_lines
from .futures import name_of, read
from .loops import all_tasks, found_loops
from .natives import agent_thread, main_thread
from .render import clip
from .static import own_names, plain_text
from .threads import ours
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
    if ident == agent_thread[0]:
        return "limpet agent"
    return ours[ident][0] if ident in ours else "unnamed"


def _known() -> dict[int, Any]:
    """Threads that `threading` knows, by ident, if it is loaded; read without its lock."""
    module: Any = sys.modules.get("threading")
    known = getattr(module, "_active", None)
    return dict(known) if type(known) is dict else {}


def _tid(ident: int, thread: Any) -> int | None:
    """The kernel's number of it. Before Python 3.13 that of a fork's main thread is its parent's."""
    if ident == main_thread():
        return os.getpid()
    if ident == agent_thread[0]:
        return agent_thread[1]
    if ident in ours:
        return ours[ident][1]
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
