"""Fields -> a line: JSON, or for a person."""

import logging
import sys
import time

from .records import add, fields_of
from .safe import text, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

_COLORS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
_SHOWN_APART = ("time", "level", "message", "logger", "file", "process", "pid", "exception", "stack")


class JSONFormatter(logging.Formatter):
    """A JSON object a line, for dictConfig: `{"()": "limpet.log.JSONFormatter"}`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        return to_json(fields_of(record, self))


class HumanFormatter(logging.Formatter):
    """`06:45:12.345 WARNING bookshop.web: slow  took=1.2  request_id=4f1c`, and the traceback below it."""

    def __init__(self, *, color: bool = False) -> None:
        super().__init__()
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        """The lines, without the last one's end."""
        fields = fields_of(record, self)
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = self._paint(f"{record.levelname:<7}", _COLORS.get(record.levelname, ""))
        logger = self._paint(f"{record.name}:", "36")
        when = self._paint(f"{clock}.{int(record.msecs):03d}", "2")
        more = [
            f"{self._paint(f'{key}=', '2')}{value if isinstance(value, str) else text(value)}"
            for key, value in fields.items()
            if key not in _SHOWN_APART
        ]
        lines = [f"{when} {level} {logger} {'  '.join((fields['message'], *more))}"]
        lines += [fields[key] for key in ("exception", "stack") if key in fields]
        return "\n".join(lines)

    def _paint(self, shown: str, code: str) -> str:
        return f"\x1b[{code}m{shown}\x1b[0m" if self._color and code else shown


def render(_logger: "Any", method: str, event: "MutableMapping[str, Any]") -> str:
    """Structlog's last processor, where it prints by itself: the same line as a record's.

        structlog.configure(processors=[structlog.contextvars.merge_contextvars, log.render])

    Where structlog hands its events to the standard logging, its own `structlog.stdlib.render_to_log_kwargs`
    is the last one instead, and the formatter does the rest.
    """
    event = dict(event)
    for key in ("timestamp", "level"):
        event.pop(key, None)
    # A record without a place: who called is structlog's to know (its CallsiteParameterAdder).
    record = logging.LogRecord(
        str(event.pop("logger", "")), _number(method), "", 0, event.pop("event", ""), None, _exc_info(event)
    )
    fields = fields_of(record, _plain)
    del fields["file"]
    if not fields["logger"]:
        del fields["logger"]
    if isinstance(exception := event.pop("exception", None), str):
        fields["exception"] = exception
    if isinstance(stack := event.pop("stack", None), str):
        fields["stack"] = stack
    add(fields, event)
    return to_json(fields)


_plain = logging.Formatter()


def _number(method: str) -> int:
    """The level of a method of structlog's: `exception` logs an error, `warn` a warning."""
    aliases = {"exception": "ERROR", "warn": "WARNING", "msg": "INFO", "failure": "ERROR"}
    name = aliases.get(method, method.upper())
    return logging.getLevelNamesMapping().get(name, logging.INFO)


def _exc_info(event: "dict[str, Any]") -> "Any":
    """What structlog takes for exc_info: a tuple, an exception, or true for the one that is handled."""
    found = event.pop("exc_info", None)
    if isinstance(found, BaseException):
        return type(found), found, found.__traceback__
    if isinstance(found, tuple) and len(found) == 3:
        return found
    return sys.exc_info() if found else None
