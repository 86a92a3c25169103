"""Print the effective configuration: each value, with the file and line, variable or default it comes from.

First what the application's processes read with limpet.config.get(), evaluated as a boot would do it; then
what the node is configured by. Secrets are masked, and of an environment only what the file says is shown.
"""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

from limpet_shell import options, output, target
from limpet_supervisor.config import names
from limpet_supervisor.config.lines import key_lines, line_of
from limpet_supervisor.config.names import Path
from limpet_supervisor.config.wording import dotted
from limpet_supervisor.model.masking import MASK, is_secret_variable, masked, masked_text


def add_arguments(parser: ArgumentParser) -> None:
    """PREFIX, --json."""
    parser.add_argument(
        "prefix", nargs="?", default="", metavar="PREFIX", help="only what begins so: bookshop.repo"
    )
    options.add_json(parser)


def run(arguments: Namespace) -> int:
    """Evaluates and prints it."""
    from limpet_shell import fresh

    file = target.file_of(arguments)
    with output.Progress() as progress:
        progress("evaluating the configuration")
        spec, document = fresh.effective(file, arguments.release)
    rows = [
        *_application(document, spec.directory),
        *_node(file, names.choose(file, arguments.release)),
    ]
    rows = [row for row in rows if row[0].startswith(arguments.prefix)]
    if arguments.json:
        facts = [{"key": key, "value": value, "from": origin} for key, value, origin in rows]
        output.write_json({"schema": 1, "env": document["env"], "values": facts})
        return 0
    color = output.painter()
    for line in output.table(
        ("key", "value", "from"),
        rows,
        style=lambda _row, column, _text: "dim" if column == 2 else "",
        color=color,
        width=output.columns() if output.stdout_is_terminal() else None,
    ):
        output.write(line)
    return 0


def _application(document: dict[str, Any], directory: str) -> Iterator[tuple[str, str, str]]:
    origins = document.get("origins", {})
    for path, value in _leaves(document["values"], ()):
        key = ".".join(path)
        place, variable = origins.get(key, ("", ""))
        place = place.removeprefix(directory + os.sep)
        yield key, value, ", ".join(part for part in (place, variable) if part)


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each value that is no table, as text; see limpet.values for what JSON has no word for."""
    if isinstance(value, dict) and "$" not in value and (value or not path):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    else:
        yield path, repr(_shown(value))


def _shown(value: Any) -> Any:
    """A value for a person; inside of lists and tables, too, no secret is shown."""
    if isinstance(value, list):
        return [_shown(item) for item in value]
    if not isinstance(value, dict):
        return value
    match value.get("$"):
        case None:
            return {key: _shown(item) for key, item in value.items()}
        case "secret":
            return _Word("secret(***)")
        case "tuple":
            return tuple(_shown(item) for item in value["="])
        case "dict":
            return {key: _shown(item) for key, item in value["="]}
        case "bytes":
            return bytes.fromhex(value["="])
        case kind:
            return _Word(f"{kind}({value['=']!r})")


class _Word(str):
    """Text whose repr is itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _node(file: str, chosen: names.Release) -> Iterator[tuple[str, str, str]]:
    """What the file says of the node, references as they are written, with its lines."""
    with open(file, encoding="utf-8") as stream:
        lines = key_lines(stream.read())
    shown = os.path.relpath(file)
    for path, value in _settings(chosen.table, ()):
        line = line_of(lines, (*chosen.path, *path))
        if path[:2] == ("otlp", "headers"):
            text = MASK
        elif "env" in path[:-1]:
            text = _variable(str(path[-1]), value)
        else:
            text = output.to_json(masked_text(value) if isinstance(value, str) else value)
        yield f"node.{dotted(path)}", text, f"{shown}:{line}" if line else shown


def _variable(name: str, value: Any) -> str:
    """What the file says of a variable, as it may be shown."""
    if isinstance(value, str):
        value = masked(name, value)
        return MASK if value == MASK else output.to_json(value)
    return MASK if is_secret_variable(name) else output.to_json(value)


def _settings(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _settings(item, (*path, key))
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from _settings(item, (*path, index))
    else:
        yield path, value
