"""The text of a limpet.toml: readable, in the order of the configuration that it comes from."""

from collections.abc import Mapping
from typing import Any, Final

from limpet_shell.importing.model import Imported
from limpet_supervisor.release.document import key_of, value_of

WIDTH: Final = 100
"""Columns within which a table is written in one line."""


def text(imported: Imported, source: str, *, by: str = "import") -> str:
    """A whole limpet.toml.

    Args:
        imported: what it says.
        source: the name of the file that this comes from.
        by: the verb that makes it.
    """
    lines = [f"# From {source}, by `limpet {by}`. `limpet check` says whether it can run here.", ""]
    lines += _entries({"name": imported.name})
    if "max_restarts" in imported.settings:
        lines += [
            "# So many that no process alone ends the node: it is tried again and again, later each time.",
            "# Lower it, and the node gives up and leaves the decision to systemd or the container.",
        ]
    return "\n".join([*lines, *_entries(imported.settings), *_tables(imported, "")]) + "\n"


def section(imported: Imported) -> str:
    """The same as a part of a pyproject.toml: `[tool.limpet.releases.NAME]`."""
    path = f"tool.limpet.releases.{imported.name}"
    header = f"[{path}]" if imported.settings or not imported.processes else ""
    lines = [header, *_entries(imported.settings)] if header else []
    return "\n".join([*lines, *_tables(imported, f"{path}.")]).lstrip("\n") + "\n"


def _tables(imported: Imported, prefix: str) -> list[str]:
    lines = []
    for name, keys in imported.sockets.items():
        lines += ["", f"[{prefix}sockets.{name}]", *_entries(keys)]
    for process in imported.processes:
        lines.append("")
        notes = [note for note in imported.notes if note.place == process.place]
        comments = [process.remark] if process.remark else []
        comments += [f"{note.option} ({note.fate}): {note.text}" for note in notes]
        lines += [f"# {line}".rstrip() for comment in comments for line in comment.splitlines()]
        lines += _table(f"{prefix}processes.{process.name}", process.keys)
    return lines


def _table(path: str, keys: Mapping[str, Any]) -> list[str]:
    """A table with its header; tables in it that are too long for a line follow with headers of their own."""
    long = [
        key
        for key, value in keys.items()
        if isinstance(value, Mapping) and len(f"{key} = {value_of(value)}") > WIDTH
    ]
    lines = [f"[{path}]", *_entries({key: value for key, value in keys.items() if key not in long})]
    for key in long:
        lines += _table(f"{path}.{key}", keys[key])
    return lines


def _entries(keys: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, value in keys.items():
        line = f"{key_of(key)} = {value_of(value)}"
        if len(line) > WIDTH and isinstance(value, list):
            line = "\n".join((f"{key_of(key)} = [", *(f"    {value_of(item)}," for item in value), "]"))
        lines.append(line)
    return lines
