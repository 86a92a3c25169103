"""Any value as JSON: bounded, and never an error."""

import json
import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LONGEST = 1000
"""Characters of the repr of what JSON has no form for."""
_DEEPEST = 8
_BIG = 2000
"""Bits above which an integer is written in hexadecimal: sys.set_int_max_str_digits limits decimals only."""
_TEXTS = ("datetime", "date", "time", "UUID", "Decimal", "PosixPath")
"""Types of the standard library whose str says all."""

_encode = json.JSONEncoder(
    ensure_ascii=False,
    allow_nan=False,
    separators=(",", ":"),
    default=lambda value: text(value),  # noqa: PLW0108 - it is defined below
).encode


def to_json(fields: "Mapping[str, Any]") -> str:
    """One JSON object in one line; what JSON does not have is text."""
    try:
        line = _encode(fields)
    except Exception:  # noqa: BLE001 - a key that is no text, a circle, NaN, or objects that raise anything
        line = _encode({str(key): _plain(value, _DEEPEST) for key, value in fields.items()})
    if not line.isascii():
        try:
            line.encode()
        except UnicodeEncodeError:  # lone surrogates, as in undecodable file names: escaped
            return json.dumps(json.loads(line), separators=(",", ":"))
    return line


def text(value: object) -> str:
    """What it is in words, in bounded length."""
    try:
        found = str(value) if type(value).__name__ in _TEXTS else repr(value)
    except Exception as error:  # noqa: BLE001 - its repr may raise anything
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return _clipped(found)


def _clipped(found: str) -> str:
    return found if len(found) <= LONGEST else f"{found[:LONGEST]}…"


def _plain(value: object, depth: int) -> "Any":
    kind = type(value)
    if value is None or kind in (bool, str):
        return value
    if kind is int:
        big = value.bit_length() > _BIG  # type: ignore[attr-defined]
        return _clipped(f"{value:#x}") if big else value
    if kind is float:
        return value if math.isfinite(value) else repr(value)  # type: ignore[arg-type]
    if not depth:
        return text(value)
    if kind is dict:
        items = list(value.items())  # type: ignore[attr-defined]
        return {key if type(key) is str else text(key): _plain(each, depth - 1) for key, each in items}
    if kind in (list, tuple):
        return [_plain(each, depth - 1) for each in list(value)]  # type: ignore[call-overload]
    return text(value)
