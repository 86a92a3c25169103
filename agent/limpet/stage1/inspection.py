"""Passive looks at the process, in every session's namespace: h, i, src, tasks, threads, stacks, mem.

Each returns a `Text`, whose repr is what it has to say.
"""

import gc
import inspect
import linecache
import os
import sys
from types import FrameType, FunctionType, MethodType, ModuleType
from typing import Any, Final

from .loops import all_tasks, await_chain, awaited_by, running_loops
from .natives import get_ident, main_thread
from .render import Text, bounded, class_name, clip, type_name
from .static import attributes, documentation_of, is_a, mro, place_of, signature_of
from .view import View

STACKS: Final = 256_000
"""Characters of all stacks."""
_FRAMES: Final = 60
"""Innermost frames shown of one stack."""


def h(thing: Any) -> Text:
    """Signature and documentation of `thing`."""
    documentation = documentation_of(thing) or "no documentation"
    return Text(
        "\n\n".join(part for part in (signature_of(thing) or type_name(thing), documentation) if part)
    )


def i(thing: Any) -> Text:
    """What `thing` is: its value, type, length, place in the source and public names."""
    cls = thing if is_a(thing, type) else type(thing)
    rows = [("value", bounded(thing, 300)), ("type", type_name(thing))]
    if type(thing) in (str, bytes, list, tuple, dict, set, frozenset):
        rows.append(("length", f"{len(thing):,}"))
    rows += [
        ("bases", ", ".join(class_name(base) for base in mro(cls)[1:-1])),
        ("source", place_of(thing)),
        ("address", f"{id(thing):#x}"),
        ("signature", signature_of(thing)),
        ("names", clip(", ".join(sorted(name for name in attributes(thing) if name[0] != "_")), 1000)),
        ("about", clip(documentation_of(thing).partition("\n\n")[0].replace("\n", " "), 400)),
    ]
    return Text("\n".join(f"{name:<11} {text}" for name, text in rows if text))


def src(thing: Any) -> Text:
    """The source of a function, class, method or module, or of the class of anything else."""
    subject = thing if is_a(thing, type, ModuleType, FunctionType, MethodType) else type(thing)
    try:
        lines, _first = inspect.getsourcelines(subject)
    except (OSError, TypeError):
        return Text(f"the source of {bounded(thing, 200)} is not there")
    return Text(f"# {place_of(thing)}\n{''.join(lines).rstrip()}")


def tasks() -> View:
    """Every asyncio task, by name: state, what it runs, where that waits, who waits for it."""
    # Task-2 before Task-10: asyncio numbers its tasks, and its sets have no order.
    found = sorted(all_tasks(), key=lambda task: (len(task.get_name()), task.get_name()))
    rows = []
    for task in found:
        chain = await_chain(task.get_coro())
        places = [link for link in chain if link[1]]
        rows.append({
            "task": task.get_name(),
            "state": "waiting" if getattr(task, "_fut_waiter", None) is not None else "ready",
            "coroutine": chain[0][0] if chain else "?",
            "at": f"{places[-1][0]} {_short(places[-1][1])}:{places[-1][2]}" if places else "?",
            "awaited_by": list(awaited_by(task)),
        })  # fmt: skip
    return View("tasks", rows, empty="no asyncio tasks")


def threads() -> View:
    """Every thread: name, idents, where it is."""
    rows = []
    known = _threads()
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way
        thread = known.get(ident)
        rows.append({
            "thread": _thread_name(ident, known),
            "ident": f"{ident:#x}",
            "tid": _thread_id(ident, thread),
            "daemon": bool(getattr(thread, "daemon", True)),
            "at": f"{frame.f_code.co_qualname} {_short(frame.f_code.co_filename)}:{frame.f_lineno}",
        })  # fmt: skip
    return View("threads", rows)


def stacks() -> View:
    """The stack of every thread, and of every asyncio task through all that it awaits."""
    known = _threads()
    rows = []
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way
        name = f"Thread {_thread_name(ident, known)} ({ident:#x})"
        rows.append({"of": name, "stack": _stack(frame)})
    for task in all_tasks():
        waits = "".join(f", awaited by {name}" for name in awaited_by(task))
        lines = []
        for name, file, line in await_chain(task.get_coro()):
            lines.append(_line(name, file, line) if file else f"  {name}")
        name = f"Task {task.get_name()} of {_loop_name(task.get_loop())}{waits}"
        rows.append({"of": name, "stack": "\n".join(lines)})
    text = "\n\n".join(f"{row['of']}:\n{row['stack']}" for row in rows)
    return View("stacks", rows, text=clip(text, STACKS))


def mem() -> View:
    """Memory, garbage collector, threads and descriptors."""
    rows = []
    for file, wanted in (
        ("/proc/self/status", ("VmHWM", "VmRSS", "RssAnon", "VmSwap", "Threads")),
        ("/proc/self/smaps_rollup", ("Pss", "Private_Dirty")),
    ):
        try:
            with open(file, encoding="ascii") as lines:
                facts = dict(line.split(":", 1) for line in lines if ":" in line)
        except OSError:
            continue
        rows += [(name, " ".join(facts[name].split())) for name in wanted if name in facts]
    rows.append(("descriptors", str(len(os.listdir("/proc/self/fd")) - 1)))
    counts = ", ".join(f"{count:,}" for count in gc.get_count())
    rows.append(("gc counts", f"{counts} (thresholds {', '.join(map(str, gc.get_threshold()))})"))
    collected = [f"{stats['collections']:,}" for stats in gc.get_stats()]
    rows.append(("collections", ", ".join(collected)))
    rows.append(("uncollectable", str(len(gc.garbage))))
    text = "\n".join(f"{name:<14} {text}" for name, text in rows)
    return View("mem", [{"name": name, "value": text} for name, text in rows], text=text)


def where(ident: int) -> str:
    """`function (file:line)` of a thread's innermost frame; empty if it has none."""
    frame = sys._current_frames().get(ident)  # noqa: SLF001 - the documented way
    if frame is None:
        return ""
    return f"{frame.f_code.co_qualname} ({_short(frame.f_code.co_filename)}:{frame.f_lineno})"


def _threads() -> dict[int, Any]:
    """Threads that `threading` knows, by ident, if it is loaded; read without its lock."""
    module: Any = sys.modules.get("threading")
    return dict(getattr(module, "_active", None) or {})


def _thread_id(ident: int, thread: Any) -> str:
    """The kernel's number of it. Before Python 3.13 `native_id` of a fork's main thread is its parent's."""
    if ident == main_thread():
        return str(os.getpid())
    return str(getattr(thread, "native_id", None) or "?")


def _thread_name(ident: int, known: dict[int, Any]) -> str:
    if ident in known:
        return str(getattr(known[ident], "_name", None) or known[ident])
    if ident == main_thread():
        return "MainThread"
    return "this evaluation" if ident == get_ident() else "limpet agent"


def _stack(frame: FrameType | None) -> str:
    lines: list[str] = []
    while frame is not None and len(lines) < _FRAMES:
        code = frame.f_code
        lines.append(_line(code.co_qualname, code.co_filename, frame.f_lineno, frame.f_globals))
        frame = frame.f_back
    if frame is not None:
        lines.append("  …")
    return "\n".join(reversed(lines))


def _line(name: str, file: str, line: int, names: dict[str, Any] | None = None) -> str:
    text = linecache.getline(file, line, names).strip()
    place = f'  File "{file}", line {line}, in {name}'
    return f"{place}\n    {text}" if text else place


def _loop_name(loop: Any) -> str:
    ident = running_loops().get(loop, 0)
    return f"the loop in {_thread_name(ident, _threads())}" if ident else "a loop that does not run"


def _short(file: str) -> str:
    """`bookshop/web.py` for a file below an entry of sys.path."""
    for entry in sys.path:
        if entry and file.startswith(entry.rstrip("/") + "/"):
            return file[len(entry.rstrip("/")) + 1 :]
    return file
