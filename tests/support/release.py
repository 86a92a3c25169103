"""Projects that are built, and the releases that come out of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.node import BOUND

BUILD_BOUND = 110.0
"""Seconds that a build may take before a test gives up."""
MODULE = """
import sys, time

def main():
    print("up", flush=True)
    time.sleep(1000)

def where():
    return sys.prefix
"""

requires_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, to become someone else"
)


def clean_environ(**more: str) -> dict[str, str]:
    """The environment, without what speaks of a release or a virtual environment."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RELEASE_", "LIMPET_", "PYTHON"))
        and name not in ("VIRTUAL_ENV", "XDG_RUNTIME_DIR", "NO_COLOR", "FORCE_COLOR", "NOTIFY_SOCKET")
    }
    return {**kept, "TERM": "dumb", "COLUMNS": "120", **more}


def run(*command: "str | Path", timeout: float = BOUND, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end; standard output and error apart."""
    options.setdefault("env", clean_environ())
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=timeout, check=False, **options
    )


def write_project(directory: Path, options: str = "", files: dict[str, str] | None = None) -> Path:
    """A project `tiny` without dependencies, whose release runs on this Python; `options` are its keys."""
    directory.mkdir(parents=True, exist_ok=True)
    python = "" if "python =" in options else 'python = "host"\n'
    text = '[project]\nname = "tiny"\nversion = "1.0.0"\n\n[tool.limpet.releases.tiny]\n'
    processes = '\n[tool.limpet.releases.tiny.processes.web]\nentry = "tiny:main"\n'
    (directory / "pyproject.toml").write_text(f"{text}{python}{options}\n{processes}")
    for name, content in {"tiny.py": MODULE, **(files or {})}.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return directory


def build(project: Path, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """`limpet release` in a project."""
    return run(
        sys.executable, "-m", "limpet_shell", "release", *arguments,
        cwd=project, env=clean_environ(**environ), timeout=BUILD_BOUND,
    )  # fmt: skip


def built(project: Path, *arguments: str, **environ: str) -> Path:
    """The root of a release that was built well."""
    done = build(project, *arguments, **environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return project / "_build" / environ.get("LIMPET_ENV", "prod") / "rel" / "tiny"


def linked_copy(tree: Path, target: Path) -> Path:
    """A copy of a tree whose files are links to the same ones: to be replaced, never written to."""
    shutil.copytree(tree, target, symlinks=True, copy_function=os.link)
    return target


def replace(file: Path, text: str) -> None:
    """Gives a file that others are linked to a content of its own."""
    mode = file.stat().st_mode
    file.unlink()
    file.write_text(text)
    file.chmod(mode)
