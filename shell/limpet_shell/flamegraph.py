"""A profile as a flame graph: one SVG with nothing beside it, to be opened in a browser.

The width of a frame is how often it was seen; above it is what it called. A click zooms, and one on the
lowest frame zooms out again; pointing at a frame says what it is; `search` colours what matches.
"""

import os
import re
from typing import Final
from xml.sax.saxutils import escape
from zlib import crc32

from limpet_shell.profiles import Counted, place_of

_WIDTH: Final = 1200
_MARGIN: Final = 10
_ROW: Final = 17
_CHARACTER: Final = 6.6
"""Pixels of a character, in the font below."""
_TOP: Final = 56
_BOTTOM: Final = 30
_LEAST: Final = 0.1
"""Pixels of a frame that is drawn."""


class _Node:
    """A frame below the same frames, of all the stacks that have it there."""

    __slots__ = ("children", "count", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self.children: dict[str, _Node] = {}


def svg(stacks: Counted, title: str) -> str:
    """The picture's text."""
    root = _Node("all")
    for stack, count in stacks.items():
        root.count += count
        node = root
        for frame in stack:
            node = node.children.setdefault(frame, _Node(frame))
            node.count += count
    boxes: list[tuple[_Node, int, float, float]] = []
    waiting: list[tuple[_Node, int, float]] = [(root, 0, 0.0)]
    while waiting:
        node, depth, left = waiting.pop()
        share = node.count / root.count if root.count else 1.0
        if share * (_WIDTH - 2 * _MARGIN) < _LEAST:
            continue
        boxes.append((node, depth, left, share))
        for _name, child in sorted(node.children.items()):
            waiting.append((child, depth + 1, left))
            left += child.count / root.count
    height = _TOP + _ROW * (max(depth for _, depth, _, _ in boxes) + 1) + _BOTTOM
    places = {
        "WIDTH": str(_WIDTH),
        "HEIGHT": str(height),
        "MIDDLE": str(_WIDTH // 2),
        "RIGHT": str(_WIDTH - _MARGIN),
        "FOOT": str(height - 10),
        "MARGIN": str(_MARGIN),
        "TITLE": _text(title),
        "BODY": "\n".join(_box(*box, total=root.count, height=height) for box in boxes),
    }
    with open(os.path.join(os.path.dirname(__file__), "flamegraph.svg"), encoding="utf-8") as file:
        return re.sub("@([A-Z]+)@", lambda match: places[match[1]], file.read())


def _box(node: _Node, depth: int, left: float, share: float, *, total: int, height: int) -> str:
    wide = _WIDTH - 2 * _MARGIN
    x, width = _MARGIN + left * wide, share * wide
    y = height - _BOTTOM - _ROW * (depth + 1)
    times = f"{node.count:,} samples, {100 * node.count / total if total else 100:.2f}%"
    fits = int((width - 6) / _CHARACTER)
    label = node.name if len(node.name) <= fits else f"{node.name[: fits - 1]}…" if fits >= 4 else ""
    paint = f'fill="{_color(node.name)}" rx="1"'
    return (
        f'<g class="frame" data-left="{left:.7f}" data-share="{share:.7f}">'
        f"<title>{_text(node.name)} ({times})</title>"
        f'<rect x="{x:.2f}" y="{y}" width="{width:.2f}" height="{_ROW - 1}" {paint}/>'
        f'<text x="{x + 3:.2f}" y="{y + 12}">{_text(label)}</text></g>'
    )


def _color(frame: str) -> str:
    """Warm for Python, red for C; the same function has the same colour in every picture."""
    function, file, _line = place_of(frame)
    number = crc32(function.encode("utf-8", "replace"))
    if not file:
        return "rgb(200,200,200)"
    if not file.endswith((".py", ">")):
        return f"rgb({205 + number % 35},{80 + number // 64 % 50},{70 + number // 4096 % 40})"
    return f"rgb({215 + number % 40},{130 + number // 64 % 90},{40 + number // 4096 % 50})"


def _text(text: str) -> str:
    """`text` for XML, in which control characters cannot be written at all."""
    return escape("".join(char if char.isprintable() else "?" for char in text), {'"': "&quot;"})
