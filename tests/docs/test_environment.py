"""docs/environment.md names each variable that the code reads or sets, and each file of a node."""

import re
from pathlib import Path

import pytest

from limpet_supervisor.daemon import ground
from limpet_supervisor.runtime import spawn

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/environment.md").read_text()
SOURCES = [
    path
    for root in ("agent/limpet", "supervisor/limpet_supervisor", "shell/limpet_shell", "systemd")
    for path in (ROOT / root).rglob("*")
    if path.is_file() and path.suffix != ".pyc" and "importing" not in path.parts and path.name != "wsgi.py"
]
_OURS = re.compile(r"\b(?:LIMPET|RELEASE)_[A-Z]+\b")
_READ = re.compile(r"""environ(?:\.get\(|\.setdefault\(|\[)b?["']([A-Z_]+)["']""")


def found_by(pattern: re.Pattern[str]) -> set[str]:
    return {name for path in SOURCES for name in pattern.findall(path.read_text())}


def named() -> set[str]:
    return set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", DOCUMENT))


@pytest.mark.parametrize("pattern", [_OURS, _READ], ids=["ours", "read from the environment"])
def test_each_variable_of_the_code_is_named(pattern: re.Pattern[str]) -> None:
    variables = found_by(pattern)
    assert {"LIMPET_CONFIG"} <= variables
    assert variables - named() - {"UV_PYTHON_DOWNLOADS"} == set()


def test_each_variable_that_is_removed_is_named() -> None:
    assert vars(spawn)["_OURS"] <= named()


def test_no_variable_is_named_that_the_code_does_not_know() -> None:
    assert {name for name in named() if _OURS.fullmatch(name)} <= found_by(_OURS)


def test_each_file_of_the_node_s_directory_is_named() -> None:
    files = re.findall(r"^([a-z.]+/?)(?:, ([a-z.]+))?(?:  |$)", ground.__doc__ or "", re.MULTILINE)
    assert ("control.sock", "agent.sock") in files
    assert {name for names in files for name in names if name} <= set(re.findall(r"`([a-z.]+/?)`", DOCUMENT))
