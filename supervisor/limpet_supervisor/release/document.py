"""TOML written: what was read from a file and changed a little, in another file."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def write(document: Mapping[str, Any]) -> str:
    """The text of a TOML document of the types that tomllib gives."""
    lines: list[str] = []
    _table(document, (), lines)
    return "\n".join(lines) + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...], lines: list[str]) -> None:
    nested = {key: value for key, value in table.items() if _is_nested(value)}
    lines += [f"{_key(key)} = {_value(value)}" for key, value in table.items() if key not in nested]
    for key, value in nested.items():
        name = ".".join(map(_key, (*path, key)))
        for each in value if isinstance(value, list) else [value]:
            if isinstance(value, list) or not each or any(not _is_nested(item) for item in each.values()):
                if lines:
                    lines.append("")
                lines.append(f"[[{name}]]" if isinstance(value, list) else f"[{name}]")
            _table(each, (*path, key), lines)


def _is_nested(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, dict) for item in value)
    return isinstance(value, dict)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case float():
            return repr(value)  # inf and nan are TOML's words, too
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case dict():
            inner = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items())
            return f"{{ {inner} }}" if inner else "{}"
    return str(value)


def _text(text: str) -> str:
    escaped = "".join(
        f"\\u{ord(char):04x}" if char < " " or char == "\x7f" else f"\\{char}" if char in '"\\' else char
        for char in text
    )
    return f'"{escaped}"'
