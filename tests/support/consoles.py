"""A console on a terminal, against a scripted node."""

import contextlib
import pathlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from support.command import Shop, open_shop
from support.fake_node import FakeNode, Script
from support.terminal import Terminal
from support.told import answers


class Console(NamedTuple):
    """The terminal, the node, and where both live."""

    terminal: Terminal
    node: FakeNode
    place: Shop


@contextlib.contextmanager
def remote(
    *words: str,
    script: Script = answers,
    files: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    columns: int = 100,
    lines: int = 50,
) -> Iterator[Console]:
    """`limpet remote WORDS`.

    Args:
        words: its arguments.
        script: what the node answers.
        files: what there is in the user's home.
        environ: more of the environment.
        columns: of the terminal.
        lines: of the terminal.
    """
    with open_shop(script) as (place, node):
        home(place, files or {})
        given = {**place.environ, **(environ or {})}
        with Terminal(place.arguments("remote", *words), given, columns=columns, lines=lines) as terminal:
            yield Console(terminal, node, place)


def home(place: Shop, files: Mapping[str, str]) -> None:
    """Writes files into the user's home."""
    for name, text in files.items():
        path = pathlib.Path(place.directory, "home", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
