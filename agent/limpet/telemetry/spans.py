"""Spans: what takes time is told by an event at its start, and one at its end or at what it raised."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from time import monotonic, time
from types import TracebackType
from typing import Any, Self, TypeVar

from .dispatch import Event, checked, execute, is_heard

__all__ = ["Span", "current_span", "span"]

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@functools.lru_cache(maxsize=1000)
def _events(name: Event) -> tuple[Event, Event, Event]:
    """The events of a span: start, stop and exception.

    Raises:
        TypeError: the name is no tuple of text.
    """
    checked(name)
    return (*name, "start"), (*name, "stop"), (*name, "exception")


_contexts = itertools.count(1)
_current: ContextVar[Span | None] = ContextVar("limpet.telemetry.span", default=None)


class Span:
    """Something that takes time: what `span` gives, as a context manager (`with`, `async with`) or decorator.

    What is put into `measurements` and `metadata` while it runs is told by the event at its end.
    """

    __slots__ = ("_began", "_events", "_token", "context", "measurements", "metadata", "name", "parent")

    def __init__(self, name: Event, metadata: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self._events = _events(name)
        self.metadata: dict[str, Any] = dict(metadata) if metadata else {}
        self.measurements: dict[str, Any] = {}
        self.context: Any = None
        """What all events of this span have as `telemetry_span_context`: unique in the process."""
        self.parent: Any = None
        """The context of the span around it, `telemetry_parent_span_context`; None if there is none."""
        self._token: Token[Span | None] | None = None
        self._began = 0.0

    def __enter__(self) -> Self:
        if self._token is not None:
            raise RuntimeError(f"the span {self.name} is running already: each run wants one of its own")
        self._start()
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, reason: BaseException | None, trace: TracebackType | None
    ) -> None:
        token, self._token = self._token, None
        try:
            self._end(reason, trace)
        finally:
            if token is not None and _current.get() is self:
                # In another context, such as a generator may be left in, it is not the current one.
                _current.reset(token)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, reason: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, reason, trace)

    def __call__(self, function: Decorated) -> Decorated:
        """Decorates a function: each call is a span of its own.

        Of an async function or a generator, all of it; a generator's is never the current one.

        Raises:
            TypeError: an async generator, which is left in another context than it is entered in.
        """
        import inspect

        if inspect.isasyncgenfunction(function):
            raise TypeError(f"{function!r} is an async generator: put `with span(…)` around what takes time")
        if inspect.iscoroutinefunction(function):
            around = self._around_coroutine
        elif inspect.isgeneratorfunction(function):
            around = self._around_generator
        else:
            around = self._around
        decorated: Any = functools.update_wrapper(around(function), function)
        return decorated  # type: ignore[no-any-return]

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with Span(self.name, self.metadata):
                return function(*args, **kwargs)

        return call

    def _around_coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            with Span(self.name, self.metadata):
                return await function(*args, **kwargs)

        return call

    def _around_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            # Never the current span: between its values the one who takes them would be within it.
            span = Span(self.name, self.metadata)
            span._start()
            try:
                result = yield from function(*args, **kwargs)
            except BaseException as reason:
                span._end(reason, reason.__traceback__)
                raise
            span._end(None, None)
            return result

        return call

    def _start(self) -> None:
        around = _current.get()
        self.parent = None if around is None else around.context
        self.context = self.metadata.get("telemetry_span_context")
        if self.context is None:
            self.context = next(_contexts)
        event = self._events[0]
        self._began = monotonic()
        if is_heard(event):
            execute(event, {"monotonic_time": self._began, "system_time": time()}, self._told())

    def _end(self, reason: BaseException | None, trace: TracebackType | None) -> None:
        now = monotonic()
        event = self._events[1] if reason is None else self._events[2]
        if is_heard(event):
            told = self._told()
            if reason is not None:
                told.update(kind=type(reason).__name__, reason=reason, stacktrace=trace)
            execute(event, {**self.measurements, "duration": now - self._began, "monotonic_time": now}, told)

    def _told(self) -> dict[str, Any]:
        return {
            **self.metadata,
            "telemetry_span_context": self.context,
            "telemetry_parent_span_context": self.parent,
        }


def span(name: Event, metadata: Mapping[str, Any] | None = None) -> Span:
    """A span: events `name + ("start",)`, then `name + ("stop",)`, or `name + ("exception",)` if it raises.

        with telemetry.span(("bookshop", "checkout"), {"cart": cart}) as span:
            span.measurements["items"] = len(items)

        @telemetry.span(("bookshop", "receipt"))
        async def receipt(order): …

    Measurements: at the start `monotonic_time` and `system_time`, at the end `duration` and `monotonic_time`;
    in seconds. Metadata: what was given; `telemetry_span_context`, the same for all events of one span;
    `telemetry_parent_span_context`, that of the span around it in this thread or task; and of an exception
    `kind` (its class's name), `reason` (itself) and `stacktrace`, its traceback. It is raised on.

    Raises:
        TypeError: the name is no tuple of text.
    """
    return Span(name, metadata)


def current_span() -> Span | None:
    """The innermost span that is running in this thread or task: for functions that are decorated."""
    return _current.get()
