"""The bookshop, built once; and a small project, built once."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.bookshop import ORIGINAL
from support.release import build, built, write_project


@pytest.fixture(scope="session")
def shop() -> Iterator[Path]:
    """The root of a release of the bookshop, readable by everyone; not to be changed."""
    directory = Path(tempfile.mkdtemp(prefix="lr", dir="/tmp"))
    directory.chmod(0o755)
    try:
        project = directory / "p"
        shutil.copytree(
            ORIGINAL,
            project,
            ignore=shutil.ignore_patterns(".venv", "var", "_build", "__pycache__", "systemd"),
        )
        (project / ".venv").symlink_to(ORIGINAL / ".venv")
        done = build(project, "--path", str(directory / "built here" / "bookshop"))
        assert done.returncode == 0, done.stdout + done.stderr
        # Moved: nothing of where it was built may matter.
        moved = directory / "moved to" / "shop"
        moved.parent.mkdir()
        (directory / "built here" / "bookshop").rename(moved)
        shutil.rmtree(project)
        yield moved
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a release of the small project, with its interpreter; not to be changed."""
    return built(write_project(tmp_path_factory.mktemp("tiny"), 'python = "bundle"'))
