"""The README's commands, run in order on a bookshop of their own, print what it says that they print."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from limpet_supervisor.config.load import load
from support.bookshop import ROOT, bookshop, requires_bookshop
from support.documents import Command, commands, pattern

READS = re.compile(r"limpet (status|why|events|health|logs|tree) ?|curl ")
README = Path(ROOT, "README.md")


@requires_bookshop
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_commands_of_the_readme_print_what_it_says() -> None:
    written = commands(README)
    assert len(written) > 10
    with bookshop() as shop:
        for command in written:
            said = pattern(command.output)
            line = command.command.replace(":4000", f":{shop.port}")
            deadline = time.monotonic() + 30
            while not said.fullmatch(shown := shop.show(line, typed=command.typed)):
                # What a command has set off may still be under way: those that only look, look again.
                assert READS.match(line), failure(command, shown)
                assert time.monotonic() < deadline, failure(command, shown)


def failure(command: Command, shown: str) -> str:
    return f"README.md:{command.line}: $ {command.command}\n{shown}\nbut it says\n{command.output}"


def test_numbers_may_differ_and_nothing_else() -> None:
    said = pattern("web.1   running  4711  12s  31.5 MiB\n…\nrestarted … of them\n")
    assert said.fullmatch("web.1 running   9  3m 5s  8 KiB\na\nb\nrestarted three of them\n")
    assert said.fullmatch("web.1 running 9 3s 8 KiB\nrestarted one of them\n")
    assert not said.fullmatch("web.1 stopped 9 3s 8 KiB\nrestarted one of them\n")
    assert not said.fullmatch("web.1 running 9 3s 8 KiB\n")


def test_its_configuration_can_be_used(tmp_path: Path) -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        file = tmp_path / "limpet.toml"
        file.write_text(block)
        assert load(str(file), environ={}).root.processes


def test_a_variable_that_is_not_set_is_named_with_its_place(tmp_path: Path) -> None:
    """The README's config/runtime.py, and what it says of it."""
    readme = README.read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    said = re.search(r"`(DATABASE_URL is not set \(config/runtime\.py:\d+\))`", readme)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/runtime.py").write_text(code)
    (tmp_path / "limpet.toml").write_text('name = "shop"\n[processes.a]\ncommand = ["true"]\n')
    checked = subprocess.run(
        [sys.executable, "-m", "limpet_shell", "check"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "LIMPET_ENV": "prod"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 78
    assert said is not None
    assert said[1] in checked.stderr
