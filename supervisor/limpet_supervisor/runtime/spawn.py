"""Starting a process: one posix_spawn, with everything that it needs worked out beforehand.

What posix_spawn cannot do (directory, umask, limits, priority, user, LISTEN_PID) is done by standard
programs that exec each other and keep the pid: sh, nice, prlimit, setpriv. Never a fork of our interpreter.
"""

import errno
import grp
import json
import os
import pwd
import shlex
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from limpet_supervisor.model.spec import NodeSpec, ProcessSpec

FIRST_SOCKET: Final = 3
"""SD_LISTEN_FDS_START, sd_listen_fds(3)."""
_OURS: Final = frozenset(
    {
        "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
        "INVOCATION_ID", "JOURNAL_STREAM", "MAINPID", "FDSTORE",
        "RELEASE_COOKIE", "LIMPET_PROCESS", "LIMPET_INSTANCE", "LIMPET_AGENT", "LIMPET_CONFIG", "LIMPET_NODE",
        "LIMPET_RUN", "LIMPET_HEALTH", "LIMPET_OTLP",
    }
)  # fmt: skip
"""Variables that speak of the daemon itself, or that it sets."""
_DEFAULTED: Final = tuple(
    getattr(signal, name)
    for name in ("SIGPIPE", "SIGXFSZ", "SIGCHLD", "SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2")
)
"""Signals whose handling Python or the daemon has changed."""


class Launch(NamedTuple):
    """All that a spawn needs."""

    path: str
    argv: tuple[str, ...]
    environ: dict[str, str]
    actions: tuple[Any, ...]


class Surroundings(NamedTuple):
    """What every process of the node shares."""

    environ: Mapping[str, str]
    """The daemon's environment, without what speaks of the daemon."""
    directory: str
    python: str
    run: str
    """The node's run directory: by it a successor knows what is left of a node that was killed."""
    sockets: tuple[tuple[str, int], ...]
    """Name and descriptor of each listening socket."""
    agents: str
    """Path of the agents' socket."""
    injection: str
    """Directory for PYTHONPATH: brings the agent and `limpet`, and nothing else. Empty in a built release,
    whose own packages bring them."""
    values: str
    """Path of the run-time configuration's values; empty if there is none."""


def inherited(environ: Mapping[str, str], node: NodeSpec) -> dict[str, str]:
    """The environment that every process starts from; its Python's own commands come first in PATH."""
    env = {key: value for key, value in environ.items() if key not in _OURS}
    directory = os.path.dirname(node.python)
    if node.release_root or os.path.exists(f"{directory}/../pyvenv.cfg"):
        if not node.release_root:
            env["VIRTUAL_ENV"] = os.path.dirname(directory)
        env["PATH"] = f"{directory}:{env.get('PATH', os.defpath)}"
    env.setdefault("PYTHONUNBUFFERED", "1")  # the last lines before a death are the ones that matter
    env["LIMPET_NODE"] = node.name
    env["LIMPET_ENV"] = node.env
    return env


def prepare(spec: ProcessSpec, name: str, around: Surroundings, *, output: str, notify: str | None) -> Launch:
    """The launch of instance `name`: stdout and stderr go to the FIFO `output`.

    Raises:
        OSError: its command is not to be found, or its user is not known.
    """
    env = dict(around.environ)
    env.update(spec.env)
    env["LIMPET_RUN"] = around.run
    env["LIMPET_PROCESS"] = name
    env["LIMPET_INSTANCE"] = name.rpartition(".")[2]
    if around.values:
        uid = owner(spec)[0]
        env["LIMPET_CONFIG"] = around.values if uid < 0 else values_for(around.values, uid)
    if notify is not None:
        env["NOTIFY_SOCKET"] = notify
    if spec.agent:
        env["LIMPET_AGENT"] = around.agents
    if around.injection:
        env["PYTHONPATH"] = ":".join(filter(None, (around.injection, env.get("PYTHONPATH"))))
    actions: list[tuple[Any, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        # Invariant: read-write, so that the FIFO has a reader while its writer lives, even if the daemon does
        # not: no SIGPIPE, no line lost.
        (os.POSIX_SPAWN_OPEN, 1, output, os.O_RDWR, 0),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    command = spec.command
    if spec.entry:
        command = (around.python, "-m", "limpet.fresh", "run", spec.entry)
    steps: list[str] = []
    if spec.sockets or spec.names_sockets:
        for index, (_name, descriptor) in enumerate(around.sockets):
            actions.append((os.POSIX_SPAWN_DUP2, descriptor, FIRST_SOCKET + index))
        env["LISTEN_FDS"] = str(len(around.sockets))
        env["LISTEN_FDNAMES"] = ":".join(socket for socket, _descriptor in around.sockets)
        if spec.sockets:
            steps.append("LISTEN_PID=$$; export LISTEN_PID")
    directory = os.path.join(around.directory, spec.cwd)
    if spec.cwd:
        steps.append(f"cd {shlex.quote(directory)}")
    if spec.umask:
        steps.append(f"umask {spec.umask}")
    through: list[str] = []
    if spec.nice:
        through += ["nice", "-n", str(spec.nice)]
    if spec.limits:
        values = (
            (kind, "unlimited" if limit == "infinity" else limit) for kind, limit in spec.limits.items()
        )
        through += ["prlimit", *(f"--{kind}={limit}" for kind, limit in values), "--"]
    if spec.user or spec.group:
        through += as_user(spec.user, spec.group, env)
    path = find_command(command[0], env.get("PATH", os.defpath), directory)
    argv = tuple(command)
    if steps or through:
        script = " && ".join([*steps, 'exec "$@"'])
        argv = ("sh", "-c", script, "sh", *through, path, *command[1:])
        path = "/bin/sh"
    return Launch(path, argv, env, tuple(actions))


def spawn(launch: Launch) -> int:
    """The pid of a new process, leader of its own session and process group.

    Raises:
        OSError: it cannot be started.
    """
    return os.posix_spawn(
        launch.path,
        launch.argv,
        launch.environ,
        file_actions=launch.actions,
        setsid=True,
        setsigmask=(),
        setsigdef=_DEFAULTED,
    )


def find_command(command: str, path: str, directory: str) -> str:
    """The file that a command names, as execvp(3) finds it; relative paths are below `directory`.

    Raises:
        FileNotFoundError: there is none.
        PermissionError: it may not be executed.
    """
    places = [directory] if "/" in command else path.split(":")
    for place in places:
        candidate = os.path.join(place, command)
        if os.path.isfile(candidate):
            if os.access(candidate, os.X_OK):
                return candidate
            raise PermissionError(errno.EACCES, f"{candidate} is not executable")
    where = directory if "/" in command else "PATH"
    raise FileNotFoundError(
        errno.ENOENT, f"command not found: {command}, in {where}{_meant(command, path, directory)}"
    )


def _meant(command: str, path: str, directory: str) -> str:
    """A hint for a whole command line where one word of it is wanted; else nothing."""
    with suppress(ValueError, OSError):  # quotes that are not closed; no such command either
        words = shlex.split(command)
        if len(words) > 1 and find_command(words[0], path, directory):
            return f"; did you mean {json.dumps(words, ensure_ascii=False)}?"
    return ""


def values_for(path: str, uid: int) -> str:
    """The copy of the values at `path` that belongs to another user."""
    return f"{path.removesuffix('.json')}-{uid}.json"


def owner(spec: ProcessSpec) -> tuple[int, int]:
    """User and group id that a process runs as; -1 for one that stays ours.

    Raises:
        FileNotFoundError: there is no such user or group.
    """
    uid = gid = -1
    if spec.user:
        entry = _user(spec.user)
        uid, gid = entry.pw_uid, entry.pw_gid
    if spec.group:
        try:
            gid = int(spec.group) if spec.group.isdigit() else grp.getgrnam(spec.group).gr_gid
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, f"there is no group {spec.group}") from None
    return uid, gid


def _user(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError:
        raise FileNotFoundError(errno.ENOENT, f"there is no user {user}") from None


def as_user(user: str, group: str, env: dict[str, str]) -> list[str]:
    """setpriv(1) and its options, to stand before a command; HOME, USER and LOGNAME become the user's.

    Raises:
        FileNotFoundError: there is no such user.
    """
    options = ["setpriv"]
    if user:
        entry = _user(user)
        env.update(HOME=entry.pw_dir, USER=entry.pw_name, LOGNAME=entry.pw_name)
        options += [f"--reuid={entry.pw_uid}", "--init-groups"]
        group = group or str(entry.pw_gid)
    else:
        options.append("--clear-groups")
    return [*options, f"--regid={group}", "--"]
