"""TOML 1.0 written: a document that was read and changed a little; keys and values for others too."""

import datetime as dt
import json
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
    lines += [f"{key_of(key)} = {value_of(value)}" for key, value in table.items() if key not in nested]
    for key, value in nested.items():
        name = ".".join(map(key_of, (*path, key)))
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


def key_of(key: str) -> str:
    """A key, bare where it may be."""
    return key if _BARE.fullmatch(key) else _string(key)


def value_of(value: Any) -> str:
    """A value of the types that tomllib gives, in one line.

    Raises:
        TypeError: TOML has no such thing.
    """
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)  # inf and nan are TOML's words, too
        case str():
            return _string(value)
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case list():
            return f"[{', '.join(map(value_of, value))}]"
        case Mapping():
            inner = ", ".join(f"{key_of(key)} = {value_of(item)}" for key, item in value.items())
            return f"{{ {inner} }}" if inner else "{}"
    raise TypeError(f"no TOML for {value!r}")


def _string(value: str) -> str:
    """A string: literal where that saves escapes."""
    if ('"' in value or "\\" in value) and "'" not in value and value.isprintable():
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
