"""Where a node keeps its control socket and its state.

The first that serves: RELEASE_TMP, RUNTIME_DIRECTORY (systemd.exec(5)), XDG_RUNTIME_DIR, RELEASE_ROOT/tmp,
/tmp/limpet-UID. A client also looks where the generated systemd unit puts it, /run/limpet/NODE.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Mapping
from typing import Final, NamedTuple

from limpet_supervisor.errors import NotPermitted

MAX_SOCKET_PATH: Final = 107
"""Bytes of sun_path without its final zero, unix(7)."""
_LONGEST_SOCKET: Final = "/control.sock"


class Candidate(NamedTuple):
    """A place where the node may live, and why it is considered."""

    path: str
    why: str


class RunDirectory(NamedTuple):
    """A node's directory: state, FIFOs, logs; and the (maybe shorter) one of its sockets."""

    path: str
    why: str

    @property
    def sockets(self) -> str:
        """Where the sockets are: here, or in a short hashed directory if their paths would be too long."""
        return self.path if _fits(self.path + _LONGEST_SOCKET) else self.short

    @property
    def short(self) -> str:
        """The hashed directory of sockets whose paths below this one would be too long."""
        return f"/tmp/limpet-{os.getuid()}/{_hashed(self.path)}"

    @property
    def control(self) -> str:
        """Path of the control socket."""
        return f"{self.sockets}/control.sock"

    @property
    def agents(self) -> str:
        """Path of the socket that agents dial."""
        return f"{self.sockets}/agent.sock"

    def notify(self, instance: str) -> str:
        """Path of the socket to which an instance sends READY=1; a short one if it would be too long."""
        path = f"{self.path}/notify/{instance}.sock"
        return path if _fits(path) else f"{self.short}/notify-{_hashed(instance)}.sock"

    @property
    def pid_file(self) -> str:
        """Path of the file that names the node's pid and is locked while it lives."""
        return f"{self.path}/pid"

    @property
    def failure(self) -> str:
        """Path of the file that says when and why the last node here failed; none if it was stopped."""
        return f"{self.path}/failure"

    @property
    def logs(self) -> str:
        """Directory of the processes' log files (LOGS_DIRECTORY of systemd.exec(5), if set)."""
        return os.environ.get("LOGS_DIRECTORY", "").partition(":")[0] or f"{self.path}/log"


def _fits(path: str) -> bool:
    return len(os.fsencode(path)) <= MAX_SOCKET_PATH


def _hashed(text: str) -> str:
    from hashlib import sha256

    return sha256(os.fsencode(text)).hexdigest()[:16]


def candidates(
    node: str, environ: Mapping[str, str] | None = None, *, uid: int | None = None
) -> list[Candidate]:
    """The places for a node of that name, best first."""
    env = os.environ if environ is None else environ
    found = []
    if tmp := env.get("RELEASE_TMP"):
        found.append(Candidate(f"{os.path.abspath(tmp)}/{node}", "RELEASE_TMP is set"))
    if runtime := env.get("RUNTIME_DIRECTORY", "").partition(":")[0]:
        found.append(Candidate(runtime, "RUNTIME_DIRECTORY is set by systemd"))
    if xdg := env.get("XDG_RUNTIME_DIR"):
        found.append(Candidate(f"{xdg}/limpet/{node}", "XDG_RUNTIME_DIR is set"))
    if root := env.get("RELEASE_ROOT"):
        found.append(Candidate(f"{os.path.abspath(root)}/tmp/{node}", "the release's own tmp"))
    user = os.getuid() if uid is None else uid
    found.append(Candidate(f"/tmp/limpet-{user}/{node}", "nothing better is set"))
    return found


def places(node: str, environ: Mapping[str, str] | None = None) -> list[Candidate]:
    """Where a client looks for a node of that name: the candidates, and the systemd unit's directory.

    A RELEASE_TMP that is there is the only one: who sets it means no other node of that name.
    """
    env = os.environ if environ is None else environ
    found = candidates(node, env)
    if os.path.isdir(env.get("RELEASE_TMP") or "/nonexistent"):
        return found[:1]
    return [*found, Candidate(f"/run/limpet/{node}", "the generated systemd unit's")]


def find(node: str, environ: Mapping[str, str] | None = None) -> tuple[RunDirectory | None, list[Candidate]]:
    """The directory in which a node of that name has a control socket now, and all places looked at."""
    looked = places(node, environ)
    for place in looked:
        directory = RunDirectory(*place)
        if os.path.exists(directory.control):
            return directory, looked
    return None, looked


def pid_of(path: str) -> int | None:
    """The pid in the pid file of the run directory `path`, if a process of that pid lives.

    A zombie does not: one whose parent never asks for it, as in a container, would be there for ever.
    """
    try:
        with open(f"{path}/pid") as file:
            pid = int(file.read())
        os.kill(pid, 0)
    except PermissionError:
        return pid or None
    except (OSError, ValueError):
        return None
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return None if file.read().rpartition(b") ")[2].startswith((b"Z", b"X")) else pid
    except OSError:  # /proc is hidden (hidepid), or the process has gone just now
        return pid


def prepare(node: str, environ: Mapping[str, str] | None = None) -> RunDirectory:
    """Makes the first directory that serves, owned by us with mode 0700, and its sockets' directory.

    Raises:
        NotPermitted: none of the candidates can be made or is ours.
    """
    failed = []
    for place in candidates(node, environ):
        directory = RunDirectory(*place)
        try:
            make(directory.path)
            if directory.sockets != directory.path:
                make(directory.sockets)
        except OSError as error:
            failed.append(f"{place.path}: {error.strerror}")
            continue
        return directory
    raise NotPermitted("No directory for the node's state can be made", "; ".join(failed), "set RELEASE_TMP")


def make(path: str) -> None:
    """A directory of ours that nobody else may enter; /tmp is shared, so owner and type are checked.

    Raises:
        OSError: it cannot be.
    """
    parent = os.path.dirname(path)
    private_parent = parent.startswith("/tmp/limpet-")
    os.makedirs(parent, mode=0o700, exist_ok=True)
    if private_parent:
        _check(parent)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, mode=0o700)
    _check(path)


def _check(path: str) -> None:
    info = os.lstat(path)
    if not stat.S_ISDIR(info.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "is not a directory")
    if info.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, f"belongs to uid {info.st_uid}")
    if info.st_mode & 0o022:
        os.chmod(path, 0o700)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "cannot be written")
