"""A record of the standard logging -> the fields of its line."""

import logging
import os
import sys
import threading
import time

from .context import context
from .safe import text
from .servers import FIELDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

OWN = ("time", "level", "message", "logger", "file", "process", "pid", "thread", "task", "exception", "stack")
"""Fields that a line may have by itself; others of that name get an underscore behind it."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
"""Attributes of any record; color_message is uvicorn's own message again."""
_PROCESS = os.environ.get("LIMPET_PROCESS", "")

_second = (-1, "")


def stamp(seconds: float) -> str:
    """RFC 3339, in UTC, with microseconds: `2026-11-23T06:00:00.123456Z`."""
    global _second  # noqa: PLW0603 - a cache of one; whoever loses a race formats again
    whole, micro = divmod(round(seconds * 1_000_000), 1_000_000)
    known, shown = _second
    if known != whole:
        shown = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
        _second = (whole, shown)
    return f"{shown}.{micro:06d}Z"


def level_name(name: str) -> str:
    """As in the JSON: `info`."""
    return name.lower()


def fields_of(record: logging.LogRecord, formatter: logging.Formatter) -> "dict[str, Any]":
    """The fields, in their order."""
    found: dict[str, Any] = {
        "time": stamp(record.created),
        "level": level_name(record.levelname),
        "message": message_of(record),
        "logger": record.name,
        "file": f"{record.pathname}:{record.lineno}",
    }
    if _PROCESS:
        found["process"] = _PROCESS
    found["pid"] = record.process or os.getpid()
    if record.thread != threading.main_thread().ident and record.threadName:
        found["thread"] = record.threadName
    if task := task_name(record):
        found["task"] = task
    if describe := FIELDS.get(record.name):
        add(found, describe(record.args))
    add(found, context())
    add(found, {key: value for key, value in vars(record).items() if key not in _STANDARD})
    if record.exc_info and record.exc_info[0] is not None:
        found["exception"] = _formatted(formatter, record.exc_info)
    elif record.exc_text:
        found["exception"] = record.exc_text
    if record.stack_info:
        found["stack"] = record.stack_info
    return found


def add(found: "dict[str, Any]", more: "Mapping[str, Any]") -> None:
    """Adds fields; none replaces one of the line's own."""
    for key, value in more.items():
        found[f"{key}_" if key in OWN else key] = value


def message_of(record: logging.LogRecord) -> str:
    """The message; one whose arguments do not fit it as it was written, with them behind it."""
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 - wrong arguments, or objects whose str raises anything
        return f"{text(record.msg)} {text(record.args)} ({type(error).__name__}: the arguments do not fit)"


def task_name(record: logging.LogRecord) -> str:
    """Of the asyncio task that logged it; Python 3.12 and later note it in the record."""
    name = getattr(record, "taskName", None)
    if name is None and (asyncio := sys.modules.get("asyncio")) is not None:
        try:
            task = asyncio.current_task()
        except (RuntimeError, AttributeError):  # no loop runs here; or asyncio is just being imported
            return ""
        name = task.get_name() if task is not None else None
    return str(name) if name is not None else ""


def _formatted(formatter: logging.Formatter, exc_info: "Any") -> str:
    try:
        return formatter.formatException(exc_info)
    except Exception as error:  # noqa: BLE001 - an exception's own str may raise anything
        kind = exc_info[0]
        return f"{getattr(kind, '__name__', kind)} (its traceback cannot be shown: {type(error).__name__})"
