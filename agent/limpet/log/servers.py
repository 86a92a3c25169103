"""Access logs of uvicorn and gunicorn: their arguments are the fields."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "gunicorn.error", "gunicorn.access")
"""Loggers with handlers of their own, which the servers make and which do not pass on what they get."""


def _uvicorn(arguments: "Any") -> "dict[str, Any]":
    """Of uvicorn.protocols: (client, method, path, version of HTTP, status)."""
    if not isinstance(arguments, tuple) or len(arguments) != 5:
        return {}
    client, method, path, _version, status = arguments
    return {"client": client, "method": method, "path": path, "status": status}


def _gunicorn(arguments: "Any") -> "dict[str, Any]":
    """Of gunicorn.glogging: the atoms of access_log_format, by their letters."""
    if not isinstance(arguments, dict):
        return {}
    found: dict[str, Any] = {}
    for field, atom in (("client", "h"), ("method", "m"), ("path", "U"), ("status", "s")):
        value = dict.get(arguments, atom)
        if value is not None:
            found[field] = int(value) if field == "status" and str(value).isdigit() else value
    length, took = dict.get(arguments, "B"), dict.get(arguments, "D")
    if isinstance(length, int):
        found["bytes"] = length
    if isinstance(took, int):
        found["seconds"] = took / 1_000_000
    return found


FIELDS: "dict[str, Callable[[Any], dict[str, Any]]]" = {
    "uvicorn.access": _uvicorn,
    "gunicorn.access": _gunicorn,
}
"""By the logger's name: the fields of a record's arguments."""
