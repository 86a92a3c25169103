"""The process's memory: what the kernel, the C library and the interpreter say of it, and its limits."""

import ctypes
import os
import sys
from typing import Any, Final

from .view import View

_STATUS: Final = (
    ("resident", "VmRSS", "in memory (RSS)"),
    ("peak", "VmHWM", "the most that it was"),
    ("anonymous", "RssAnon", "its own: heap and stacks"),
    ("file", "RssFile", "of mapped files"),
    ("swapped", "VmSwap", "swapped out"),
    ("virtual", "VmSize", "mapped"),
)
_SMAPS: Final = (
    ("proportional", ("Pss",), "shared pages divided by their users (PSS)"),
    ("unique", ("Private_Clean", "Private_Dirty"), "what its end would free (USS)"),
)


def mem(arenas: bool = False) -> View:
    """Memory in bytes, each also as a percentage of the limit, if there is one.

    Args:
        arenas: also what the C library's allocator holds; that keeps each of its arenas locked for a moment,
            and in a fragmented heap of gigabytes the moment is long.
    """
    limit, why = memory_limit()
    rows: list[dict[str, Any]] = []

    def row(name: str, size: int | None, about: str) -> None:
        if size is not None:
            percent = 100 * size / limit if limit else None
            rows.append({"memory": name, "bytes": size, "percent": percent, "about": about})

    status = kernel_sizes("/proc/self/status")
    for name, key, about in _STATUS:
        row(name, status.get(key), about)
    details = kernel_sizes("/proc/self/smaps_rollup")
    for name, keys, about in _SMAPS:
        if keys[0] in details:
            row(name, sum(details.get(key, 0) for key in keys), about)
    if limit:
        row("limit", limit, why)
        row(
            "group",
            cgroup_value("memory.current", "memory/memory.usage_in_bytes"),
            "used by all that it is for",
        )
    if arenas:
        for name, size, about in _malloc():
            row(name, size, about)
    notes = [f"{sys.getallocatedblocks():,} blocks of the interpreter's own allocator"]
    units = {"bytes": "bytes", "percent": "percent"}
    columns = ("memory", "bytes", "percent", "about") if limit else ("memory", "bytes", "about")
    return View("mem", rows, columns=columns, units=units, notes=notes)


def kernel_sizes(path: str) -> dict[str, int]:
    """The `Name:  123 kB` lines of a file of proc(5), in bytes; empty if it cannot be read."""
    found = {}
    try:
        with open(path, encoding="ascii", errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                words = value.split()
                if len(words) == 2 and words[1] == "kB":
                    found[name] = int(words[0]) * 1024
    except OSError:
        return {}
    return found


def memory_limit() -> tuple[int, str]:
    """The lowest limit of memory in bytes, and what sets it; 0 if nothing does."""
    import resource

    found = []
    for kind, text in ((resource.RLIMIT_AS, "RLIMIT_AS"), (resource.RLIMIT_DATA, "RLIMIT_DATA")):
        soft, _hard = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY:
            found.append((soft, text))
    group = cgroup_value("memory.max", "memory/memory.limit_in_bytes")
    if group is not None and group < 1 << 60:
        found.append((group, "of its control group"))
    return min(found, default=(0, ""))


def cgroup_value(name: str, old: str) -> int | None:
    """The lowest number of that name in the control groups that hold the process; None if there is none.

    Args:
        name: the file of cgroup v2: `memory.max`.
        old: controller and file of v1: `memory/memory.limit_in_bytes`.
    """
    found = []
    for directory in _groups(old.partition("/")[0]):
        file = name if directory.partition(":")[0] == "2" else old.partition("/")[2]
        try:
            with open(os.path.join(directory.partition(":")[2], file), encoding="ascii") as lines:
                text = lines.read().strip()
        except OSError:
            continue
        if text.isdigit():
            found.append(int(text))
            if name.endswith(".current"):
                break  # its own, not those of the groups around it
    return min(found, default=None)


def _groups(controller: str) -> list[str]:
    """`2:` or `1:` and the directory of each control group, from the process's own outwards."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = "/sys/fs/cgroup" if not controllers else f"/sys/fs/cgroup/{controller}"
        version = "1:" if controllers else "2:"
        # A process in a namespace of its own sees a path that begins at what is mounted here.
        parts = [part for part in path.split("/") if part not in ("", "..")]
        found += [f"{version}{'/'.join((top, *parts[:count]))}" for count in range(len(parts), -1, -1)]
    return found


class _MallInfo(ctypes.Structure):
    """`struct mallinfo2` of mallinfo(3)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def _malloc() -> list[tuple[str, int, str]]:
    """What glibc's malloc says of all its arenas: name, bytes, what it is; empty for another C library."""
    try:
        call = ctypes.CDLL(None).mallinfo2  # glibc 2.33
    except (OSError, AttributeError):
        return []
    call.restype = _MallInfo
    info = call()
    return [
        ("malloc", info.arena, "malloc's arenas"),
        ("malloc used", info.uordblks, "of that, in use"),
        ("malloc free", info.fordblks, "of that, free, and not given back"),
        ("malloc mapped", info.hblkhd, "large blocks, mapped one by one"),
    ]
