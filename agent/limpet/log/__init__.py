"""Structured logs from any application that uses the standard logging: a JSON object a line.

    from limpet import log

    log.setup()                                   # or in dictConfig: "()": "limpet.log.JSONFormatter"
    with log.bind(request_id="4f1c"):             # in every line logged inside, through awaits as well
        logging.getLogger(__name__).info("sold", extra={"isbn": isbn})

On a terminal the same lines are for a person. The keys, in this order: time (RFC 3339, UTC, microseconds),
level, message, logger, file (`path:line`), process (`web.1`), pid, thread (unless it is the main one), task
(asyncio's), what is bound, the record's extra fields, exception (the traceback, one text) and stack. Access
logs of uvicorn and gunicorn have client, method, path and status as fields. structlog: see `render`.

Nothing here raises because of what is logged.

context     what is bound to everything that is logged
records     a record -> its fields
safe        any value -> JSON
formatters  fields -> a line: JSON, or for a person
servers     access logs of uvicorn and gunicorn
"""

import logging
import os
import sys

from .context import bind, context
from .formatters import HumanFormatter, JSONFormatter, render
from .servers import LOGGERS

__all__ = ["HumanFormatter", "JSONFormatter", "bind", "context", "render", "setup"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TextIO


def setup(
    level: "str | int" = "info",
    *,
    form: "Literal['auto', 'json', 'human']" = "auto",
    stream: "TextIO | None" = None,
) -> None:
    """All loggers write lines of this form from now on. A second call replaces what the first has set.

    The root logger's handlers for stdout and stderr are replaced by one; handlers for files and other places
    stay as they are. Those of uvicorn and gunicorn for stdout and stderr stay, with this form.

    Args:
        level: of the root logger: a name in any case, or a number.
        form: `auto` is `human` on a terminal, else `json`.
        stream: where to; default: stderr, which is never held back in a buffer.

    Raises:
        ValueError: there is no such level or form.
    """
    if form not in ("auto", "json", "human"):
        raise ValueError(f"expected form auto, json or human, found {form!r}")
    number = level if isinstance(level, int) else logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"expected a level such as info or debug, found {level!r}")
    target = sys.stderr if stream is None else stream
    terminal = _is_terminal(target)
    human = form == "human" or (form == "auto" and terminal)
    color = terminal and not os.environ.get("NO_COLOR")
    formatter = HumanFormatter(color=color) if human else JSONFormatter()
    handler = logging.StreamHandler(target)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for other in root.handlers[:]:
        if _is_console(other, target):
            root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(number)
    for name in LOGGERS:
        for other in logging.getLogger(name).handlers:
            if _is_console(other, target):
                other.setFormatter(formatter)


def _is_console(handler: logging.Handler, target: object) -> bool:
    """Whether it writes to stdout, stderr or `target`."""
    if not isinstance(handler, logging.StreamHandler) or isinstance(handler, logging.FileHandler):
        return False
    return handler.stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__, target)


def _is_terminal(stream: object) -> bool:
    isatty = getattr(stream, "isatty", None)
    try:
        return bool(isatty is not None and isatty())
    except ValueError:  # it is closed
        return False
