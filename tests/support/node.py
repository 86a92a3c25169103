"""Real nodes for tests: started from a limpet.toml in a directory of their own, and gone afterwards."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from limpet_supervisor.client import Client
from limpet_supervisor.client.directory import RunDirectory
from limpet_supervisor.model.status import Event, ProcessStatus
from limpet_supervisor.runtime import procfs
from limpet_supervisor.wire import messages as m

BOUND = 30.0
"""Seconds that anything may take before a test gives up."""
MARK = "LIMPET_TEST"
"""Environment variable that everything below a test's node carries."""
PYTHON = sys.executable


class Node:
    """A node that runs (or has run) in the foreground, as a child of the test."""

    def __init__(self, directory: Path, environ: dict[str, str]) -> None:
        self.directory = directory
        self.environ = environ
        self.process: subprocess.Popen[bytes] | None = None
        self.through: list[str] = []
        """What its command is run by, keeping the pid: `strace -D …`."""
        self.lines: list[str] = []
        self._reader: threading.Thread | None = None

    @property
    def run(self) -> RunDirectory:
        """Its run directory."""
        return RunDirectory(str(self.directory / "run" / "node"), "the test's")

    @property
    def pid(self) -> int:
        """The node's pid."""
        assert self.process is not None
        return self.process.pid

    @property
    def output(self) -> str:
        """All that it has printed so far."""
        return "\n".join(self.lines)

    def limpet(
        self, *arguments: str, timeout: float = BOUND, **options: Any
    ) -> "subprocess.CompletedProcess[str]":
        """Runs the `limpet` command beside it."""
        return subprocess.run(
            [PYTHON, "-m", "limpet_shell", *arguments],
            cwd=self.directory,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **options,
        )

    def start(self) -> "Node":
        """Starts it (again)."""
        self.process = subprocess.Popen(
            [*self.through, PYTHON, "-m", "limpet_shell", "start"],
            cwd=self.directory,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()
        return self

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip("\n"))

    def client(self) -> Client:
        """A client, as soon as the control socket is there; AssertionError if the node ends before."""
        assert self.process is not None
        deadline = time.monotonic() + BOUND
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the node ended with {self.process.returncode}:\n{self.output}")
            if os.path.exists(self.run.control):
                with contextlib.suppress(OSError, Exception):
                    return Client(self.run.control)
            select_for(0.01)
        raise AssertionError(f"no control socket:\n{self.output}")

    def wait_ready(self) -> "Node":
        """Waits until every process is ready."""
        self.wait_event("node_ready")
        return self

    def wait_event(self, kind: str, process: str = "", *, text: str = "", count: int = 1) -> Event:
        """The `count`th lifecycle event of this kind (of this process, with this text), past or to come."""
        with self.client() as client:
            stream = client.stream(m.Events(last=1000, follow=True), timeout=BOUND)
            seen = 0
            for answer in stream:
                if isinstance(answer, m.EventItem):
                    event = answer.event
                    if event.kind == kind and process in ("", event.process) and text in event.text:
                        seen += 1
                        if seen == count:
                            stream.close()
                            return event
        raise AssertionError(f"no event {kind} {process}:\n{self.output}")

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Waits until `is_so` says so: for what sends no event."""
        deadline = time.monotonic() + BOUND
        while not is_so():
            assert time.monotonic() < deadline, f"not within {BOUND:g}s:\n{self.output}"
            select_for(0.01)

    def wait_pid(self, name: str) -> int:
        """The pid of an instance, as soon as it has one."""
        self.wait_for(lambda: self.status()[name].pid is not None)
        return self.status()[name].pid or 0

    def status(self, *names: str) -> dict[str, ProcessStatus]:
        """The status of its processes, by name."""
        with self.client() as client:
            reply: m.StatusReply = client.request(m.Status(names=names), timeout=BOUND)
        return {process.name: process for process in reply.processes}

    def request(self, request: m.Request) -> Any:
        """One request, answered."""
        with self.client() as client:
            return client.request(request, timeout=BOUND)

    def wait(self) -> int:
        """Waits for its end; its exit code."""
        assert self.process is not None
        code = self.process.wait(BOUND)
        if self._reader is not None:
            self._reader.join(BOUND)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def stop(self) -> int:
        """Stops it by TERM; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def descendants(self) -> list[int]:
        """Every living process that carries this node's mark, the node itself left out."""
        return [pid for pid in marked(self.environ[MARK]) if self.process is None or pid != self.process.pid]


def select_for(seconds: float) -> None:
    """Gives way while something that has no event of its own comes up; always inside a bounded loop."""
    import select

    select.select([], [], [], seconds)


def marked(mark: str) -> list[int]:
    """Every living process whose environment has MARK=mark."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and procfs.environ(int(entry), MARK) == mark:
            facts = procfs.stat(int(entry))
            if facts is not None and facts.state not in "ZX":
                found.append(int(entry))
    return found


@contextlib.contextmanager
def node(
    toml: str, *, files: dict[str, str] | None = None, environ: dict[str, str] | None = None
) -> Iterator[Node]:
    """A node of that configuration, not started yet; at the end nothing of it may be left running."""
    directory = Path(tempfile.mkdtemp(prefix="lp"))
    try:
        (directory / "limpet.toml").write_text('name = "node"\nversion = "1.0.0"\n' + toml)
        for name, content in (files or {}).items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        keep = {
            key: value for key, value in os.environ.items() if not key.startswith(("RELEASE_", "LIMPET_"))
        }
        keep.pop("NOTIFY_SOCKET", None)
        env = {**keep, "RELEASE_TMP": str(directory / "run"), MARK: directory.name, **(environ or {})}
        made = Node(directory, env)
        try:
            yield made
        finally:
            _end(made)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def running(toml: str, **options: Any) -> Iterator[Node]:
    """A node of that configuration whose processes are all ready."""
    with node(toml, **options) as made:
        made.start().wait_ready()
        yield made


def _end(made: Node) -> None:
    """Stops the node if it runs. What it leaves behind is ended, and a failure unless it was killed."""
    process = made.process
    killed = False
    if process is not None:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(BOUND)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(BOUND)
        killed = process.returncode == -signal.SIGKILL
        made.wait()
    left = marked(made.environ[MARK])
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert killed or not left, f"left running: {left}\n{made.output}"
