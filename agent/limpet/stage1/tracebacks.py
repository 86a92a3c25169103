"""What evaluated code raised, as its author wants to read it."""

import os
import sys
import traceback
from typing import Final

from .render import clip

LIMIT: Final = 20_000
"""Characters of a traceback."""
_HERE: Final = os.path.dirname(__file__) if "__file__" in globals() else "<limpet>"


def format_error(raised: BaseException, reason: str) -> str:
    """Traceback of evaluated code, without the frames of ours that called it."""
    frames = raised.__traceback__
    while frames is not None and _is_ours(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    lines = traceback.format_exception(type(raised), raised, frames)
    if isinstance(raised, SystemExit):
        lines.append("(only this evaluation has ended)\n")
    if reason:
        lines[-1:] = [f"Interrupted: {reason}\n"]
    return clip("".join(lines).rstrip("\n"), LIMIT)


def _is_ours(file: str) -> bool:
    return file.startswith("<limpet ") or os.path.dirname(file) == _HERE


def is_cancellation(raised: BaseException) -> bool:
    """Whether it is asyncio.CancelledError; asyncio is not imported for the question."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(raised, asyncio.CancelledError)
