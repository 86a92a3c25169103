"""What the styles' names look like. A colour says nothing that a sign or a word does not say as well."""

from typing import Final

COLOURED: Final = {
    "header": "reverse",
    "tab": "",
    "chosen": "reverse bold",
    "title": "bold underline",
    "sorted": "ansicyan",
    "selected": "reverse",
    "good": "ansigreen",
    "warn": "ansiyellow",
    "bad": "ansired bold",
    "dim": "ansibrightblack",
    "bold": "bold",
    "key": "ansicyan",
    "bar": "ansigreen",
    "chart": "ansicyan",
    "box": "",
    "cursor": "reverse",
    "cyan": "ansicyan",
    "green": "ansigreen",
    "magenta": "ansimagenta",
    "blue": "ansiblue",
    "yellow": "ansiyellow",
}
"""In the terminal's own sixteen colours, which people have made readable."""
PLAIN: Final = dict.fromkeys(COLOURED, "") | {
    "header": "reverse",
    "chosen": "reverse",
    "title": "underline",
    "selected": "reverse",
    "bold": "bold",
    "key": "bold",
    "bad": "bold",
    "cursor": "reverse",
}
"""Without colour (NO_COLOR)."""
