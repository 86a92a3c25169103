"""docs/events.md names every kind of event that a node publishes, and no other."""

import re
from pathlib import Path

from limpet_supervisor.model.status import EVENTS

ROOT = Path(__file__).parents[2]


def test_the_page_is_the_table() -> None:
    page = (ROOT / "docs" / "events.md").read_text()
    assert dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.MULTILINE)) == EVENTS


def test_every_kind_in_the_source_is_in_the_table_and_the_other_way_round() -> None:
    sources = (ROOT / "supervisor" / "limpet_supervisor").rglob("*.py")
    found = set()
    for path in sources:
        found |= set(re.findall(r'(?:\.publish|draft\.report)\(\s*"(\w+)"', path.read_text()))
    assert found == set(EVENTS)
