"""What a task awaits, and who awaits it: followed through coroutines, generators and futures.

Nothing is asked for an attribute but objects of the interpreter's own types, so an awaitable of the
application's is where a chain ends.
"""

import gc
from collections.abc import Iterator
from functools import partial
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CodeType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
)
from typing import Any, Final, NamedTuple

from .frames import Place, place_of_code
from .futures import is_future, is_task, name_of, read
from .interrupt import Guarded
from .render import type_name
from .static import is_a, own

_LINKS: Final = 100
"""Awaits of one task that are followed."""
_FUTURES: Final = 100
"""Futures between a task and those who wait for it that are followed."""
_OPAQUE: Final = frozenset({
    "_asyncio.FutureIter",
    "async_generator_asend",
    "async_generator_athrow",
    "anext_awaitable",
    "coroutine_wrapper",
})  # fmt: skip
"""C types that stand between an await and what is awaited, and say nothing of it but to the collector."""


class Link(NamedTuple):
    """One await of a chain."""

    place: Place
    frame: Any = None
    """Its frame, if it has one."""


class Chain(NamedTuple):
    """From a task's coroutine to its innermost await."""

    links: list[Link]
    future: Any = None
    """What it ends at, if that is a future or task."""

    @property
    def at(self) -> Place:
        """The innermost place with a line."""
        return next((link.place for link in reversed(self.links) if link.place.file), Place("?"))


Step = tuple[CodeType, FrameType | None]
"""What a coroutine or generator runs, and its frame if it has one."""


def chain(awaited: Any) -> Chain:
    """The chain that begins with a coroutine, generator or future."""
    found, end = steps(awaited)
    links = [Link(place_of(step), step[1]) for step in found]
    if end is None:
        return Chain(links)
    if is_future(end):
        return Chain(links, end)
    return Chain([*links, Link(Place(type_name(end)))])


def place_of(step: Step) -> Place:
    """Where it is now."""
    code, frame = step
    return place_of_code(code, frame.f_lineno if frame is not None else None)


def steps(awaited: Any) -> tuple[list[Step], Any]:
    """The same in less time, for thousands: the steps, and what they end at, if that is none of them."""
    found: list[Step] = []
    while awaited is not None:
        if len(found) >= _LINKS:
            return found, None
        kind = type(awaited)
        if kind is CoroutineType:
            found.append((awaited.cr_code, awaited.cr_frame))
            awaited = awaited.cr_await
        elif kind is GeneratorType:
            found.append((awaited.gi_code, awaited.gi_frame))
            awaited = awaited.gi_yieldfrom
        elif kind is AsyncGeneratorType:
            found.append((awaited.ag_code, awaited.ag_frame))
            awaited = awaited.ag_await
        elif kind is Guarded:  # what a console awaits
            awaited = awaited.inner
        elif id(kind) in _opaque or type_name(awaited) in _OPAQUE:
            _opaque[id(kind)] = kind
            awaited = _behind(awaited)
        else:
            return found, awaited
    return found, None


_opaque: Final[dict[int, type]] = {}
"""Types of _OPAQUE that were met, by identity: a class of the application's may have a hash of its own."""


def _behind(opaque: Any) -> Any:
    for found in gc.get_referents(opaque):
        if is_future(found) or is_a(found, CoroutineType, GeneratorType, AsyncGeneratorType):
            return found
    return None


class Waiter(NamedTuple):
    """Who is told when a future is done: a task, or something else with a callback."""

    task: Any
    """None if no task is behind it."""
    text: str
    """The callback's name and place."""


def waiters(future: Any) -> list[Waiter]:
    """Who waits for `future`: directly, in a TaskGroup, by gather, wait, wait_for, shield or as_completed."""
    return list(_waiters(future, {id(future)}))


def awaited_by(future: Any) -> list[str]:
    """The names of the tasks that wait for `future`, each once."""
    return list(dict.fromkeys(name_of(one.task) for one in waiters(future) if one.task is not None))


def _waiters(future: Any, seen: set[int]) -> Iterator[Waiter]:
    for entry in list(read(future, "_callbacks") or ()):
        callback = entry[0] if type(entry) is tuple else entry
        tasks = list(_behind_callback(callback, seen))
        if tasks:
            yield from tasks
        else:
            yield Waiter(None, describe(callback))


def _behind_callback(callback: Any, seen: set[int]) -> Iterator[Waiter]:
    if type(callback) is BuiltinFunctionType or type(callback) is MethodType:
        owner: Any = callback.__self__
        if is_task(owner):
            yield Waiter(owner, describe(callback))
            return
        for name in ("_parent_task", "_host_task"):  # asyncio's TaskGroup; anyio's CancelScope
            parent = own(owner, name)
            if parent is not None and is_task(parent):
                yield Waiter(parent, describe(callback))
        return
    for thing in _held(callback):
        if is_task(thing):  # known to the callback, and not waiting for all that is known
            continue
        if is_future(thing):
            if id(thing) not in seen and len(seen) < _FUTURES:
                seen.add(id(thing))
                yield from (one for one in _waiters(thing, seen) if one.task is not None)
            continue
        scope = own(thing, "cancel_scope")  # anyio's TaskGroup
        host = None if scope is None else own(scope, "_host_task")
        if host is not None and is_task(host) and id(host) not in seen:
            yield Waiter(host, describe(callback))


def _held(callback: Any) -> list[Any]:
    """What a function's closure holds, and what a partial is called with."""
    if is_a(callback, partial):
        arguments = partial.__dict__["args"].__get__(callback)
        return [*_held(partial.__dict__["func"].__get__(callback)), *arguments]
    found = []
    if type(callback) is FunctionType:
        for cell in callback.__closure__ or ():
            try:
                found.append(cell.cell_contents)
            except ValueError:  # an empty cell
                continue
    return found


def describe(callback: Any) -> str:
    """`TaskGroup._on_task_done asyncio/taskgroups.py:160` for what can be called."""
    if is_a(callback, partial):
        return describe(partial.__dict__["func"].__get__(callback))
    if type(callback) is MethodType:
        return describe(callback.__func__)
    if type(callback) is FunctionType:
        return place_of_code(callback.__code__).text
    if type(callback) is BuiltinFunctionType:
        return str(callback.__qualname__)
    return type_name(callback)
