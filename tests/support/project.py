"""Projects in directories of their own, with the `limpet` command in them."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

BOUND = 60.0
"""Seconds that a command may take."""


class Project:
    """A directory with a project; its node's files are below `run`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.environ = {
            key: value for key, value in os.environ.items() if not key.startswith(("RELEASE_", "LIMPET_"))
        }
        self.environ.pop("VIRTUAL_ENV", None)
        self.environ |= {
            "RELEASE_TMP": str(directory.parent / "run"),
            "PORT": str(self.port),
            "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
        }

    def limpet(self, *arguments: str, code: int = 0) -> str:
        """Runs `limpet`; what it printed. AssertionError if it ends otherwise than expected."""
        done = subprocess.run(
            [sys.executable, "-m", "limpet_shell", *arguments],
            cwd=self.directory, env=self.environ, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=BOUND, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def get(self, path: str) -> str:
        """The body of a page of the site."""
        import urllib.request

        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=BOUND) as answer:
            return answer.read().decode()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Its node, in the background, stopped at the end."""
        self.limpet("daemon")
        try:
            yield
        finally:
            self.limpet("stop")


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def project(name: str = "my-site") -> Iterator[Project]:
    """An empty directory of that name, removed at the end."""
    parent = Path(tempfile.mkdtemp(prefix="lp"))
    try:
        (parent / name).mkdir()
        yield Project(parent / name)
    finally:
        shutil.rmtree(parent, ignore_errors=True)
