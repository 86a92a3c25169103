"""What evaluated code raised, as its author wants to read it."""

import os
import sys
import traceback
from typing import Final

from .interrupt import Interrupted
from .render import class_name, clip

LIMIT: Final = 20_000
"""Characters of a traceback."""
BY_USER: Final = "interrupted"
"""Why an evaluation is stopped, if its user has done it."""
SUMMARY: Final = 300
"""Characters of an exception in one line."""
_HERE: Final = os.path.dirname(__file__) if "__file__" in globals() else "<limpet>"


def format_error(raised: BaseException, reason: str) -> str:
    """Traceback of evaluated code, without frames of ours; `reason` is why it was interrupted, if it was."""
    if reason:  # one that has followed another into a `finally` says no more than the first
        while isinstance(raised.__context__, Interrupted):
            raised.__context__ = raised.__context__.__context__
    found = traceback.TracebackException(type(raised), raised, raised.__traceback__, compact=True)
    _clean(found)
    lines = list(found.format())
    if isinstance(raised, SystemExit):
        lines.append("(only this evaluation has ended)\n")
    if reason:
        lines[-1:] = ["Interrupted\n" if reason == BY_USER else f"Interrupted: {reason}\n"]
    return clip("".join(lines).rstrip("\n"), LIMIT)


def summary(raised: BaseException) -> str:
    """`ValueError: no such book`, of an exception whose text may itself raise."""
    name = class_name(type(raised))
    try:
        text = str(raised)
    except Exception as worse:  # noqa: BLE001 - whatever it raises: its name is enough
        text = f"(its text cannot be shown: {class_name(type(worse))})"
    return clip(f"{name}: {text}" if text else name, SUMMARY)


def _clean(found: traceback.TracebackException) -> None:
    """Takes our frames out of it, and out of what it was raised from."""
    pending = [found]
    while pending:
        one = pending.pop()
        for frame in [frame for frame in one.stack if _is_ours(frame.filename)]:
            one.stack.remove(frame)
        pending += [other for other in (one.__cause__, one.__context__) if other is not None]
        pending += one.exceptions or ()


def _is_ours(file: str) -> bool:
    return file.startswith("<limpet ") or os.path.dirname(file) == _HERE


def is_cancellation(raised: BaseException) -> bool:
    """Whether it is asyncio.CancelledError; asyncio is not imported for the question."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(raised, asyncio.CancelledError)
