"""The `limpet` command as a process of its own, against a node that the test has put somewhere."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from support.fake_node import FakeNode, Script
from support.told import answers

BOUND = 60.0
"""Seconds that a command may take before the test fails."""


class Shop:
    """A directory in which the node `bookshop` lives, as RELEASE_* variables say."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        keep = {key: value for key, value in os.environ.items() if key.startswith(("PATH", "LANG", "PYTHON"))}
        self.environ = {
            **keep,
            "RELEASE_TMP": directory,
            "RELEASE_NAME": "bookshop",
            "RELEASE_VSN": "1.0.0",
            "HOME": f"{directory}/home",
        }

    def arguments(self, *words: str) -> list[str]:
        """The command line of `limpet WORDS`."""
        return [sys.executable, "-m", "limpet_shell", *words]

    def run(self, *words: str, **options: object) -> "subprocess.CompletedProcess[str]":
        """Runs `limpet WORDS` to its end; its output is piped."""
        given = {"timeout": BOUND, "env": self.environ, "cwd": self.directory, **options}
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            self.arguments(*words), capture_output=True, text=True, check=False, **given
        )


Shops = tuple[Shop, FakeNode]
"""A shop, and the node in it."""


@contextlib.contextmanager
def shop() -> Iterator[Shop]:
    """A place where no node runs."""
    directory = tempfile.mkdtemp(prefix="lps")
    os.mkdir(f"{directory}/home")
    try:
        yield Shop(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def open_shop(script: Script = answers) -> Iterator[Shops]:
    """The same with a node that answers by `script`."""
    with shop() as place, FakeNode(f"{place.directory}/bookshop", script) as node:
        yield place, node
