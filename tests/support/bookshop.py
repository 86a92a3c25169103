"""A copy of examples/bookshop with a directory, a port and a database of its own."""

import os
import pty
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORIGINAL = ROOT / "examples/bookshop"

requires_bookshop = pytest.mark.skipif(
    not (ORIGINAL / ".venv/bin/uvicorn").exists(), reason="needs examples/bookshop/.venv (make install)"
)


class Bookshop:
    """The copy, and commands in it."""

    def __init__(self, directory: Path, port: int, health: int) -> None:
        self.directory = directory
        self.port = port
        self.health = health
        """Port of the node's own HTTP."""
        commands = directory.parent / "bin"
        commands.mkdir()
        limpet = commands / "limpet"
        limpet.write_text(f'#!/bin/sh\nexec {sys.executable} -m limpet_shell "$@"\n')
        limpet.chmod(0o755)
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("RELEASE_", "LIMPET_"))
        }
        self.environ = kept | {
            "PATH": f"{commands}:{os.environ['PATH']}",
            "PORT": str(port),
            "LIMPET_HEALTH": f"127.0.0.1:{health}",
            "RELEASE_TMP": str(directory.parent / "run"),
            "XDG_STATE_HOME": str(directory.parent / "state"),
            "HOME": str(directory.parent),
            "TERM": "dumb",
            "COLUMNS": "120",
        }
        for name in ("VIRTUAL_ENV", "XDG_RUNTIME_DIR", "NO_COLOR", "FORCE_COLOR"):
            self.environ.pop(name, None)

    def run(self, command: str, *, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a line of shell in its directory; standard error goes where standard output goes."""
        return subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.directory,
            env=self.environ,
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=90,
            check=False,
        )

    def show(self, command: str, *, typed: str = "") -> str:
        """What a line of shell in its directory shows on a terminal; `typed` comes from a pipe."""
        screen, terminal = pty.openpty()
        with (
            open(screen, "rb", buffering=0) as shown,
            subprocess.Popen(
                ["/bin/sh", "-c", command],
                cwd=self.directory,
                env=self.environ,
                stdin=subprocess.PIPE,
                stdout=terminal,
                stderr=terminal,
            ) as process,
        ):
            os.close(terminal)
            assert process.stdin is not None
            process.stdin.write(typed.encode())
            process.stdin.close()
            parts = []
            with suppress(OSError):  # EIO: nobody has the terminal open any more, pty(7)
                while part := shown.read(65536):
                    parts.append(part)
        return b"".join(parts).decode().replace("\r\n", "\n")


@contextmanager
def bookshop() -> Iterator[Bookshop]:
    """Makes the copy, and stops the node that may run in it in the end."""
    with tempfile.TemporaryDirectory(prefix="shop-", dir="/tmp") as scratch:
        directory = Path(scratch, "bookshop")
        ignored = shutil.ignore_patterns(".venv", "var", "__pycache__", "systemd")
        shutil.copytree(ORIGINAL, directory, ignore=ignored)
        (directory / ".venv").symlink_to(ORIGINAL / ".venv")
        shop = Bookshop(directory, *_free_ports(2))
        try:
            yield shop
        finally:
            shop.run("limpet pid >/dev/null 2>&1 && limpet stop")


def _free_ports(count: int) -> list[int]:
    with ExitStack() as probes:
        made = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in made:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in made]
