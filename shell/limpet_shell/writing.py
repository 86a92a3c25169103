"""Writes files for a project, never over one that exists unless asked to."""

import os
from collections.abc import Mapping

from limpet_supervisor.errors import LimpetError


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
