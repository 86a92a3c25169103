"""CONTRIBUTING's table of where things are has every package."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def directories(place: str) -> set[str]:
    return {
        path.name
        for path in (ROOT / place).iterdir()
        if path.is_dir() and path.name != "__pycache__" and any(path.iterdir())
    }


def test_every_package_and_every_kind_of_test_is_there() -> None:
    named = set(re.findall(r"(\w+)/`", CONTRIBUTING))
    there = (
        directories("supervisor/limpet_supervisor") | directories("shell/limpet_shell") | directories("tests")
    )
    assert {"release", "importing", "contract"} <= there
    assert there - named == set()


def test_what_it_names_is_there() -> None:
    for line in re.findall(r"^\| (`.*?`) \|", CONTRIBUTING, re.MULTILINE):
        for name in re.findall(r"`(?:…/)?([\w/]+)/`", line):
            roots = ("", "supervisor/limpet_supervisor", "shell/limpet_shell", "tests")
            assert any((ROOT / root / name).is_dir() for root in roots), name
