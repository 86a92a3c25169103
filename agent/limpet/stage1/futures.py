"""Futures and tasks of asyncio, read past all that a subclass of theirs may have put in the way.

What asyncio implements in C is asked by the C type's own descriptors; what it implements in Python keeps
everything in its instance dictionary. Neither runs any code of the application's.
"""

import sys
from collections.abc import Callable
from typing import Any, Final

from .static import is_a, own, plain_text

_readers: Final[dict[str, Callable[[Any], Any]]] = {}
"""How the attributes of a task implemented in C are read, by name."""


def _nothing(_future: Any) -> None:
    """Of an attribute that this version does not have."""


def read(future: Any, name: str) -> Any:
    """The `_state`, `_loop`, `_callbacks`, `_coro`, `_fut_waiter`, … of a future or task; None if unknown."""
    native: Any = sys.modules.get("_asyncio")
    if native is not None:
        if type(future) is native.Task:
            reader = _readers.get(name)
            if reader is None:
                reader = _readers[name] = getattr(native.Task.__dict__.get(name), "__get__", _nothing)
            return reader(future)
        if is_a(future, native.Task):
            found = native.Task.__dict__.get(name)
            return None if found is None else found.__get__(future)
        if type(future) is native.Future or is_a(future, native.Future):
            found = native.Future.__dict__.get(name)
            return None if found is None else found.__get__(future)
    return own(future, name)


def is_future(thing: Any) -> bool:
    """Whether it is a future of asyncio's, a task, or of a subclass."""
    return _is(thing, "Future", "asyncio.futures")


def is_task(thing: Any) -> bool:
    """Whether it is a task of asyncio's, or of a subclass."""
    return _is(thing, "Task", "asyncio.tasks")


def _is(thing: Any, name: str, module: str) -> bool:
    native: Any = sys.modules.get("_asyncio")
    if native is not None:
        kind = native.__dict__[name]
        if type(thing) is kind or is_a(thing, kind):
            return True
    in_python = getattr(sys.modules.get(module), f"_Py{name}", None)
    return in_python is not None and is_a(thing, in_python)


def name_of(task: Any) -> str:
    """A task's name."""
    native: Any = sys.modules.get("_asyncio")
    if native is not None and is_a(task, native.Task):
        return plain_text(native.Task.get_name(task), "?")
    return plain_text(own(task, "_name"), "?")


def cancellations(task: Any) -> int:
    """How often it has been asked to cancel, and has not taken it back (`uncancel`)."""
    native: Any = sys.modules.get("_asyncio")
    if native is not None and is_a(task, native.Task):
        return int(native.Task.cancelling(task))
    return int(own(task, "_num_cancels_requested") or 0)


def pending(task: Any) -> bool:
    """Whether it is not done."""
    return bool(read(task, "_state") == "PENDING")
