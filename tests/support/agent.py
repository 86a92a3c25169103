"""The daemon's end of the agent socket, by hand, and real interpreters that carry the agent."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from limpet_supervisor.daemon.bundle import modules
from limpet_supervisor.wire import agent as wire

BOUND = 30.0
"""Seconds that anything may take before a test gives up."""
SOURCES = Path(__file__).parents[2] / "agent" / "limpet"


def bundle() -> bytes:
    """Stage 1 as the daemon sends it."""
    return wire.bundle(modules(str(SOURCES / "stage1")))


class Peer:
    """One agent's connection, from the daemon's side."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.settimeout(BOUND)
        self._splitter = wire.Splitter()
        self._frames: list[bytes] = []
        self._requests = 0
        self._answers: dict[int, list[wire.AgentAnswer]] = {}
        self.hello = wire.decode_hello(self.frame())

    def frame(self) -> bytes:
        """The next frame; EOFError at the end of the stream."""
        while not self._frames:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self._frames = self._splitter.feed(data)
        return self._frames.pop(0)

    def closed(self) -> bool:
        """Waits for the end of the stream."""
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                self.frame()
        return True

    def load(self) -> "Peer":
        """Sends stage 1."""
        self.socket.sendall(bundle())
        return self

    def send(self, op: str, **fields: Any) -> int:
        """Sends a request; its id."""
        self._requests += 1
        self.socket.sendall(wire.encode({"id": self._requests, "op": op, **fields}))
        return self._requests

    def answer(self, request: int) -> wire.AgentAnswer:
        """The next answer (item or reply) to `request`."""
        waiting = self._answers.setdefault(request, [])
        while not waiting:
            found = wire.decode_answer(self.frame())
            self._answers.setdefault(found.id, []).append(found)
        return waiting.pop(0)

    def reply(self, request: int) -> tuple[wire.AgentAnswer, str, str]:
        """The final reply to `request`, and what came on stdout and stderr before it."""
        printed = {"stdout": "", "stderr": ""}
        while True:
            found = self.answer(request)
            if found.re:
                return found, printed["stdout"], printed["stderr"]
            if found.item == "output":
                printed[found.stream] += found.text

    def ask(self, op: str, **fields: Any) -> wire.AgentAnswer:
        """Sends a request and waits for its final reply."""
        return self.reply(self.send(op, **fields))[0]

    def evaluate(
        self, source: str, session: str = "s1", timeout: float | None = BOUND
    ) -> tuple[wire.AgentAnswer, str, str]:
        """Evaluates and waits: the reply, stdout, stderr."""
        return self.reply(self.send("evaluate", session=session, source=source, timeout=timeout))

    def value(self, source: str, session: str = "s1") -> Any:
        """The value's text of a source that must succeed."""
        found = self.evaluate(source, session)[0]
        assert found.ok, found.error
        return found.value


class Child:
    """A process with the agent's environment."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.pid = process.pid

    def finish(self, data: bytes = b"") -> tuple[int, str, str]:
        """Exit code, stdout and stderr after `data` and the end of its standard input."""
        out, err = self.process.communicate(data, timeout=BOUND)
        return self.process.returncode, out.decode(), err.decode()

    def say(self, line: str) -> None:
        """Writes a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """Its next line on stdout."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().rstrip("\n")


class Daemon:
    """A listener, the directory for PYTHONPATH, and the children it started."""

    def __init__(self, directory: Path, python: str) -> None:
        self.directory = directory
        self.python = _bare(python, directory)
        self.path = directory / "a.sock"
        self.children: list[Child] = []
        self.peers: list[Peer] = []
        self.listener = self._listen()
        injected = directory / "python"
        injected.mkdir()
        (injected / "sitecustomize.py").symlink_to(SOURCES / "inject" / "sitecustomize.py")
        (injected / "limpet").symlink_to(SOURCES)
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(directory),
            "PYTHONPATH": str(injected),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LIMPET_AGENT": str(self.path),
            "LIMPET_PROCESS": "web.1",
        }

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.path))
        listener.listen(64)
        listener.settimeout(BOUND)
        return listener

    def start(self, *arguments: str, environment: dict[str, str] | None = None, **options: Any) -> Child:
        """A Python process with `arguments`."""
        process = subprocess.Popen(
            [self.python, *arguments],
            env={**self.environment, **(environment or {})},
            cwd=options.pop("cwd", self.directory),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )
        child = Child(process)
        self.children.append(child)
        return child

    def code(self, source: str, *arguments: str, **options: Any) -> Child:
        """A Python process that runs `source` from a file in its directory."""
        file = self.directory / f"app{len(self.children)}.py"
        file.write_text(source)
        return self.start(*arguments, str(file), **options)

    def accept(self) -> Peer:
        """The next agent that dials."""
        peer = Peer(self.listener.accept()[0])
        self.peers.append(peer)
        return peer

    def accept_pid(self, pid: int) -> Peer:
        """The connected agent of that pid."""
        while True:
            for peer in self.peers:
                if peer.hello.pid == pid:
                    return peer
            self.accept()

    def vanish(self) -> None:
        """Closes listener and connections and removes the socket, as a daemon that was killed."""
        self.listener.close()
        self.path.unlink(missing_ok=True)
        for peer in self.peers:
            peer.socket.close()
        self.peers.clear()

    def listen(self) -> None:
        """Listens again, after `vanish`."""
        self.listener = self._listen()

    def close(self) -> None:
        """Ends every child and closes everything."""
        for child in self.children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL) if _leads(child.pid) else child.process.kill()
            child.process.communicate()
        self.vanish()


def _leads(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(pid) == pid
    return False


def _bare(python: str, directory: Path) -> str:
    """The interpreter with site-packages of its own, empty ones: nothing loads modules before we look."""
    venv = directory / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").write_text(f"home = {Path(python).parent}\n")
    (venv / "bin" / "python").symlink_to(python)
    return str(venv / "bin" / "python")


@contextlib.contextmanager
def daemon(python: str) -> Iterator[Daemon]:
    """A Daemon in a short temporary directory."""
    directory = Path(tempfile.mkdtemp(prefix="lm-"))
    made = Daemon(directory, python)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(directory)


def until(condition: Any, what: str) -> None:
    """Waits for a condition that no event announces."""
    end = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(0.005)


MINORS = (11, 12, 13)


def interpreter(minor: int) -> str | None:
    """A real CPython 3.MINOR of this machine; None if there is none."""
    if sys.version_info[:2] == (3, minor):
        return os.path.realpath(sys.executable)
    homes = (Path.home() / ".pyenv/versions", Path.home() / ".local/share/uv/python")
    for home in homes:
        for found in sorted(home.glob(f"*3.{minor}.*/bin/python3.{minor}")):
            return str(found)
    named = shutil.which(f"python3.{minor}", path="/usr/local/bin:/usr/bin")
    return os.path.realpath(named) if named else None
