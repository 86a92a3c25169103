"""Inputs on disk: a file a release, for its user alone."""

import os
from collections.abc import Iterable, Mapping
from typing import Final

from prompt_toolkit.history import History

MAX_BYTES: Final = 1024 * 1024
"""Above it, the older half is dropped when the file is opened."""


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
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def load_history_strings(self) -> Iterable[str]:
        """The newest first."""
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            return []
        if len(text) > MAX_BYTES:
            text = text[len(text) // 2 :].partition("\n")[2]
            self._write(text, os.O_TRUNC)
        return [decode(line) for line in reversed(text.splitlines())]

    def store_string(self, string: str) -> None:
        """Keeps one."""
        if not string.startswith(" "):
            self._write(f"{encode(string)}\n", os.O_APPEND)

    def _write(self, text: str, how: int) -> None:
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | how, 0o600)
        except OSError:
            return  # no home, a read-only disk: the console works without
        with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
