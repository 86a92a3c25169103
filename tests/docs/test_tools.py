"""The commands of docs/tracing.md and docs/hotcode.md, on the applications that they show."""

import json
import re
import shlex

import pytest

from support.bookshop import ROOT
from support.documents import commands, pattern
from support.node import PYTHON, running

FILES = {
    "fixed.py": ("items * RATE", "round(items * RATE, 2)"),
    "dearer.py": ("RATE = 2", "RATE = 3"),
}


@pytest.mark.parametrize("name", ["tracing", "hotcode"])
def test_its_commands_print_what_it_says(name: str) -> None:
    document = ROOT / f"docs/{name}.md"
    block = re.search(r"^```python\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)
    assert block is not None
    files = {"shop.py": block[1], "app.py": "import shop\nshop.serve()\n"}
    files |= {file: block[1].replace(*change) for file, change in FILES.items()}
    toml = f'[processes.web]\ncommand = [{json.dumps(PYTHON)}, "app.py"]\n'
    with running(toml, files=files) as node:
        found = commands(document)
        assert len(found) > 3
        for command in found:
            done = node.limpet(*shlex.split(command.command)[1:])
            shown = done.stdout + done.stderr
            assert pattern(command.output).fullmatch(shown), (
                f"line {command.line}: {command.command}\n{shown}"
            )
