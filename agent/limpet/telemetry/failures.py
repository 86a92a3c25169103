"""What has failed in telling events: handlers, and functions that are polled."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Failure", "failures"]

LONGEST_NAME = 200
"""Characters of a handler's id."""


class Failure(NamedTuple):
    """A handler, or a polled function, that has failed. Plain values only."""

    id: str
    """The handler's id, or its repr if it is no text; `poll` and the function's name."""
    events: list[str]
    """Names, their parts joined by dots; none of a poll."""
    quarantined: bool
    """Whether it is left out at present (a poll: has failed the last time); False once it has succeeded."""
    failed: int
    """Calls in which it raised, since it was attached or its process forked."""
    missed: int
    """Events of which it was not told, because it was quarantined: in all, as `failed`."""
    reason: str
    """What it raised last: `KeyError: 'total'`."""
    at: float
    """When it raised last, in seconds since the epoch."""
    retry_in: float | None
    """Seconds until it is called again, with the first event then; None if it is not quarantined."""


sources: list[Callable[[], list[Failure]]] = []
"""Who knows of failures."""

_asking = False
"""Whether a thread that asks has yet to begin."""


def failures() -> list[Failure]:
    """Every attached handler and every poll that has failed since this process began (or was forked)."""
    return [failure for source in sources for failure in source()]


def changed() -> None:
    """Lets the node know that something fails, or does so no more, if there is one around this process.

    By a thread of its own: a handler runs where its event happens, in a signal handler or a finalizer too,
    which come at any moment, and under any lock.
    """
    global _asking  # noqa: PLW0603 - of the process
    # Imported already where there is a node.
    module: Any = sys.modules.get("limpet.agent")
    if module is None or module.agent is None or _asking:
        return
    _asking = True
    try:
        module.start_new_thread(_ask, (module.agent,))
    except RuntimeError:  # no more threads, or none at the interpreter's end
        _asking = False


def _ask(agent: Any) -> None:
    _begun()
    try:
        agent.want()
    except Exception as failure:  # noqa: BLE001 - raised, it would be printed
        agent.failure = failure


def _begun() -> None:
    global _asking  # noqa: PLW0603 - of the process
    _asking = False


def named(id_: object) -> str:
    """An id as text, of bounded length."""
    text = id_ if isinstance(id_, str) else answer(repr, id_)
    return text[:LONGEST_NAME]


def describe(error: BaseException) -> str:
    """`KeyError: 'total'`: in one line, of bounded length."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - whatever the application's exception does
        text = "?"
    return f"{type(error).__name__}: {text[:200]}".replace("\n", " ")


def answer(function: Callable[[Any], str], about: object) -> str:
    """What a function of the application's says; `?` if it raises."""
    try:
        return function(about)
    except Exception:  # noqa: BLE001 - what only measures a request must not end it
        return "?"


def contained(error: BaseException) -> bool:
    """Whether this is the fault of what was called: else it is meant for the application, and goes on.

    SystemExit, KeyboardInterrupt and the like are raised by signal handlers, wherever the thread is.
    """
    if isinstance(error, Exception):
        return True
    # Got from the result of a task; a cancellation of the caller itself arrives at an `await` of its own.
    asyncio = sys.modules.get("asyncio.exceptions")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)


os.register_at_fork(after_in_child=_begun)  # its parent's thread has not come along
