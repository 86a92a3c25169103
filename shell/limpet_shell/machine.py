"""What `doctor` looks at: each finding is a fact about this machine and what it means for a node."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from typing import NamedTuple

from limpet_supervisor.client import directory
from limpet_supervisor.runtime import pyspy

_NO_STACKS = "no profiles, and stacks of a process that is stuck by its agent's signal handler only"


class Finding(NamedTuple):
    """One fact."""

    name: str
    verdict: str
    """`ok`, `warning` (something will not work) or `missing` (no node can run)."""
    text: str


def examine() -> list[Finding]:
    """All findings."""
    return [
        _python(),
        _kernel(),
        _pidfd(),
        _descriptors(),
        _proc(),
        _run_directory(),
        _stuck(),
        *_tools(),
        _cgroup(),
    ]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    text = f"{version} ({sys.executable})"
    return Finding("python", "ok" if sys.version_info >= (3, 11) else "missing", text)


def _kernel() -> Finding:
    release = os.uname().release
    numbers = [int(part) for part in release.replace("-", ".").split(".")[:2] if part.isdigit()]
    if numbers >= [5, 14]:
        return Finding("kernel", "ok", release)
    if numbers >= [5, 3]:
        return Finding(
            "kernel", "ok", f"{release}: without cgroup.kill (5.14), stopping goes by process trees"
        )
    return Finding("kernel", "missing", f"{release}: pidfd_open(2) came with 5.3")


def _pidfd() -> Finding:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        return Finding("pidfd", "missing", f"pidfd_open(2): {error.strerror}; a seccomp filter may forbid it")
    return Finding("pidfd", "ok", "deaths are seen at once")


def _descriptors() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{soft} of {hard} open files: about {max(0, (hard - 64) // 4)} processes"
    return Finding("open files", "ok" if hard >= 1024 else "warning", text)


def _proc() -> Finding:
    if os.path.exists(f"/proc/{os.getpid()}/stat"):
        hidden = not os.path.exists("/proc/1/stat")
        return Finding("/proc", "ok", "mounted; others' processes are hidden" if hidden else "mounted")
    return Finding("/proc", "missing", "is not mounted: memory, cpu and process trees are read there")


def _run_directory() -> Finding:
    place = directory.candidates("NODE")[0]
    parent = place.path
    while parent != "/" and not os.path.isdir(parent):
        parent = os.path.dirname(parent)
    text = f"{place.path} ({place.why})"
    if not os.access(parent, os.W_OK | os.X_OK):
        return Finding("run directory", "warning", f"{text}: {parent} may not be written")
    if len(os.fsencode(place.path)) > directory.MAX_SOCKET_PATH - 20:
        text += "; its path is long: sockets are in a short directory of /tmp"
    return Finding("run directory", "ok", text)


def _stuck() -> Finding:
    """Whether processes that do not answer can be looked at: tried on one of our own, as a node does it."""
    found = pyspy.find()
    if found is None:
        return Finding("py-spy", "warning", f"is not here: {_NO_STACKS}")
    command = [sys.executable, "-I", "-S", "-c", "import sys; print(flush=True); sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        try:
            done = subprocess.run(
                pyspy.dump_command(found, child.pid, native=False, pause=True),
                capture_output=True,
                timeout=10,
                check=False,
            )
            why = pyspy.why(done.stderr) if done.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            why = str(error)
    if why:
        return Finding("py-spy", "warning", f"{why}: {_NO_STACKS}")
    return Finding("py-spy", "ok", f"sees the stacks of a process that does not answer ({found})")


def _tools() -> list[Finding]:
    systemctl = shutil.which("systemctl")
    running = os.path.isdir("/run/systemd/system")
    text = (
        "runs here"
        if running
        else "is installed, and is not this machine's init"
        if systemctl
        else "is not here"
    )
    return [Finding("systemd", "ok", f"{text}: a node can run as a service" if running else text)]


def _cgroup() -> Finding:
    if not os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        return Finding("cgroup v2", "ok", "is not here: process trees serve in its place")
    path = ""
    with contextlib.suppress(OSError), open("/proc/self/cgroup") as file:
        path = file.read().strip().rpartition("::")[2]
    delegated = os.access(f"/sys/fs/cgroup{path}", os.W_OK)
    return Finding(
        "cgroup v2", "ok", "delegated to us" if delegated else "not delegated: process trees serve"
    )
