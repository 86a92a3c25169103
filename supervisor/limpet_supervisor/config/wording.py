"""How messages name places and values, and guess what was meant."""

import re
from collections.abc import Iterable

from .names import Path


def dotted(path: Path) -> str:
    """A path as TOML writes it, with the indices of arrays from 0: `processes.web.after[1]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"'
            text += f".{key}" if text else key
    return text


def shown(value: object) -> str:
    """What was found, about as TOML writes it; long texts are cut, lists and tables are only named."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            text = value if len(value) <= 60 else f"{value[:57]}..."
            return (
                '"' + text.encode("unicode_escape").decode() + '"' if not text.isprintable() else f'"{text}"'
            )
        case dict():
            return "a table"
        case list():
            return "a list"
        case int() if abs(value) >= 2**63:
            return "a number of more than 63 bits"
    return str(value)


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The word that was probably meant."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, [str(known) for known in words], n=1)), None)
