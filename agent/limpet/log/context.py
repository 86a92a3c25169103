"""What is bound to everything that is logged: a contextvar, so that each task and thread has its own."""

from contextlib import contextmanager
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

_bound: "ContextVar[Mapping[str, Any]]" = ContextVar("limpet.log")


@contextmanager
def bind(**fields: "Any") -> "Iterator[None]":
    """Inside, every line that is logged has these fields as well; an inner value wins."""
    token = _bound.set({**context(), **fields})
    try:
        yield
    finally:
        try:
            _bound.reset(token)
        except ValueError:
            # A generator of the application may be ended in another context than it was begun in (an
            # abandoned async one, by the loop's hooks): there is nothing of ours to undo there.
            return


def context() -> "Mapping[str, Any]":
    """What is bound here."""
    return _bound.get({})
