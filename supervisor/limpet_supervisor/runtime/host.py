"""Facts about the machine and what can run out on it: /proc (proc(5)), statvfs(3), control groups."""

import os
import resource
from collections.abc import Iterator
from typing import Final

from limpet_supervisor.model.figures import Host, Limit, Own

from . import cgroup, procfs

_NO_LIMIT: Final = 1 << 40
"""From here on the kernel's own numbers mean that there is none."""


def host() -> Host:
    """The machine, now."""
    facts = _pairs("/proc/meminfo")
    busy, passed = _cpu_times()
    name = os.uname()
    try:
        load = os.getloadavg()
    except OSError:
        load = (0.0, 0.0, 0.0)
    memory = facts.get("MemTotal", 0)
    return Host(
        name=name.nodename,
        kernel=f"{name.sysname} {name.release}",
        cpus=len(os.sched_getaffinity(0)),
        uptime=float((_text("/proc/uptime") or "0").split()[0]),
        load=load,
        busy=busy,
        passed=passed,
        memory=memory,
        available=facts.get("MemAvailable", facts.get("MemFree", memory)),
        quota=cgroup.cpus(),
    )


def own(limpet: str, python: str, agents: int) -> Own:
    """What this process uses."""
    times = os.times()
    facts = procfs.stat(os.getpid())
    return Own(
        limpet=limpet,
        python=python,
        pid=os.getpid(),
        cpu_time=times.user + times.system,
        memory=facts.rss if facts else 0,
        fds=procfs.descriptors(os.getpid()),
        threads=facts.threads if facts else 0,
        agents=agents,
    )


def limits(*directories: str) -> tuple[Limit, ...]:
    """What can run out: the host's memory, swap and files, our control group's, our own, those file systems.

    Args:
        directories: each file system that one of them is on counts once.
    """
    return (*_memory(), *_group(), *_counts(), *_disks(directories))


def _memory() -> Iterator[Limit]:
    facts = _pairs("/proc/meminfo")
    if total := facts.get("MemTotal"):
        used = total - facts.get("MemAvailable", facts.get("MemFree", total))
        yield Limit("memory of the host", used, total, "bytes")
    if total := facts.get("SwapTotal"):
        yield Limit("swap of the host", total - facts.get("SwapFree", total), total, "bytes")


def _group() -> Iterator[Limit]:
    if memory := cgroup.memory():
        yield Limit("memory of the control group", *memory, unit="bytes")
    if tasks := cgroup.tasks():
        yield Limit("tasks of the control group", *tasks)


def _counts() -> Iterator[Limit]:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    fds = procfs.descriptors(os.getpid())
    if fds is not None and 0 < soft < _NO_LIMIT:
        yield Limit("descriptors of the node", fds, soft)
    used = (_text("/proc/sys/fs/file-nr") or "").split()
    if len(used) == 3 and int(used[2]) < _NO_LIMIT:
        yield Limit("open files of the host", int(used[0]), int(used[2]))
    running = (_text("/proc/loadavg") or "").split()
    most = _text("/proc/sys/kernel/pid_max")
    if len(running) > 3 and most and most.isdigit():
        yield Limit("tasks of the host", int(running[3].partition("/")[2]), int(most))


def _disks(directories: tuple[str, ...]) -> Iterator[Limit]:
    seen = set()
    for directory in directories:
        try:
            device = os.stat(directory).st_dev
            facts = os.statvfs(directory)
        except OSError:
            continue
        if device in seen or not facts.f_blocks:
            continue
        seen.add(device)
        # As df(1): what root keeps for itself is neither used nor to be had.
        used = facts.f_blocks - facts.f_bfree
        yield Limit(
            f"disk of {directory}", used * facts.f_frsize, (used + facts.f_bavail) * facts.f_frsize, "bytes"
        )
        if facts.f_files:
            yield Limit(f"inodes of {directory}", facts.f_files - facts.f_ffree, facts.f_files)


def _cpu_times() -> tuple[float, float]:
    """Seconds that all CPUs have worked, and that have passed for all of them."""
    first = (_text("/proc/stat") or "cpu").partition("\n")[0].split()[1:9]
    ticks = [int(each) for each in first]
    idle = sum(ticks[3:5])
    return (sum(ticks) - idle) / procfs.TICKS_PER_SECOND, sum(ticks) / procfs.TICKS_PER_SECOND


def _pairs(path: str) -> dict[str, int]:
    """Bytes, by name, of a file of `Name:   123 kB` lines."""
    found = {}
    for line in (_text(path) or "").splitlines():
        name, _, rest = line.partition(":")
        number = rest.split()[0] if rest.split() else ""
        if number.isdigit():
            found[name] = int(number) * 1024
    return found


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read(65536).strip()
    except OSError:
        return None
