"""Facts about processes from /proc (proc(5)): no library, no cache, no exceptions for what vanishes.

Invariant: a process may end between any two reads; every function answers with None, an empty list or
one entry less for it. A pid alone names nothing: pid and start time together do.
"""

import os
from collections.abc import Iterable
from typing import Final, NamedTuple

PAGE: Final = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
MARKER: Final = "LIMPET_PROCESS"
"""The environment variable by which a process, however far it has gone, still says whose it is."""


class Stat(NamedTuple):
    """A line of /proc/PID/stat, as far as it is used here."""

    pid: int
    name: str
    """The kernel's short name, at most 15 bytes."""
    state: str
    """One letter; Z is a zombie."""
    ppid: int
    group: int
    session: int
    ticks: int
    """CPU time spent, in clock ticks (TICKS_PER_SECOND); of its dead and waited-for children nothing."""
    start_time: int
    """Clock ticks since boot: with the pid, the identity of a process."""
    rss: int
    """Resident bytes."""
    threads: int
    waited: int
    """CPU time of its dead and waited-for children, in clock ticks."""


class Usage(NamedTuple):
    """What a process, or several together, use: resident bytes and CPU ticks."""

    rss: int
    ticks: int


def _read(path: str) -> bytes | None:
    """The content of a small file of /proc; None if the process is gone or not ours to see."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        parts = []
        while part := os.read(fd, 65536):
            parts.append(part)
        return b"".join(parts)
    except OSError:  # it ended while we read
        return None
    finally:
        os.close(fd)


def stat(pid: int) -> Stat | None:
    """The facts of one process, or None if there is none of this pid."""
    line = _read(f"/proc/{pid}/stat")
    if not line:
        return None
    # the name stands in parentheses and may hold any byte, parentheses too: the last one ends it
    opening, closing = line.find(b"("), line.rfind(b")")
    rest = line[closing + 2 :].split()
    return Stat(
        pid,
        line[opening + 1 : closing].decode("utf-8", "replace"),
        rest[0].decode("ascii"),
        int(rest[1]),
        int(rest[2]),
        int(rest[3]),
        int(rest[11]) + int(rest[12]),
        int(rest[19]),
        int(rest[21]) * PAGE,
        int(rest[17]),
        int(rest[13]) + int(rest[14]),
    )


def start_time(pid: int) -> int | None:
    """When a process began, in clock ticks since boot; None if it is gone, a zombie included."""
    facts = stat(pid)
    return facts.start_time if facts is not None and facts.state not in "ZX" else None


def snapshot() -> dict[int, Stat]:
    """Every process that can be seen here, by pid, in one pass over /proc."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (facts := stat(int(entry))) is not None:
            found[facts.pid] = facts
    return found


def _direct_children(pid: int) -> list[int] | None:
    """The children of all threads of `pid`; None where the kernel lists none (no CONFIG_PROC_CHILDREN)."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found: list[int] = []
    for thread in threads:
        path = f"/proc/{pid}/task/{thread}/children"
        listed = _read(path)
        if listed:
            found.extend(map(int, listed.split()))
        elif listed is None and os.path.exists(f"/proc/{pid}/task/{thread}") and not os.path.exists(path):
            return None
    return found


def children(pid: int, *, recursive: bool = True) -> list[int]:
    """The processes below `pid`, parents before their children; itself is not among them."""
    found: list[int] = []
    seen = {pid}
    waiting = [pid]
    while waiting:
        below = _direct_children(waiting.pop(0))
        if below is None:
            return _children_by_scan(pid, recursive=recursive)
        for child in below:
            if child not in seen:  # a pid used again while we walk must not make a ring
                seen.add(child)
                found.append(child)
                if recursive:
                    waiting.append(child)
    return found


def _children_by_scan(pid: int, *, recursive: bool) -> list[int]:
    """The same from the parents named in every /proc/PID/stat."""
    below: dict[int, list[int]] = {}
    for facts in snapshot().values():
        below.setdefault(facts.ppid, []).append(facts.pid)
    found: list[int] = []
    seen = {pid}
    waiting = [pid]
    while waiting:
        for child in below.get(waiting.pop(0), ()):
            if child not in seen:
                seen.add(child)
                found.append(child)
                if recursive:
                    waiting.append(child)
    return found


def usage(pids: Iterable[int]) -> dict[int, Usage]:
    """Memory and CPU of many processes, a single read each; those that are gone are left out."""
    found = {}
    for pid in pids:
        if (facts := stat(pid)) is not None:
            found[pid] = Usage(facts.rss, facts.ticks)
    return found


def descriptors(pid: int) -> int | None:
    """How many descriptors a process has open; None if it is gone, or not ours to see."""
    path = f"/proc/{pid}/fd"
    try:
        # Since Linux 6.2 the directory's size is their number, which spares listing them.
        return os.stat(path).st_size or len(os.listdir(path))
    except OSError:
        return None


def proportional(pid: int) -> int | None:
    """Bytes of memory with what is shared divided by its users (PSS); None if it is gone, or not ours to see.

    The kernel walks all of the process's memory for it: not for each look.
    """
    for line in (_read(f"/proc/{pid}/smaps_rollup") or b"").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return None


def environ(pid: int, variable: str) -> str | None:
    """The value of `variable` when `pid` was started; None if unset or not ours to read."""
    block = _read(f"/proc/{pid}/environ")
    if not block:
        return None
    wanted = os.fsencode(variable) + b"="
    for entry in block.split(b"\0"):
        if entry.startswith(wanted):
            return os.fsdecode(entry[len(wanted) :])
    return None


def marked(variable: str, value: str) -> list[int]:
    """Every living process that was started with `variable` set to `value`, in one pass over /proc."""
    living = (facts.pid for facts in snapshot().values() if facts.state not in "ZX")
    return [pid for pid in living if environ(pid, variable) == value]


def marker(pid: int) -> str | None:
    """The supervised process that `pid` belongs to by its environment (LIMPET_PROCESS)."""
    return environ(pid, MARKER)


def command(pid: int, limit: int = 200) -> str:
    """A process in one printable line: its arguments, or `[name]` if it has none; empty if it is gone.

    Interpreters and programs are shown without their directory; at most `limit` characters.
    """
    block = _read(f"/proc/{pid}/cmdline")
    if not block:
        facts = stat(pid)
        return f"[{facts.name}]" if facts is not None else ""
    first, *rest = block.rstrip(b"\0").decode("utf-8", "replace").split("\0")
    line = " ".join([os.path.basename(first) or first, *rest])
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def descendants_of(name: str, pid: int | None, subreaper: int, *, group: int | None = None) -> list[int]:
    """Every living process that belongs to the instance `name`, however it got away from its parent.

    They are: the tree below `pid`; whoever is in its session or process group; the orphans that came to
    `subreaper` (PR_SET_CHILD_SUBREAPER) and carry LIMPET_PROCESS=name; and all trees below those.
    `pid` itself is not among them, nor are zombies. One pass over /proc: for a stop or a close look, not for
    each status.

    Args:
        name: the instance, such as `web.1`.
        pid: its process; None if it has ended.
        subreaper: the process that orphans come to: the node.
        group: session and process group of the instance if it has ended (they had its pid); else its pid's.
    """
    processes = snapshot()
    below: dict[int, list[int]] = {}
    for facts in processes.values():
        below.setdefault(facts.ppid, []).append(facts.pid)
    waiting = list(below.get(pid, ())) if pid is not None else []
    shared = pid if group is None else group
    if shared is not None:
        waiting += [each.pid for each in processes.values() if shared in (each.session, each.group)]
    waiting += [orphan for orphan in below.get(subreaper, ()) if orphan != pid and marker(orphan) == name]
    found: dict[int, None] = {}
    while waiting:
        each = waiting.pop(0)
        if each not in found and each not in (pid, subreaper):
            found[each] = None
            waiting += below.get(each, ())
    return [each for each in found if processes[each].state not in "ZX"]
