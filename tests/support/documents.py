"""Commands and their output in Markdown, and whether an output is what the document says.

A ```console block holds commands after `$ `, and below each what it prints; at the prompt of a console
(`bookshop@host web.1 [1]> `) stands what is typed there. Numbers, durations, sizes and white space may
differ; a line or a part of one that is `…` stands for anything.
"""

import doctest
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT = re.compile(r"^\S+@\S+ \S+ \[\d+\]> ?(.*)$")
_NUMBER = r"\d[\d.]*(?: ?(?:ms|[KMG]iB|[smhdB])(?![A-Za-z]))?(?: \d+[smh](?![A-Za-z]))?%?"
_TOKEN = re.compile(rf"(?P<rest>…)|(?P<space>\s+)|(?P<number>{_NUMBER})|(?P<text>.)")


_EXAMPLES = """
import doctest, sys
failed, tried = doctest.testfile(
    sys.argv[1], module_relative=False, optionflags=doctest.ELLIPSIS | doctest.REPORT_NDIFF
)
print(tried)
sys.exit(bool(failed))
"""


class Command(NamedTuple):
    """A command of a document."""

    line: int
    command: str
    typed: str
    """What is typed at its prompts, if it is a console."""
    output: str


def commands(document: Path) -> list[Command]:
    """All commands of its console blocks, in order."""
    text = document.read_text()
    found: list[Command] = []
    for block in _BLOCK.finditer(text):
        line = text.count("\n", 0, block.start(1))
        for written in block[1].splitlines():
            line += 1
            if written.startswith("$ "):
                found.append(Command(line, written[2:], "", ""))
            elif prompt := _PROMPT.match(written):
                found[-1] = found[-1]._replace(typed=f"{found[-1].typed}{prompt[1]}\n")
            else:
                found[-1] = found[-1]._replace(output=f"{found[-1].output}{written}\n")
    return found


def pattern(output: str) -> re.Pattern[str]:
    """Matches what is the same output but for numbers, white space and what `…` leaves out."""
    lines = []
    for line in output.splitlines():
        if line.strip() == "…":
            lines.append(r"(?:.*\n)*?")
            continue
        lines.append("".join(map(_piece, _TOKEN.finditer(line.rstrip()))) + r"[ \t]*\n")
    return re.compile("".join(lines))


def _piece(token: re.Match[str]) -> str:
    pieces = {"rest": ".*", "space": r"[ \t]+", "number": f"(?:{_NUMBER})", "text": re.escape(token[0])}
    return pieces[token.lastgroup or "text"]


def assert_examples(blocks: Sequence[str], directory: Path) -> None:
    """Examples at Python's prompt do what they say: all in one process of their own, in order."""
    examples = directory / "examples.txt"
    examples.write_text("".join(blocks).replace("…", "..."))
    ran = subprocess.run(
        [sys.executable, "-c", _EXAMPLES, examples],
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "agent")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert int(ran.stdout) == sum(len(doctest.DocTestParser().get_examples(block)) for block in blocks)
