"""What the documents say of make is in the Makefile."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.bookshop import ROOT

DOCUMENTS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md")
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def make(*arguments: str, directory: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """Runs make as from a shell, also if make runs us."""
    return subprocess.run(
        ["make", *arguments],
        cwd=directory,
        env={name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))},
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_target_that_a_document_names_is_there() -> None:
    targets = {line.split()[0] for line in make("help").stdout.splitlines()}
    said = "\n".join(path.read_text() for path in DOCUMENTS)
    named = set(re.findall(r"^make (\w+)", said, re.MULTILINE))
    assert named <= targets
    assert named >= {"install", "demo", "lint", "types", "test", "docs", "bench"}


def test_make_alone_only_shows_help() -> None:
    assert make().stdout == make("help").stdout


@pytest.mark.parametrize("python", ["/bin/false", "/nonexistent/python"])
def test_a_python_that_is_none_is_refused_with_what_to_do(tmp_path: Path, python: str) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "uv.lock"):
        (tmp_path / name).touch()
    refused = make(".venv/.installed", f"PYTHON={python}", directory=tmp_path)
    assert refused.returncode == 2
    assert f"{python} is no Python 3.11 or newer. Set one: make PYTHON=" in refused.stderr
