"""The ground a node stands on: its directory locked, what a crash has left cleared, the agent laid out.

pid          the node's pid; locked while it lives
control.sock, agent.sock
processes/   the durable state, a file a process
output/      FIFOs, and notes of what is in hand
notify/      sockets of processes that send READY=1
log/         output, rotated; the node's own log is log/limpet.log in the background
blackbox/    what processes were doing when they had to be killed
python/      what PYTHONPATH of the processes names: the agent and nothing else
values.json  the run-time configuration, 0600
failure      when and why the last node here failed
"""

import fcntl
import importlib.util
import os
import signal
import stat
import time
from contextlib import suppress
from typing import Final

from limpet_supervisor.client.directory import RunDirectory, make
from limpet_supervisor.errors import BootFailed
from limpet_supervisor.runtime import procfs
from limpet_supervisor.runtime.store import Store

_PASSABLE: Final = stat.S_IRWXU | stat.S_IXGRP | stat.S_IXOTH
"""Others may pass through, and see nothing."""
_LEFTOVER_GRACE: Final = 10.0
"""Seconds that processes of a node that was killed have to end."""


class Ground:
    """A node's directory, held by this process.

    Raises:
        BootFailed: another node holds it; names its pid.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory
        # Race: a node that leaves may remove the file between our open and our lock: that locks nothing.
        while not _is_at(self._lock(), directory.pid_file):
            os.close(self._pid_fd)
        # Guarantee: a cleaner of /tmp leaves alone what is below a locked directory (tmpfiles.d(5)); it would
        # take FIFOs and the pid file after ten days.
        self._locked = [_locked(path) for path in {directory.path, directory.sockets}]
        os.ftruncate(self._pid_fd, 0)
        os.pwrite(self._pid_fd, b"%d\n" % os.getpid(), 0)
        for name in ("processes", "output", "notify"):
            os.makedirs(f"{directory.path}/{name}", mode=0o700, exist_ok=True)
        self.store = Store(f"{directory.path}/processes")
        self._held: list[int] = []
        self._for_others = False
        self._short = ""
        """The directory of sockets whose names are too long for this one; empty: not needed so far."""

    def _lock(self) -> int:
        self._pid_fd = os.open(self.directory.pid_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._pid_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(self._pid_fd, 32).decode(errors="replace").strip()
            os.close(self._pid_fd)
            raise BootFailed(
                "A node runs here already",
                f"pid {pid} holds {self.directory.path}",
                "stop it, or set RELEASE_NODE",
            ) from None
        return self._pid_fd

    def clear(self) -> list[str]:
        """Removes what a node that crashed here has left; returns what was done, for its log.

        Its processes still run: they are ended first, for no process may ever run twice.
        """
        said = []
        alive: dict[int, str] = {}
        for record in self.store.records():
            if procfs.start_time(record.pid) == record.start_time:
                # What it has said and nobody has read lives as long as someone holds its FIFO.
                with suppress(OSError):
                    self._held.append(os.open(record.output, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
                for pid in (record.pid, *procfs.descendants_of(record.name, record.pid, os.getpid())):
                    alive[pid] = record.name
        if os.path.exists(self.directory.agents):
            # Whoever got away from its process has no parent of ours, and no record: its environment tells.
            for pid in procfs.marked("LIMPET_RUN", self.directory.path):
                alive.setdefault(pid, procfs.marker(pid) or procfs.command(pid))
        if alive:
            names = ", ".join(dict.fromkeys(alive.values()))
            said.append(f"an earlier node was killed and has left {names} running: ending them")
            _end(list(alive))
        self.store.clear()  # not before: should we be killed meanwhile, the next node has to find them
        self._remove_sockets_and_values()
        with suppress(FileNotFoundError):
            os.unlink(self.directory.failure)
        for entry in os.listdir(f"{self.directory.path}/notify"):
            os.unlink(f"{self.directory.path}/notify/{entry}")
        return said

    def leave_failure(self, why: str) -> None:
        """Says why this node failed to whoever asks when it is gone; the next node here clears it."""
        with suppress(OSError), open(self.directory.failure, "w", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}, {why}\n")

    def let_go(self) -> None:
        """The output of an earlier node's processes is in the hands of this one's."""
        for fd in self._held:
            os.close(fd)
        self._held.clear()

    def notify(self, instance: str) -> str:
        """Path of the socket to which an instance sends READY=1; its directory is there.

        Raises:
            OSError: it cannot be made.
        """
        path = self.directory.notify(instance)
        if not self._short and not path.startswith(f"{self.directory.path}/"):
            self._short = self.directory.short
            make(self._short)
            self._locked.append(_locked(self._short))
            if self._for_others:
                _let_others_pass(self._short)
            for entry in os.listdir(self._short):  # of a node that was killed
                if entry.startswith("notify-"):
                    os.unlink(f"{self._short}/{entry}")
        return path

    def lay_out_agent(self, *, for_others: bool) -> str:
        """The directory for PYTHONPATH: the agent's `sitecustomize` and the `limpet` package, as links.

        Args:
            for_others: processes run as other users, who must be able to enter.
        """
        path = f"{self.directory.path}/python"
        os.makedirs(path, mode=0o755, exist_ok=True)
        package = agent_package()
        links = {"limpet": package, "sitecustomize.py": f"{package}/inject/sitecustomize.py"}
        for name, target in links.items():
            with suppress(FileNotFoundError):
                os.unlink(f"{path}/{name}")
            os.symlink(target, f"{path}/{name}")
        if for_others:
            self._for_others = True
            for passed in {self.directory.path, self.directory.sockets}:
                _let_others_pass(passed)
            for name in ("output", "notify"):
                os.chmod(f"{self.directory.path}/{name}", _PASSABLE)
        return path

    def leave(self) -> None:
        """Removes what only a running node has; logs and black boxes stay."""
        path = self.directory.path
        with suppress(OSError):  # what is in the way now was in the way before
            self._remove_sockets_and_values()
        self.store.clear()
        for name in ("processes", "output", "notify"):
            with suppress(OSError):
                os.rmdir(f"{path}/{name}")
        for name in ("limpet", "sitecustomize.py"):
            with suppress(OSError):
                os.unlink(f"{path}/python/{name}")
        with suppress(OSError):
            os.rmdir(f"{path}/python")
        with suppress(FileNotFoundError):
            os.unlink(self.directory.pid_file)
        for fd in (self._pid_fd, *self._locked):
            os.close(fd)

    def _remove_sockets_and_values(self) -> None:
        path = self.directory.path
        values: list[str] = []
        with suppress(FileNotFoundError):  # a cleaner of /tmp may have been here
            values = [f"{path}/{entry}" for entry in os.listdir(path) if entry.startswith("values")]
        for name in (self.directory.control, self.directory.agents, *values):
            with suppress(FileNotFoundError):
                os.unlink(name)


def _locked(directory: str) -> int:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def _let_others_pass(directory: str) -> None:
    """To what is below a directory of ours; below the one in /tmp that is the user's, that one too."""
    os.chmod(directory, _PASSABLE)
    parent = os.path.dirname(directory)
    if parent.startswith("/tmp/limpet-"):
        os.chmod(parent, _PASSABLE)


def _is_at(descriptor: int, path: str) -> bool:
    """Whether the open file is the one at the path."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def agent_package() -> str:
    """Where the agent's package is; it is data to us, and never imported here.

    Raises:
        BootFailed: it is not installed.
    """
    spec = importlib.util.find_spec("limpet")
    if spec is None or spec.origin is None:
        raise BootFailed("The agent is not installed", "there is no package limpet", "install limpet again")
    return os.path.dirname(spec.origin)


def _end(pids: list[int]) -> None:
    """Ends processes that are nobody's any more: TERM, then KILL."""
    pidfds = {}
    for pid in pids:
        with suppress(OSError):
            pidfds[pid] = os.pidfd_open(pid)
    import select

    for number, wait in ((signal.SIGTERM, _LEFTOVER_GRACE), (signal.SIGKILL, _LEFTOVER_GRACE)):
        for pidfd in pidfds.values():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, number)
        deadline = time.monotonic() + wait
        for pid, pidfd in list(pidfds.items()):
            poll = select.poll()
            poll.register(pidfd, select.POLLIN)
            if poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                os.close(pidfds.pop(pid))
    for pidfd in pidfds.values():
        os.close(pidfd)
