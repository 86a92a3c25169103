"""A real systemd, booted in a container whose root is an overlay of this machine's.

All that is installed here is there too; what is written there is gone afterwards. Units go to
/run/systemd/system. A test waits for facts by `Machine.wait`, never for time to pass.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

BOOT = 60.0
"""Seconds that a boot may take on a busy machine; alone it takes half a second."""
LOG_FORMAT = ("--no-pager", "--output=cat")


def missing() -> str:
    """Why no systemd can be booted here, or nothing."""
    if os.geteuid() != 0:
        return "needs root"
    for command in ("systemd-nspawn", "nsenter", "mount"):
        if shutil.which(command) is None:
            return f"needs {command} (apt-get install systemd-container)"
    if not Path("/lib/systemd/systemd").exists():
        return "needs systemd"
    return ""


requires_systemd = pytest.mark.skipif(bool(missing()), reason=f"a systemd container {missing()}")


class Machine:
    """A booted container."""

    def __init__(self, root: Path, leader: int) -> None:
        self.root = root
        """Its root directory, as seen from outside."""
        self.leader = leader

    def run(
        self, *command: str, user: str = "", check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command inside, as root or as another user."""
        become = ("runuser", "-u", user, "--") if user else ()
        done = subprocess.run(
            ["nsenter", "--target", str(self.leader), "--all", "--", *become, *command],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
        )
        if check:
            assert done.returncode == 0, f"{command} exited {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Properties of a unit, systemctl(1)."""
        shown = self.run("systemctl", "show", unit, *(f"--property={name}" for name in properties)).stdout
        return dict(line.split("=", 1) for line in shown.splitlines())

    def journal(self, unit: str) -> str:
        """What the unit has logged."""
        return self.run("journalctl", *LOG_FORMAT, f"--unit={unit}").stdout

    def write(self, path: str, text: str) -> None:
        """Writes a file inside; not below /run and /tmp, which are mounted anew inside."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def wait(self, fact: Callable[[], bool], what: str, timeout: float = BOOT) -> None:
        """Waits until `fact` holds."""
        deadline = time.monotonic() + timeout
        while not fact():
            assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
            _pause(0.05)


def _pause(seconds: float) -> None:
    """The pause between two looks at another system that has no event for us."""
    import select

    select.select([], [], [], seconds)


@contextmanager
def booted(*shown: Path) -> Iterator[Machine]:
    """Boots a container, and removes it with all that is in it.

    Args:
        shown: directories to be seen inside, read-only, also if they are below /tmp, which is empty there.
    """
    with tempfile.TemporaryDirectory(prefix="limpet-", dir="/var/tmp") as directory:
        place = Path(directory)
        root, upper, work = (place / name for name in ("root", "upper", "work"))
        for path in (root, upper, work):
            path.mkdir()
        subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}", root],
            check=True,
        )
        try:
            with _nspawn(root, shown) as leader:
                machine = Machine(root, leader)
                machine.wait(lambda: _is_up(machine), "systemd is up")
                yield machine
                machine.run("systemctl", "poweroff", check=False)
        finally:
            subprocess.run(["umount", root], check=True)


@contextmanager
def _nspawn(root: Path, shown: tuple[Path, ...]) -> Iterator[int]:
    """systemd-nspawn over `root`; the pid of its init."""
    console = root.parent / "console"
    with (
        console.open("wb") as log,
        subprocess.Popen(
            [
                "systemd-nspawn",
                "--quiet",
                f"--directory={root}",
                "--boot",
                "--register=no",
                "--keep-unit",
                "--private-network",
                f"--machine=limpet-{secrets.token_hex(4)}",
                *(f"--bind-ro={path}" for path in shown),
                "systemd.unit=basic.target",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        ) as nspawn,
    ):
        try:
            yield _leader(nspawn, console)
            nspawn.wait(BOOT)
        finally:
            if nspawn.poll() is None:
                nspawn.kill()


def _leader(nspawn: "subprocess.Popen[bytes]", console: Path) -> int:
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
    deadline = time.monotonic() + BOOT
    while nspawn.poll() is None and time.monotonic() < deadline:
        for child in children.read_text().split():
            with suppress(OSError):  # it may have ended meanwhile
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
        _pause(0.02)
    pytest.fail(f"systemd-nspawn did not boot:\n{console.read_text(errors='replace')}")


def _is_up(machine: Machine) -> bool:
    return machine.run("systemctl", "is-system-running", check=False).stdout.strip() in (
        "running",
        "degraded",
    )
