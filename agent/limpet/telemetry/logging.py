"""Log records, counted by level and logger: `install()`.

Event `("logging", "record")` for each record that is made: those that their logger's level lets through,
whether a handler keeps them or not. Metadata: level, logger; measurements: none.

It is told by the factory of records, not by a handler: a root logger with a handler would not be set up by
`basicConfig` any more, nor print warnings to standard error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from .definitions import counter
from .dispatch import execute, is_heard

__all__ = ["METRICS", "install"]

RECORD = ("logging", "record")

METRICS = (counter("logging.record.count", tags=("level", "logger"), description="log records"),)
"""For `telemetry.metrics(logging.METRICS)`."""

_telling: ContextVar[bool] = ContextVar("limpet.telemetry.logging", default=False)
"""Whether a record is being told here: what its handlers log meanwhile is not, or it had no end."""


def install() -> Callable[[], None]:
    """Tells of every record from now on.

    Returns:
        What ends it.
    """
    before = logging.getLogRecordFactory()
    ended = False

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        if not ended and is_heard(RECORD) and not _telling.get():
            token = _telling.set(True)
            try:
                execute(RECORD, metadata={"level": record.levelname, "logger": record.name})
            finally:
                _telling.reset(token)
        return record

    def end() -> None:
        nonlocal ended
        ended = True
        if logging.getLogRecordFactory() is make:  # else another one was put around it, and it only passes on
            logging.setLogRecordFactory(before)

    logging.setLogRecordFactory(make)
    return end
