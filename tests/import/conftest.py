from collections.abc import Callable
from pathlib import Path

import pytest

from support.importing import Import


@pytest.fixture
def imported(tmp_path: Path) -> Callable[..., Import]:
    """Imports a text under a file's name; its variables are looked up in those given."""

    def make(name: str, text: str, /, **environ: str) -> Import:
        directory = tmp_path / "site"
        directory.mkdir(exist_ok=True)
        return Import(directory, name, text, {"PATH": "/usr/bin:/bin", **environ})

    return make
