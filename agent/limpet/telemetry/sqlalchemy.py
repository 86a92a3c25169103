"""Queries of SQLAlchemy 2, as Ecto tells them: `instrument(engine)`.

Event `("sqlalchemy", "query")`, after each statement that was executed or has failed:

measurements: total_time (seconds in the driver, without fetching rows), rows (those affected or, if the
    driver knows before they are fetched, selected)
metadata: statement (its first 2,000 characters, with placeholders: never the parameters), operation (its
    first word), dialect, database, many (whether of `executemany`), result (`ok` or `error`); of an error
    kind (its class's name) and reason
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from .definitions import counter, distribution
from .dispatch import execute, is_heard

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine, ExceptionContext
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["METRICS", "instrument"]

QUERY = ("sqlalchemy", "query")
LONGEST = 2000
"""Characters of a statement."""
_BEGAN = "_limpet_began"

METRICS = (
    distribution(
        "sqlalchemy.query.total_time",
        unit="seconds",
        tags=("operation", "result"),
        description="queries, by the time in the driver",
    ),
    counter(
        "sqlalchemy.query.errors",
        keep=lambda told: told["result"] == "error",
        tags=("operation", "kind"),
        description="queries that have failed",
    ),
)
"""For `telemetry.metrics(sqlalchemy.METRICS)`."""


def instrument(engine: Engine | AsyncEngine | type[Engine]) -> Callable[[], None]:
    """Tells the queries of an engine, or with the class `Engine` those of all engines.

    Returns:
        What ends it.
    """
    from sqlalchemy import event

    target: Any = getattr(engine, "sync_engine", engine)
    if isinstance(engine, type):  # whose attribute `sync_engine` would be no engine
        target = engine
    listeners: tuple[tuple[str, Callable[..., None]], ...] = (
        ("before_cursor_execute", _before),
        ("after_cursor_execute", _after),
        ("handle_error", _error),
    )
    for name, listener in listeners:
        if not event.contains(target, name, listener):
            event.listen(target, name, listener)

    def end() -> None:
        for name, listener in listeners:
            if event.contains(target, name, listener):
                event.remove(target, name, listener)

    return end


def _before(
    _connection: Connection, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool
) -> None:
    if context is not None and is_heard(QUERY):
        setattr(context, _BEGAN, monotonic())


def _after(
    connection: Connection, cursor: Any, statement: str, _parameters: Any, context: Any, many: bool
) -> None:
    began = getattr(context, _BEGAN, None)
    if began is None:
        return
    measured: dict[str, float] = {"total_time": monotonic() - began}
    rows = getattr(cursor, "rowcount", -1)
    if isinstance(rows, int) and rows >= 0:
        measured["rows"] = rows
    execute(QUERY, measured, {**_about(connection.engine, statement), "many": many, "result": "ok"})


def _error(context: ExceptionContext) -> None:
    began = getattr(context.execution_context, _BEGAN, None)
    if began is None or context.engine is None:  # of connecting, or of the result
        return
    error = context.original_exception
    execute(
        QUERY,
        {"total_time": monotonic() - began},
        {
            **_about(context.engine, context.statement or ""),
            "many": bool(getattr(context.execution_context, "executemany", False)),
            "result": "error",
            "kind": type(error).__name__,
            "reason": error,
        },
    )


def _about(engine: Engine, statement: str) -> dict[str, Any]:
    words = statement[:200].split(None, 1)
    return {
        "statement": statement[:LONGEST],
        "operation": words[0].upper() if words and words[0].isalpha() else "",
        "dialect": engine.dialect.name,
        "database": engine.url.database or "",
    }
