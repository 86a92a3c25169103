"""An Output on a loop of the test's own, and processes that write into its FIFOs."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from limpet_supervisor.model.spec import Log
from limpet_supervisor.model.units import Size
from limpet_supervisor.runtime.output import Output
from limpet_supervisor.runtime.reactor import Reactor
from support.loop import turn_until


class Rig:
    """An Output with its loop and directories."""

    def __init__(
        self, directory: Path, *, stdout: int | None = None, color: bool = False, most: int = 0
    ) -> None:
        self.logs = directory / "log"
        self.fifos = directory / "fifo"
        self.fifos.mkdir(exist_ok=True)
        self.reactor = Reactor()
        self.output = Output(
            self.reactor, str(self.fifos), str(self.logs), stdout=stdout, color=color, most=most
        )
        self.processes: list[subprocess.Popen[bytes]] = []

    def open(self, name: str = "web.1", **options: object) -> str:
        """The FIFO of a process with such log options."""
        if isinstance(size := options.get("max_bytes"), int):
            options["max_bytes"] = Size(size)
        return self.output.open(name, Log(**options))  # type: ignore[arg-type]

    def spawn(self, code: str, *arguments: object, name: str = "web.1") -> subprocess.Popen[bytes]:
        """A Python process whose stdout and stderr are the FIFO of `name`, held for reading and writing."""
        fifo = os.open(self.output.fifo(name), os.O_RDWR)
        command = [sys.executable, "-c", code, *map(str, arguments)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=fifo, stderr=fifo)
        os.close(fifo)
        self.processes.append(process)
        return process

    def until(self, condition: Callable[[], object]) -> None:
        """Runs the loop until the condition holds."""
        turn_until(self.reactor, condition)

    def settle(self, name: str = "web.1") -> tuple[str, ...]:
        """Everything that was written is in the file now; the last lines."""
        found: list[tuple[str, ...]] = []
        self.output.settled(name, found.append)
        self.until(lambda: found)
        return found[0]

    def run(self, code: str, *arguments: object, name: str = "web.1") -> tuple[str, ...]:
        """Spawns, waits for the end (with the loop running), settles."""
        process = self.spawn(code, *arguments, name=name)
        self.until(lambda: process.poll() is not None)
        return self.settle(name)

    def write(self, data: bytes, name: str = "web.1") -> None:
        """Writes as a process would, from here; at most what a pipe holds."""
        fd = os.open(self.output.fifo(name), os.O_RDWR)
        os.write(fd, data)
        os.close(fd)

    def file(self, name: str = "web.1") -> bytes:
        """What its file holds."""
        return (self.logs / f"{name}.log").read_bytes()

    def all_files(self, name: str = "web.1") -> list[bytes]:
        """Its backups and its file, the oldest first."""
        paths = sorted(
            self.logs.glob(f"{name}.log.*"), key=lambda path: int(path.name.rpartition(".")[2]), reverse=True
        )
        return [path.read_bytes() for path in (*paths, self.logs / f"{name}.log")]


@contextlib.contextmanager
def rig(directory: Path, **options: object) -> Iterator[Rig]:
    """A Rig that leaves nothing behind."""
    made = Rig(directory, **options)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        for process in made.processes:
            process.kill()
            process.wait()
            if process.stdin is not None:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
        made.output.shutdown()
        made.reactor.close()
