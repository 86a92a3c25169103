"""Inputs on disk: a file a release, for its user alone."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

from prompt_toolkit.history import History

MAX_BYTES: Final = 1024 * 1024
"""Above it, the older half is dropped when the file is opened, however few inputs that are."""


def path_of(node: str, environ: Mapping[str, str]) -> str:
    """Path of a node's history (XDG base directory specification)."""
    state = environ.get("XDG_STATE_HOME") or os.path.join(
        environ.get("HOME") or "/nonexistent", ".local/state"
    )
    return os.path.join(state, "limpet", node, "history")


def encode(text: str) -> str:
    """One input as a line: newlines and backslashes are escaped."""
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def decode(line: str) -> str:
    """The input that `encode` wrote."""
    parts = line.split("\\\\")
    return "\\".join(part.replace("\\n", "\n") for part in parts)


class FileHistory(History):
    """The inputs of all sessions on a node, one a line, in a file of mode 0600.

    An input that begins with a space is not kept. Without a file that can be written, it lasts as long as
    the console.

    Args:
        path: of the file.
        size: inputs that are kept; when the file is opened and holds a tenth more, the oldest are dropped.
    """

    def __init__(self, path: str, size: int) -> None:
        super().__init__()
        self._path = path
        self._size = size

    def load_history_strings(self) -> Iterable[str]:
        """The newest first."""
        if not self._size:
            return []
        try:
            with open(self._path, encoding="utf-8", errors="replace", newline="\n") as file:
                text = file.read()
        except OSError:
            return []
        lines = text.split("\n")[:-1]
        large = len(text) > MAX_BYTES
        kept = (text[len(text) // 2 :].split("\n")[1:-1] if large else lines)[-self._size :]
        if large or len(lines) > self._size + self._size // 10:
            self._replace("".join(f"{line}\n" for line in kept))
        return [decode(line) for line in reversed(kept)]

    def store_string(self, string: str) -> None:
        """Keeps one."""
        if self._size and not string.startswith(" "):
            # No home, a read-only disk, a full one: that costs the input in the file, not the console.
            with suppress(OSError):
                os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
                _write(self._path, f"{encode(string)}\n", os.O_APPEND)

    def _replace(self, text: str) -> None:
        """Guarantee: the file is the old one or the whole new one, also on a full disk."""
        new = f"{self._path}.{os.getpid()}"
        try:
            _write(new, text, os.O_TRUNC)
            os.replace(new, self._path)
        except OSError:
            with suppress(OSError):
                os.unlink(new)


def _write(path: str, text: str, how: int) -> None:
    """Raises OSError: it could not be written, or not all of it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="replace", newline="\n") as file:
        file.write(text)
