"""Limpet's own packages, where they are installed here."""

import importlib.util
import os
from typing import Final

from limpet_supervisor.errors import LimpetError

OWN: Final = ("limpet_supervisor", "limpet_shell", "limpet")


def package(name: str) -> str:
    """The directory of one of them; nothing of it is imported.

    Raises:
        LimpetError: it is not there.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise LimpetError(f"There is no package {name}", todo="install limpet again")
    return os.path.dirname(spec.origin)
