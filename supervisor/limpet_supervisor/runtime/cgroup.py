"""What the control group of this process allows it: cgroups(7), both versions of the hierarchy.

A limit of an ancestor holds for all below it, so each is looked for up to the root; the tightest counts.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

_ROOT: Final = "/sys/fs/cgroup"
_UNLIMITED: Final = 1 << 60
"""Version 1 writes a number near 2**63 where there is no limit."""


class Bound(NamedTuple):
    """A limit, and how much of it is used."""

    used: float
    limit: float


def memory(root: str = _ROOT, of: str = "/proc/self/cgroup") -> Bound | None:
    """Bytes; None: no limit."""
    return _tightest(
        _bound(f"{place}/{used}", f"{place}/{limit}")
        for version, used, limit in (
            ("", "memory.current", "memory.max"),
            ("memory", "memory.usage_in_bytes", "memory.limit_in_bytes"),
        )
        for place in _places(version, root, of)
    )


def tasks(root: str = _ROOT, of: str = "/proc/self/cgroup") -> Bound | None:
    """Processes and threads; None: no limit."""
    return _tightest(
        _bound(f"{place}/pids.current", f"{place}/pids.max")
        for version in ("", "pids")
        for place in _places(version, root, of)
    )


def cpus(root: str = _ROOT, of: str = "/proc/self/cgroup") -> float | None:
    """CPUs' worth of time; None: no limit."""
    found = []
    for place in _places("", root, of):
        quota, _, period = (_text(f"{place}/cpu.max") or "max 1").partition(" ")
        if quota.isdigit() and period.isdigit() and int(period):
            found.append(int(quota) / int(period))
    for place in _places("cpu", root, of):
        bound = _bound(f"{place}/cpu.cfs_period_us", f"{place}/cpu.cfs_quota_us")
        if bound is not None:
            found.append(bound.limit / bound.used)
    return min(found, default=None)


def _places(controller: str, root: str, of: str) -> Iterator[str]:
    """Directories of our group in that hierarchy ("" is version 2's), and of all above it."""
    for line in (_text(of) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers.split(",") != [controller] and not (
            controller and controller in controllers.split(",")
        ):
            continue
        mounts = (
            [f"{root}/{controllers}", f"{root}/{controller}"] if controller else [root, f"{root}/unified"]
        )
        # In a container with a namespace of its own the path is "/"; without one it names nothing in here.
        for mount in dict.fromkeys(mounts):
            parts = [part for part in path.split("/") if part and part != ".."]
            for k in range(len(parts), -1, -1):
                yield "/".join((mount, *parts[:k]))


def _tightest(bounds: Iterator[Bound | None]) -> Bound | None:
    found = [bound for bound in bounds if bound is not None]
    return max(found, key=lambda bound: bound.used / bound.limit, default=None)


def _bound(used: str, limit: str) -> Bound | None:
    most = _number(limit)
    now = _number(used)
    if most is None or now is None or not 0 < most < _UNLIMITED:
        return None
    return Bound(now, most)


def _number(path: str) -> int | None:
    text = _text(path)
    return int(text) if text and text.lstrip("-").isdigit() else None


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="ascii") as file:
            return file.read(65536).strip()
    except (OSError, ValueError):
        return None
