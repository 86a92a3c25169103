"""Events and their handlers: the dispatch table, and the quarantine of a handler that fails.

The words and rules are those of BEAM's `telemetry`, with one difference: there a handler that fails is gone
until somebody attaches it again. Here it is quarantined: called again with the first event after a back-off,
which doubles with every failure and ends with the first success. What it misses meanwhile is counted.

Invariant: every change is made under `_lock`; `execute` takes no lock. It reads `_table`, whose values are
tuples that are replaced, never changed, so that it sees a handler's event as it was or as it is.
"""

from __future__ import annotations

import os
from _thread import RLock
from collections.abc import Callable, Hashable, Iterable, Mapping
from time import monotonic, time
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from .failures import Failure, changed, contained, describe, named, sources

__all__ = [
    "AlreadyExists",
    "Event",
    "Handler",
    "Measurements",
    "Metadata",
    "NotFound",
    "attach",
    "attach_many",
    "detach",
    "execute",
    "list_handlers",
]

Event: TypeAlias = tuple[str, ...]
Measurements: TypeAlias = Mapping[str, Any]
Metadata: TypeAlias = Mapping[str, Any]
Function: TypeAlias = Callable[[Event, Measurements, Metadata, Any], object]

FAILURE: Event = ("limpet", "telemetry", "handler", "failure")
RECOVERY: Event = ("limpet", "telemetry", "handler", "recovery")
FIRST_DELAY = 1.0
LAST_DELAY = 60.0
"""Seconds of quarantine: doubled from the first to the last."""
REMEMBERED = 1000
"""Names of events without a handler that are known to have none."""

NOTHING: Mapping[str, Any] = MappingProxyType({})


class AlreadyExists(ValueError):  # OTP's word
    """A handler, or a metric, of this id is attached already."""


class NotFound(LookupError):
    """No handler of this id is attached."""


class Handler(NamedTuple):
    """One handler at one event, as `list_handlers` tells it."""

    id: Hashable
    event: Event
    function: Function
    config: Any


class _Attached:
    """A handler, and the state of its quarantine."""

    __slots__ = (
        "at",
        "config",
        "delay",
        "events",
        "failed",
        "function",
        "id",
        "missed",
        "missed_before",
        "name",
        "quarantined",
        "reason",
        "retry_at",
        "trying",
    )

    def __init__(self, id_: Hashable, events: tuple[Event, ...], function: Function, config: Any) -> None:
        self.id = id_
        self.events = events
        self.function = function
        self.config = config
        self.name = ""
        """The id as text; made when it first fails, for an id that is no text has code of its own."""
        self.failed = 0
        self.missed = 0
        self.missed_before = 0
        """Of these, those before the present quarantine."""
        self.reason = ""
        self.at = 0.0
        self.quarantined = False
        self.delay = 0.0
        self.retry_at = 0.0
        self.trying = False
        """Whether a thread is in the call that ends the quarantine or prolongs it."""


_Call: TypeAlias = "tuple[Function, Any, _Attached | None]"
"""What `execute` does for an event: function and its last argument; and whom to blame if it raises."""

# Re-entrant: a signal handler, or a finalizer, of the application may execute or attach within.
_lock = RLock()
_attached: dict[Hashable, _Attached] = {}
_by_event: dict[Event, tuple[_Attached, ...]] = {}
_table: dict[Event, _Call | None] = {}
"""None: there was such an event, and nobody was attached to it."""


def execute(event: Event, measurements: Measurements = NOTHING, metadata: Metadata = NOTHING) -> None:
    """Tells the handlers of an event that it has happened; each is called here, one after the other.

    Args:
        event: its name, such as `("bookshop", "checkout", "stop")`.
        measurements: numbers by name: `{"duration": 0.012}`. Times are in seconds, sizes in bytes.
        metadata: what else is known. Handlers must change neither.

    What a handler raises does not come here, but for what is no `Exception`: SystemExit, KeyboardInterrupt
    and the like are raised by signal handlers and concern the application.
    """


# A library tells its events also where nobody listens: a call costs then as little as a call can. The
# function stays the same, for those who have imported it; its code becomes `_tell`'s with the first handler,
# and its own again with the last. (It begins with its own: CPython 3.13 calls a function more slowly once its
# code has been replaced.)
_silence = execute.__code__
_heard = False


def _tell(event: Event, measurements: Measurements = NOTHING, metadata: Metadata = NOTHING) -> None:
    """What `execute` does as long as there is a handler."""
    try:
        call = _table[event]
    except KeyError:
        _learn(event)
        return
    if call is not None:
        function, config, attached = call
        try:
            function(event, measurements, metadata, config)
        except BaseException as error:
            if attached is None or not _failed(attached, event, error):
                raise


def attach(id_: Hashable, event: Event, handler: Function, config: Any = None) -> None:
    """Attaches a handler: `handler(event, measurements, metadata, config)` is called at each such event.

    It is called in the thread, and before `execute` returns: it should be fast. It must not be `async`.

    Args:
        id_: how it is known to `detach`, `failures` and `list_handlers`: text or anything hashable.
        event: the whole name, such as `("bookshop", "checkout", "stop")`.
        handler: what to call.
        config: its last argument.

    Raises:
        AlreadyExists: there is a handler of this id.
        TypeError: the event is no tuple of text, or the handler cannot be called.
    """
    attach_many(id_, (event,), handler, config)


def attach_many(id_: Hashable, events: Iterable[Event], handler: Function, config: Any = None) -> None:
    """Attaches one handler to several events. A failure at one of them quarantines it for all.

    Raises:
        AlreadyExists: there is a handler of this id.
        TypeError: an event is no tuple of text, or the handler cannot be called.
    """
    names = tuple(dict.fromkeys(map(checked, events)))
    _check_handler(handler)
    attached = _Attached(id_, names, handler, config)
    with _lock:
        if id_ in _attached:
            raise AlreadyExists(f"a handler with the id {id_!r} is attached already")
        _attached[id_] = attached
        for event in names:
            _by_event[event] = (*_by_event.get(event, ()), attached)
        _enter(names)


def detach(id_: Hashable) -> None:
    """Detaches the handler of this id from all its events. One that is being called is not waited for.

    Raises:
        NotFound: there is none.
    """
    with _lock:
        attached = _attached.pop(id_, None)
        if attached is None:
            raise NotFound(f"no handler with the id {id_!r} is attached")
        for event in attached.events:
            left = tuple(other for other in _by_event[event] if other is not attached)
            if left:
                _by_event[event] = left
            else:
                del _by_event[event]
        _enter(attached.events)
    if attached.quarantined:
        changed()


def list_handlers(prefix: Event = ()) -> list[Handler]:
    """The handlers of events whose names begin with `prefix`, in order of attaching: one for each event."""
    with _lock:
        return [
            Handler(attached.id, event, attached.function, attached.config)
            for attached in _attached.values()
            for event in attached.events
            if event[: len(prefix)] == tuple(prefix)
        ]


def is_heard(event: Event) -> bool:
    """Whether a handler is attached to the event."""
    return event in _by_event


def checked(event: Event) -> Event:
    """The name, if it can be one.

    Raises:
        TypeError: it is no tuple of text.
    """
    name: object = event  # whatever the caller has given
    if not isinstance(name, tuple) or not name or not all(isinstance(part, str) for part in name):
        raise TypeError(f'an event is a tuple of text such as ("shop", "sale", "stop"), not {event!r}')
    return event


def _check_handler(handler: Function) -> None:
    if not callable(handler):
        raise TypeError(f"a handler is called with event, measurements, metadata and config: not {handler!r}")
    code = getattr(handler, "__code__", None)
    if code is not None and code.co_flags & 0x80:  # CO_COROUTINE
        raise TypeError(f"{handler!r} is async: a handler is called, and nothing would await it")


def _enter(events: Iterable[Event]) -> None:
    """Brings the table up to date for these events. The lock is held."""
    global _heard  # noqa: PLW0603 - it says which code `execute` has
    for event in events:
        found = _by_event.get(event, ())
        if not found:
            _table.pop(event, None)
        elif len(found) == 1:
            _table[event] = _call(found[0])
        else:
            _table[event] = (_call_each, tuple(map(_call, found)), None)
    if _heard is not bool(_by_event):
        _heard = not _heard
        execute.__code__ = _tell.__code__ if _heard else _silence


def _learn(event: Event) -> None:
    """Notes that nobody is attached to this event: a failed look-up costs five times a successful one."""
    with _lock:
        if len(_table) - len(_by_event) >= REMEMBERED:
            # A copy: a signal's handler, or a finalizer, may execute another event meanwhile.
            for name in [name for name, call in list(_table.items()) if call is None]:
                _table.pop(name, None)
        _table.setdefault(event, None)


def _call(attached: _Attached) -> _Call:
    return (_miss, attached, None) if attached.quarantined else (attached.function, attached.config, attached)


def _call_each(
    event: Event, measurements: Measurements, metadata: Metadata, calls: tuple[_Call, ...]
) -> None:
    for function, config, attached in calls:
        try:
            function(event, measurements, metadata, config)
        except BaseException as error:
            if attached is None or not _failed(attached, event, error):
                raise


def _miss(event: Event, measurements: Measurements, metadata: Metadata, attached: _Attached) -> None:
    """Stands for a handler in quarantine: counts, and tries it when its time has come."""
    with _lock:
        trial = attached.quarantined
        if trial:
            if attached.trying or monotonic() < attached.retry_at:
                attached.missed += 1
                return
            attached.trying = True
    try:
        attached.function(event, measurements, metadata, attached.config)
    except BaseException as error:
        if not _failed(attached, event, error, trial=trial):
            raise
    else:
        if trial:
            _recovered(attached, event)


def _failed(attached: _Attached, event: Event, error: BaseException, *, trial: bool = False) -> bool:
    """Quarantines a handler that has raised; False if what it raised is not its fault."""
    try:
        if trial:
            attached.trying = False
        if not contained(error):
            return False
        # Before the lock is taken: this is code of the application's, which may wait for who attaches.
        name, reason = attached.name or named(attached.id), describe(error)
        with _lock:
            attached.failed += 1
            attached.name = name
            attached.reason = reason
            attached.at = time()
            if attached.quarantined and not trial:
                return True  # it was called before another call has brought it there
            attached.delay = min(2 * attached.delay, LAST_DELAY) if trial else FIRST_DELAY
            attached.retry_at = monotonic() + attached.delay
            if not attached.quarantined:
                attached.missed_before = attached.missed
            attached.quarantined = True
            if _attached.get(attached.id) is attached:
                _enter(attached.events)
        execute(
            FAILURE,
            {"monotonic_time": monotonic(), "system_time": attached.at, "retry_in": attached.delay},
            {
                "handler_id": attached.id,
                "handler_config": attached.config,
                "event_name": event,
                "kind": type(error).__name__,
                "reason": error,
                "stacktrace": error.__traceback__,
            },
        )
        changed()
    except Exception as failure:  # noqa: BLE001 - no stack or memory left: the caller is not told even then
        attached.reason = f"{type(failure).__name__} while its failure was noted"
    return True


def _recovered(attached: _Attached, event: Event) -> None:
    with _lock:
        attached.trying = attached.quarantined = False
        missed = attached.missed - attached.missed_before
        if _attached.get(attached.id) is attached:
            _enter(attached.events)
    execute(
        RECOVERY,
        {"monotonic_time": monotonic(), "system_time": time(), "missed": missed},
        {"handler_id": attached.id, "handler_config": attached.config, "event_name": event},
    )
    changed()


def _failures() -> list[Failure]:
    """Of the attached handlers, in order of attaching."""
    now = monotonic()
    with _lock:
        return [
            Failure(
                attached.name,
                [".".join(event) for event in attached.events],
                attached.quarantined,
                attached.failed,
                attached.missed,
                attached.reason,
                attached.at,
                max(0.0, attached.retry_at - now) if attached.quarantined else None,
            )
            for attached in _attached.values()
            if attached.failed or attached.quarantined
        ]


def _after_fork() -> None:
    """In the child: the parent's other threads are gone, in whatever they were, and so are its counts."""
    global _lock  # noqa: PLW0603 - another thread may have held it
    _lock = RLock()
    for attached in _attached.values():
        attached.failed = attached.missed = attached.missed_before = 0
        attached.trying = False
    _by_event.clear()
    for attached in _attached.values():
        for event in attached.events:
            _by_event[event] = (*_by_event.get(event, ()), attached)
    _table.clear()
    _enter(list(_by_event))


sources.append(_failures)
os.register_at_fork(after_in_child=_after_fork)
