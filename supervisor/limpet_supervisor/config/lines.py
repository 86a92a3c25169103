"""Where things are: for messages, so only imported when there are some.

tomllib does not say on which line a key stands; a second, smaller reading of a valid document does.
"""

import contextlib
import os
import re
import tomllib
from collections.abc import Iterable
from typing import Final

from .names import Path
from .wording import dotted

_BLANK: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_KEY: Final = re.compile(r"[ \t]*(?:\"((?:[^\"\\\n]|\\.)*)\"|'([^'\n]*)'|([A-Za-z0-9_-]+))[ \t]*")
_STRING: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})|\'\'\'.*?\'\'\'(?:\'{0,2})|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL
)
_SCALAR: Final = re.compile(r"[^,\]}\n#]*")


def located(file: str, problems: Iterable[tuple[Path, str]]) -> tuple[str, ...]:
    """Each problem as `file:line: key.path: text`, in the order of the file."""
    try:
        with open(file, encoding="utf-8") as stream:
            lines = key_lines(stream.read())
    except (OSError, UnicodeDecodeError):
        lines = {}
    found = sorted(((line_of(lines, path), path, text) for path, text in problems), key=lambda each: each[0])
    label = os.path.basename(file)
    return tuple(
        ": ".join(part for part in (f"{label}:{line}" if line else label, dotted(path), text) if part)
        for line, path, text in found
    )


def key_lines(text: str) -> dict[Path, int]:
    """Line numbers, from 1, by path. `text` is valid TOML; of anything else, what could be read of it."""
    scan = _Scan(text)
    # Messages without a line number are better than none.
    with contextlib.suppress(_Lost, RecursionError, tomllib.TOMLDecodeError):
        scan.document()
    return scan.lines


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of the key, or of the nearest one above it that has any; 0: not known."""
    while path:
        if (line := lines.get(path)) is not None:
            return line
        path = path[:-1]
    return 0


class _Lost(Exception):
    """The text is not what was expected."""


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.lengths: dict[Path, int] = {}
        """How many tables each array of tables has so far."""
        self.counted = (0, 1)
        """An offset and its line, so that each newline is counted once."""

    def document(self) -> None:
        table: Path = ()
        while self.blank() < len(self.text):
            if self.text.startswith("[[", self.at):
                table = self.header(2)
            elif self.text[self.at] == "[":
                table = self.header(1)
            else:
                self.pair(table)

    def header(self, brackets: int) -> Path:
        start = self.at
        self.at += brackets
        path: Path = ()
        names = self.keys()
        for index, name in enumerate(names):
            path = (*path, name)
            last = index == len(names) - 1
            if last and brackets == 2:
                self.lengths[path] = self.lengths.get(path, 0) + 1
            if path in self.lengths:
                self.lines.setdefault(path, self.line(start))
                path = (*path, self.lengths[path] - 1)
        self.take("]" * brackets)
        self.lines[path] = self.line(start)
        return path

    def pair(self, table: Path) -> None:
        start = self.at
        path = table
        for name in self.keys():
            path = (*path, name)
            self.lines.setdefault(path, self.line(start))
        self.take("=")
        self.value(path)

    def keys(self) -> list[str]:
        names = []
        while match := _KEY.match(self.text, self.at):
            self.at = match.end()
            name = next(part for part in match.groups() if part is not None)
            if match[1] is not None and "\\" in name:
                name = next(iter(tomllib.loads(f'"{name}" = 0')))
            names.append(name)
            if not self.text.startswith(".", self.at):
                return names
            self.at += 1
        raise _Lost

    def value(self, path: Path) -> None:
        self.blank()
        first = self.text[self.at : self.at + 1]
        if first in ("[", "{"):
            self.at += 1
            closing = "]" if first == "[" else "}"
            index = 0
            self.blank()
            while not self.text.startswith(closing, self.at):
                if first == "{":
                    self.pair(path)
                else:
                    self.lines[(*path, index)] = self.line(self.at)
                    self.value((*path, index))
                    index += 1
                self.blank()
                if self.text.startswith(",", self.at):
                    self.at += 1
                    self.blank()
                elif not self.text.startswith(closing, self.at):
                    raise _Lost
            self.at += 1
        else:
            match = _STRING.match(self.text, self.at) or _SCALAR.match(self.text, self.at)
            self.at = match.end() if match else self.at

    def blank(self) -> int:
        match = _BLANK.match(self.text, self.at)
        if match:
            self.at = match.end()
        return self.at

    def take(self, expected: str) -> None:
        if not self.text.startswith(expected, self.at):
            raise _Lost
        self.at += len(expected)

    def line(self, offset: int) -> int:
        at, line = self.counted
        if offset >= at:
            line += self.text.count("\n", at, offset)
            self.counted = (offset, line)
            return line
        return self.text.count("\n", 0, offset) + 1
