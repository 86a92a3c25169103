"""Where tasks come from: recorded while a session wants it, by a task factory around the loop's own."""

import sys
import weakref
from typing import Any, Final, NamedTuple

from .frames import Place, place_of_frame
from .futures import name_of, read
from .jobs import Session
from .loops import found_loops
from .natives import allocate_lock, monotonic

LIMIT: Final = 100_000
"""Tasks alive whose creation is known."""
_FRAMES: Final = 10
"""Innermost frames kept of each creation."""


class Made(NamedTuple):
    """A task's creation."""

    at: float
    """Monotonic time."""
    creator: weakref.ref[Any] | None
    """The task that created it."""
    places: tuple[Place, ...]
    """Outermost first."""

    @property
    def parent(self) -> str | None:
        """Name of the task that created it, if that is still there: a task is given its name at last."""
        task = self.creator() if self.creator is not None else None
        return None if task is None else name_of(task)


class _Factory:
    """Creates tasks as the loop would without it, eager ones included, and remembers where."""

    def __init__(self, loop: Any) -> None:
        self.previous = loop.get_task_factory()
        self.on = True

    def __call__(self, loop: Any, coroutine: Any, **options: Any) -> Any:
        if self.previous is not None:
            task = self.previous(loop, coroutine, **options)
        else:
            task = sys.modules["asyncio"].Task(coroutine, loop=loop, **options)
        if self.on:
            _remember(task, loop, sys._getframe(1))  # noqa: SLF001 - the documented way
        return task


class _Creations:
    """What is known, and who wants to know."""

    def __init__(self) -> None:
        self.lock = allocate_lock()
        self.sessions: set[int] = set()
        """By identity."""
        self.factories: list[tuple[Any, _Factory]] = []
        self.known: dict[int, tuple[weakref.ref[Any], Made]] = {}
        self.dropped = 0


_creations: Final = _Creations()


def start(session: Session) -> int:
    """Records from now on, on all loops that run, until `stop`, or until the session is gone.

    Returns:
        How many loops there are.
    """
    with _creations.lock:
        if id(session) not in _creations.sessions:
            session.endings.append(lambda: stop(session))
        _creations.sessions.add(id(session))
        for loop, _ in found_loops():
            if not any(loop is one for one, _ in _creations.factories):
                factory = _Factory(loop)
                loop.set_task_factory(factory)
                _creations.factories.append((loop, factory))
        return len(_creations.factories)


def stop(session: Session) -> None:
    """The session wants no more; when none does, each loop has again the factory that it had.

    It takes no lock: in the child of a fork its owner may not have come along.
    """
    _creations.sessions.discard(id(session))
    if _creations.sessions:
        return
    factories, _creations.factories = _creations.factories, []
    for loop, factory in factories:
        factory.on = False  # also where the application has wrapped it meanwhile
        if loop.get_task_factory() is factory:
            loop.set_task_factory(factory.previous)
    _creations.known.clear()


def dropped() -> int:
    """Tasks that were created while LIMIT others were known."""
    return _creations.dropped


def of(task: Any) -> Made | None:
    """Its creation, if that was recorded."""
    reference, made = _creations.known.get(id(task), (None, None))
    return made if reference is not None and reference() is task else None


def places(task: Any) -> list[Place]:
    """The stack of its creation, outermost first: recorded, or kept by asyncio's debug mode; maybe empty."""
    made = of(task)
    if made is not None:
        return list(made.places)
    kept = read(task, "_source_traceback")
    return [Place(frame.name, frame.filename, frame.lineno or 0) for frame in kept or ()]


def _remember(task: Any, loop: Any, frame: Any) -> None:
    """In the application's thread: it must be quick, and raises nothing."""
    if len(_creations.known) >= LIMIT:
        _creations.dropped += 1
        return
    key = id(task)
    asyncio = sys.modules["asyncio"]
    # The functions of asyncio that create tasks are not what somebody looks for.
    while frame is not None and dict.get(frame.f_globals, "__package__") == "asyncio":
        frame = frame.f_back
    found: list[Place] = []
    while frame is not None and len(found) < _FRAMES:
        found.append(place_of_frame(frame))
        frame = frame.f_back
    parent = asyncio.current_task(loop)
    try:
        creator = None if parent is None else weakref.ref(parent)
        made = Made(monotonic(), creator, tuple(reversed(found)))
        _creations.known[key] = (weakref.ref(task, lambda _: _creations.known.pop(key, None)), made)
    except TypeError:  # a factory of the application's makes tasks that cannot be referred to weakly
        return
