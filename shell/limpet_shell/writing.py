"""Writes files for a project, never over one that exists unless asked to."""

import os
import re
from collections.abc import Mapping
from typing import Final

from limpet_supervisor.errors import LimpetError

TEMPLATES: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")
"""What `new` and `gen` write, with places to fill in."""

_PLACE: Final = re.compile(r"@([A-Z_]+)@")


def fill(template: str, places: Mapping[str, str], *, directory: str = TEMPLATES) -> str:
    """A template's text with its places `@NAME@` filled."""
    with open(os.path.join(directory, template), encoding="utf-8") as file:
        return _PLACE.sub(lambda match: places[match[1]], file.read())


def write(files: Mapping[str, str], *, force: bool) -> None:
    """Writes all the files or, if one exists and is not to be replaced, none.

    Args:
        files: their texts, by path.
        force: replace what exists.

    Raises:
        LimpetError: a file exists, or cannot be written.
    """
    existing = [os.path.relpath(path) for path in files if os.path.lexists(path)]
    if existing and not force:
        raise LimpetError(
            f"{', '.join(existing)} exists already", todo="use --force to write over it, or --output"
        )
    for path, text in files.items():
        try:
            os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise LimpetError(f"{path} cannot be written", str(error.strerror)) from None
