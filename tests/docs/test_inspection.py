"""docs/inspection.md: its shop runs in a node, and each of its commands shows what it says."""

import re
import subprocess
import sys
import time
from pathlib import Path

from limpet.stage1 import looks
from support.documents import commands, pattern
from support.node import BOUND, Node, running

DOCUMENT = Path(__file__).parents[2] / "docs/inspection.md"


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def shown(node: Node, command: str) -> str:
    """What a line of shell prints, to a pipe, on both streams."""
    limpet = f"{sys.executable} -m limpet_shell"
    return subprocess.run(
        ["/bin/sh", "-c", command.replace("limpet", limpet, 1)],
        cwd=node.directory,
        env=node.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BOUND,
        check=False,
    ).stdout


def test_the_commands_of_the_document_show_what_it_says() -> None:
    toml = block("toml").partition("\n\n")[2].replace("python3", sys.executable)
    written = commands(DOCUMENT)
    assert len(written) > 15
    with running(toml, files={"shop.py": block("python")}) as node:
        for command in written:
            said = pattern(command.output)
            deadline = time.monotonic() + BOUND
            # What comes and goes, such as a task that is just running, may be in the way once.
            while not said.fullmatch(seen := shown(node, command.command)):
                assert time.monotonic() < deadline, f"$ {command.command}\n{seen}\nnot\n{command.output}"


def test_every_look_is_in_the_document() -> None:
    named = set(re.findall(r"`([a-z_]+)[`(]", DOCUMENT.read_text()))
    assert set(looks.LOOKS) <= named
