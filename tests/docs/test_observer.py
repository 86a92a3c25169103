"""docs/observer.md shows the observer's screens, keys and rules as they are."""

import inspect
import re
from pathlib import Path

from limpet_shell.observer.views.screen import HELP
from limpet_supervisor.daemon import lints

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/observer.md").read_text()
GOLDEN = ROOT / "tests/observer/golden"


def test_its_screens_are_those_of_the_tests() -> None:
    shown = re.findall(r"^```text\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    golden = {
        "".join(f"{line}\n" for line in path.read_text().splitlines() if line.strip()): path.name
        for path in GOLDEN.glob("*-80x24.txt")
    }
    assert shown
    assert [golden.get(screen) for screen in shown] == ["processes-80x24.txt", "lints-80x24.txt"]


def test_it_names_every_key() -> None:
    assert [row for row in HELP if f"| `{row[0]}` | {row[1]} |" not in DOCUMENT] == []


def test_it_names_every_rule() -> None:
    rules = set(re.findall(r'Finding\(\s*"(\w+)"', inspect.getsource(lints)))
    assert rules
    assert {rule for rule in rules if f"`{rule}`" not in DOCUMENT} == set()
