"""An object of `limpet.log` as its author would like to read it."""

import json
from typing import Any, Final

START: Final = '{"time":"'
"""How the line of one begins."""
OWN: Final = ("time", "level", "message", "logger", "file", "process", "pid", "exception", "stack")
"""Keys of an object that are not the application's."""


def record_of(line: str) -> dict[str, Any] | None:
    """The object that a line is; None: it is none of `limpet.log`."""
    if not (line.startswith(START) and line.endswith("}")):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "message" in found else None


def message_of(record: dict[str, Any]) -> str:
    """`shop: slow  took=1.5  request_id=4f1c`, and the lines of an exception and a stack below it."""
    logger = f"{record['logger']}: " if record.get("logger") else ""
    more = [
        f"{key}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for key, value in record.items()
        if key not in OWN
    ]
    below = [text for key in ("exception", "stack") if isinstance(text := record.get(key), str)]
    return "\n".join(("  ".join((f"{logger}{record.get('message', '')}", *more)), *below))
