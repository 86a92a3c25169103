"""What an open observer costs: bytes to the terminal at each refresh; CPU of itself, its node, a process.

python bench/observer.py [seconds a page] [processes]
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from floor import node, row, wait_control, workplace

LIMPET = os.path.join(os.path.dirname(sys.executable), "limpet")
PAGES = ("System", "Processes", "Tasks", "Memory", "Logs", "Events", "Health", "Metrics", "Lints")
SIZES = ((80, 24), (200, 60))
APP = """
import asyncio, random

async def work():
    while True:
        await asyncio.sleep(1 + random.random())

async def main():
    await asyncio.gather(*(work() for _ in range(100)))

asyncio.run(main())
"""


def cpu(pid: int) -> float:
    """CPU seconds of a process."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Watched:
    """The observer on a terminal of its own; what it writes is counted."""

    def __init__(
        self, arguments: list[str], environ: dict[str, str], size: tuple[int, int], where: Path
    ) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.process = subprocess.Popen(
            arguments, stdin=slave, stdout=slave, stderr=slave, cwd=where, start_new_session=True,
            env={**environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"},
        )  # fmt: skip
        os.close(slave)

    def read(self, seconds: float) -> list[int]:
        """Bytes of each burst that comes within that time."""
        bursts, last, end = [], 0.0, time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.master], [], [], left)[0]:
                break
            try:
                data = os.read(self.master, 65536)
            except OSError:  # EIO: it has left
                break
            if b"\x1b[6n" in data:
                os.write(self.master, b"\x1b[1;1R")
            now = time.monotonic()
            if bursts and now - last < 0.1:
                bursts[-1] += len(data)
            else:
                bursts.append(len(data))
            last = now
        return bursts

    def close(self) -> None:
        os.write(self.master, b"q")
        self.read(0.5)
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        os.close(self.master)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    toml = f"""
[processes.web]
command = ["{sys.executable}", "app.py"]
[processes.worker]
command = ["sleep", "100000"]
instances = {count - 1}
"""
    print(
        f"{count} processes, one of them an asyncio application with 100 tasks; "
        f"refreshed every 2s, {seconds:g}s a page\n"
    )
    row("page", "size", "bytes p50", "bytes max", "bytes/s", "observer %", "node %", "app %")
    with workplace() as place:
        (place / "app.py").write_text(APP)
        with node(place, toml) as running:
            wait_control(place)
            environ = {**os.environ, "RELEASE_TMP": str(place / "run")}
            time.sleep(2)
            status = subprocess.run(
                [LIMPET, "status"], cwd=place, env=environ, capture_output=True, text=True, check=True
            ).stdout
            app = int(re.search(r"web\.1\t\S+\t\S+\t(\d+)", status)[1])
            for size in SIZES:
                for number, page in enumerate(PAGES[:2] if count > 100 else PAGES):
                    arguments = [LIMPET, "observer", "--page", page, "--color", "always"]
                    watched = Watched(arguments, environ, size, place)
                    watched.read(5)
                    pids = (watched.process.pid, running.pid, app)
                    before = [cpu(pid) for pid in pids]
                    bursts = watched.read(seconds) or [0]
                    spent = [
                        100 * (cpu(pid) - then) / seconds for pid, then in zip(pids, before, strict=True)
                    ]
                    bursts.sort()
                    figures = (bursts[len(bursts) // 2], bursts[-1], round(sum(bursts) / seconds))
                    shares = (f"{each:.2f}" for each in spent)
                    row(f"{number + 1} {page}", f"{size[0]}x{size[1]}", *map(str, figures), *shares)
                    watched.close()


if __name__ == "__main__":
    main()
