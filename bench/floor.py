"""What every bench shares: the beacon, a node started from a limpet.toml, percentiles."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
ECHO = """
import asyncio
async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line)
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""
"""A server on asyncio that prints its port and answers each line with itself."""


def beacon(directory: Path) -> str:
    """The path of the compiled beacon; static if the libc allows."""
    path = directory / "beacon"
    for flags in (["-static"], []):
        done = subprocess.run(
            ["cc", "-O2", *flags, "-o", path, HERE / "beacon.c"], check=False, capture_output=True
        )
        if done.returncode == 0:
            return str(path)
    sys.exit("a C compiler is needed")


class Beacons:
    """The FIFO on which beacons tell their pid and the time of their first instruction."""

    def __init__(self, directory: Path) -> None:
        self.path = str(directory / "beacons")
        os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        self.buffer = b""

    def read(self, timeout: float = 20.0) -> tuple[int, float]:
        """The next beacon: pid, monotonic seconds."""
        while b"\n" not in self.buffer:
            if not select.select([self.fd], [], [], timeout)[0]:
                raise TimeoutError
            self.buffer += os.read(self.fd, 65536)
        line, _newline, self.buffer = self.buffer.partition(b"\n")
        pid, nanoseconds = line.split()
        return int(pid), int(nanoseconds) / 1e9


@contextlib.contextmanager
def workplace():
    """A directory on tmpfs if there is one."""
    base = "/dev/shm" if os.path.isdir("/dev/shm") else None
    directory = Path(tempfile.mkdtemp(prefix="lb", dir=base))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def node(directory: Path, toml: str, verb: str = "start"):
    """A node of that configuration in the foreground, its output thrown away."""
    (directory / "limpet.toml").write_text('name = "bench"\nversion = "1.0.0"\n' + toml)
    env = {key: value for key, value in os.environ.items() if not key.startswith(("RELEASE_", "LIMPET_"))}
    env["RELEASE_TMP"] = str(directory / "run")
    process = subprocess.Popen(
        [os.path.join(os.path.dirname(sys.executable), "limpet"), verb],
        cwd=directory,
        env=env,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def control(directory: Path) -> str:
    """Path of the node's control socket."""
    return str(directory / "run" / "bench" / "control.sock")


def wait_control(directory: Path, timeout: float = 20.0) -> None:
    """Waits until the control socket accepts."""
    import socket

    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.connect(control(directory))
            return
        time.sleep(0.0005)
    raise TimeoutError


def percentile(values: list[float], part: float) -> float:
    """The value below which `part` of the values are."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def row(name: str, *figures: object) -> None:
    """A line of a table."""
    print(
        f"{name:34}",
        *(f"{figure:>10}" if isinstance(figure, str) else f"{figure:10.2f}" for figure in figures),
    )


def pss(pid: int) -> float:
    """Proportional memory of a process, MiB."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0
