"""Levels of log lines: their names, and where a line says its own.

A line may be an object of JSON (`"level":"warning"`), have the prefix of sd-daemon(3) (`<4>`), or one of the
usual shapes of text: `WARNING:`, ` WARNING `, `[warning]`, `level=warning`.
"""

import re
from typing import Final

from .tracebacks import HEADER

DEBUG: Final = 10
INFO: Final = 20
WARNING: Final = 30
ERROR: Final = 40
CRITICAL: Final = 50
NAMES: Final = {DEBUG: "debug", INFO: "info", WARNING: "warning", ERROR: "error", CRITICAL: "critical"}
"""As in JSON."""

_WORDS: Final = {
    "trace": DEBUG, "debug": DEBUG,
    "info": INFO, "notice": INFO, "log": INFO,
    "warn": WARNING, "warning": WARNING,
    "err": ERROR, "error": ERROR, "exception": ERROR,
    "crit": CRITICAL, "critical": CRITICAL, "fatal": CRITICAL, "panic": CRITICAL, "alert": CRITICAL,
    "emerg": CRITICAL, "emergency": CRITICAL,
}  # fmt: skip
_SEVERITIES: Final = (CRITICAL, CRITICAL, CRITICAL, ERROR, WARNING, INFO, INFO, DEBUG)
"""By the number of syslog(3)."""
_LOOK: Final = 400
"""Characters of a line in which its level is looked for."""
_ALL: Final = "|".join(sorted(_WORDS, key=len, reverse=True))
_JSON: Final = re.compile(
    rf'"(?:level|levelname|severity|log\.level|lvl)"\s*:\s*(?:"(?P<word>{_ALL})"|(?P<number>\d+))',
    re.IGNORECASE,
)
_TEXT: Final = re.compile(
    rf"^\W{{0,3}}(?P<first>{_ALL})\s*:"  # error: no such file
    rf"|\[\s*(?P<bracket>{_ALL})\s*\]"  # [error]
    rf"|\b(?:level|lvl|severity)=\"?(?P<pair>{_ALL})\b"  # level=error
    rf"|(?:^|[\s|:\[-])(?P<word>{_ALL.upper()})(?=$|[\s|:\]-])",  # 2026-11-23 ERROR …
    re.IGNORECASE,
)
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;]*m")


def named(text: str) -> int | None:
    """The level of a name in any case: `warn`, `WARNING`; None: it is none."""
    return _WORDS.get(text.lower())


def known(level: int) -> int:
    """The highest level with a name that is not above this one: WARNING of 35."""
    return max((each for each in NAMES if each <= level), default=DEBUG)


def name_of(level: int) -> str:
    """The name of that: `warning` of 35."""
    return NAMES[known(level)]


def level_of(line: str) -> int | None:
    """The level that a line says it has; None: it says none."""
    seen = line[:_LOOK]
    if seen.startswith("<") and seen[2:3] == ">" and seen[1] in "01234567":
        return _SEVERITIES[int(seen[1])]
    if seen.startswith("{"):
        match = _JSON.search(seen)
        if match is None:
            return None
        return int(match["number"]) if match["number"] else _WORDS[match["word"].lower()]
    if "\x1b" in seen:
        seen = _ESCAPES.sub("", seen)
    if HEADER.decode() in seen:
        return ERROR
    for match in _TEXT.finditer(seen):
        word = match["word"]
        if word is None or word.isupper():  # in the middle of a line a small one is only a word
            found = word or match["first"] or match["bracket"] or match["pair"]
            return _WORDS[found.lower()]
    return None
