"""Log records, counted by level and logger: `install()`.

Event `("logging", "record")` for each record that is made: those that their logger's level lets through,
whether a handler keeps them or not. Metadata: level, logger; measurements: none.

It is told by the factory of records, not by a handler: a root logger with a handler would not be set up by
`basicConfig` any more, nor print warnings to standard error.
"""

from __future__ import annotations

import logging
from _thread import get_ident
from collections.abc import Callable
from typing import Any

from .definitions import counter
from .dispatch import execute, is_heard

__all__ = ["METRICS", "install"]

RECORD = ("logging", "record")

METRICS = (counter("logging.record.count", tags=("level", "logger"), description="log records"),)
"""For `telemetry.metrics(logging.METRICS)`."""

_telling: set[int] = set()
"""Threads in which a record is told just now: what its handlers log is not told, or it had no end."""


def install() -> Callable[[], None]:
    """Tells of every record from now on.

    Returns:
        What ends it.
    """
    before = logging.getLogRecordFactory()
    ended = False

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        if not ended and is_heard(RECORD) and (thread := get_ident()) not in _telling:
            _telling.add(thread)
            try:
                execute(RECORD, metadata={"level": record.levelname, "logger": record.name})
            finally:
                _telling.discard(thread)
        return record

    def end() -> None:
        nonlocal ended
        ended = True
        if logging.getLogRecordFactory() is make:  # else another one was put around it, and it only passes on
            logging.setLogRecordFactory(before)

    logging.setLogRecordFactory(make)
    return end
