"""Looks at the process as a whole: versions, limits, environment, modules, what is installed."""

import gc
import os
import platform
import sys
from types import ModuleType
from typing import Any, Final

from .frames import short
from .loops import all_tasks, found_loops
from .masking import masked, masked_arguments
from .memory import cgroup_value, kernel_sizes, memory_limit
from .static import is_a, own_names, plain_text
from .view import View, cell

NEAR: Final = 85.0
"""Percent of a limit from which it is near."""
_TOPICS: Final = ("system", "memory", "limits", "gc", "applications")
_loaded_before: Final = frozenset(map(id, list(sys.modules.values())))
"""What was loaded when the first console or look came."""


def environ(filter: str = "") -> View:  # noqa: A002 - the word that one would type
    """Environment variables, secrets masked, and what of them has changed since the process began.

    Args:
        filter: only variables with this text in their name.
    """
    began = _initial_environment()
    now = _environment()
    rows = []
    for name in sorted(name for name in {**began, **now} if filter in name):
        value = now.get(name)
        change = ""
        if name not in began:
            change = "added"
        elif value is None:
            change = "removed"
        elif value != began[name]:
            change = "changed"
        rows.append({"name": name, "value": None if value is None else masked(name, value), "change": change})
    columns = ["name", "change", "value"] if any(row["change"] for row in rows) else ["name", "value"]
    return View("environ", rows, columns=columns, empty="no such variables")


def _initial_environment() -> dict[str, str]:
    try:
        with open("/proc/self/environ", "rb") as file:
            pairs = file.read().split(b"\0")
    except OSError:
        return {}
    found = {}
    for pair in pairs:
        name, equals, value = os.fsdecode(pair).partition("=")
        if equals:
            found[name] = value
    return found


def _environment() -> dict[str, str]:
    """What os.environ holds, unless the application has put something of its own in its place."""
    data = own_names(os.environ).get("_data") if type(os.environ).__module__ == "os" else None
    if type(data) is not dict:
        return _initial_environment()
    pairs = list(data.items())
    return {os.fsdecode(name): os.fsdecode(value) for name, value in pairs if type(name) is bytes}


def modules(filter: str = "", n: int = 200) -> View:  # noqa: A002 - the word that one would type
    """Loaded modules; without a filter packages and modules of the top level only.

    Args:
        filter: only, and all, modules with this text in their name.
        n: rows at the most.
    """
    loaded = [(plain_text(name, "?"), module) for name, module in list(sys.modules.items())]
    inside: dict[str, int] = {}
    for name, _ in loaded:
        top = name.partition(".")[0]
        inside[top] = inside.get(top, 0) + 1
    versions = _installed()
    rows: list[dict[str, Any]] = []
    for order, (name, module) in enumerate(loaded, 1):
        if name.startswith("_limpet_stage1") or (filter not in name if filter else "." in name):
            continue
        facts = own_names(module) if is_a(module, ModuleType) else {}
        file = plain_text(facts.get("__file__"))
        version = plain_text(facts.get("__version__")) or versions.get(_normal(name), "")
        rows.append({
            "module": name,
            "version": version,
            "loaded": inside.get(name),
            "size": _size(file),
            "order": order,
            "since": "console" if id(module) not in _loaded_before else "",
            "file": short(file),
        })  # fmt: skip
    rows.sort(key=lambda row: str(row["module"]))
    columns = (
        ["module", "version", "size", "file"] if filter else ["module", "version", "loaded", "size", "file"]
    )
    if any(row["since"] for row in rows):
        columns.insert(-1, "since")
    notes = [f"{len(rows) - n:,} more; modules('text')"] if len(rows) > n else []
    notes.append(f"{len(loaded):,} modules are loaded")
    return View("modules", rows[:n], columns=columns, units={"size": "bytes"}, notes=notes)


def _size(file: str) -> int | None:
    try:
        return os.stat(file).st_size if file else None
    except OSError:
        return None


def _normal(name: str) -> str:
    return name.replace("-", "_").replace(".", "_").lower()


def _installed() -> dict[str, str]:
    """Version of every distribution on sys.path by its normalized name: .dist-info folders are named so."""
    found: dict[str, str] = {}
    for entry in list(sys.path):
        if type(entry) is not str:
            continue
        try:
            names = os.listdir(entry or ".")
        except OSError:
            continue
        for name in names:
            if name.endswith(".dist-info"):
                distribution, dash, version = name.removesuffix(".dist-info").rpartition("-")
                if dash:
                    found.setdefault(_normal(distribution), version)
    return found


def runtime_info(topic: str = "") -> View:
    """The process at a glance, as IEx has it.

    Args:
        topic: only this: system, memory, limits, gc or applications.
    """
    makers = {
        "system": _system,
        "memory": _memory,
        "limits": _limits,
        "gc": _gc,
        "applications": _applications,
    }
    if topic and topic not in makers:
        raise ValueError(f"there is no topic {topic!r}; there are {', '.join(_TOPICS)}")
    wanted = [topic] if topic else [name for name in _TOPICS if name != "applications"]
    rows = [{"topic": name, **row} for name in wanted for row in makers[name]()]
    near = [row["name"] for row in rows if row.get("near")]
    notes = [f"near their limits: {', '.join(near)}"] if near else []
    if not topic:
        notes.append("runtime_info('applications'): what is installed")
    lines = []
    for name in wanted:
        lines += [f"{name}:", *(f"  {row['name']:<22} {_said(row)}" for row in rows if row["topic"] == name)]
    return View("runtime_info", rows, text="\n".join(lines), notes=notes)


def _said(row: dict[str, Any]) -> str:
    unit = row.get("unit", "")
    text = cell(row["value"], unit)
    if row.get("limit"):
        text += f" of {cell(row['limit'], unit)} ({row['percent']:.1f}%)"
        text += " NEAR" if row["near"] else ""
    return text


def _fact(name: str, value: Any, unit: str = "") -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit}


def _limited(name: str, value: int, limit: int, unit: str = "") -> dict[str, Any]:
    percent = 100 * value / limit
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "limit": limit,
        "percent": percent,
        "near": percent >= NEAR,
    }


def _system() -> list[dict[str, Any]]:
    build = ", free-threaded" if not getattr(sys, "_is_gil_enabled", lambda: True)() else ""
    switch = sys.getswitchinterval()
    return [
        _fact("python", f"{platform.python_implementation()} {platform.python_version()}{build}"),
        _fact("executable", sys.executable),
        _fact("platform", f"{platform.system()} {platform.release()} {platform.machine()}"),
        _fact("pid", os.getpid(), "id"),
        _fact("parent pid", os.getppid(), "id"),
        _fact("user", f"{os.geteuid()}:{os.getegid()}"),
        _fact("command line", " ".join(masked_arguments(sys.orig_argv))),
        _fact("directory", _directory()),
        _fact("uptime", _uptime(), "seconds"),
        _fact("processor time", sum(os.times()[:2]), "seconds"),
        _fact("processors", len(os.sched_getaffinity(0))),
        _fact("threads", len(os.listdir("/proc/self/task"))),
        _fact("event loops", len(found_loops())),
        _fact("tasks", len(all_tasks())),
        _fact("modules", len(sys.modules)),
        _fact("hash randomization", bool(sys.flags.hash_randomization)),
        _fact("optimization", sys.flags.optimize),
        _fact("development mode", sys.flags.dev_mode),
        _fact("switch interval", switch, "seconds"),
    ]


def _directory() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        return f"? ({error.strerror})"


def _uptime() -> float | None:
    """Seconds since the kernel started the process; both clocks count from the machine's boot: proc(5)."""
    import time

    try:
        with open("/proc/self/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
    except OSError:
        return None
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def _memory() -> list[dict[str, Any]]:
    sizes = {**kernel_sizes("/proc/self/status"), **kernel_sizes("/proc/self/smaps_rollup")}
    wanted = (
        ("resident (RSS)", "VmRSS"),
        ("proportional (PSS)", "Pss"),
        ("peak", "VmHWM"),
        ("swapped", "VmSwap"),
    )
    rows = [_fact(name, sizes[key], "bytes") for name, key in wanted if key in sizes]
    rows.append(_fact("allocated blocks", sys.getallocatedblocks()))
    return rows


def _limits() -> list[dict[str, Any]]:
    import resource

    rows = []
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    rows.append(_limited("descriptors", len(os.listdir("/proc/self/fd")) - 1, soft))
    limit, why = memory_limit()
    if limit:
        used = cgroup_value("memory.current", "memory/memory.usage_in_bytes") if "group" in why else None
        size = used if used is not None else kernel_sizes("/proc/self/status").get("VmSize", 0)
        rows.append(_limited(f"memory ({why})", size, limit, "bytes"))
    most = cgroup_value("pids.max", "pids/pids.max")
    if most:
        now = cgroup_value("pids.current", "pids/pids.current") or 0
        rows.append(_limited("processes and threads", now, most))
    rows.append(_fact("recursion", sys.getrecursionlimit()))
    core, _ = resource.getrlimit(resource.RLIMIT_CORE)
    rows.append(_fact("core dumps", "unlimited" if core == resource.RLIM_INFINITY else core))
    return rows


def _gc() -> list[dict[str, Any]]:
    rows = [_fact("enabled", gc.isenabled())]
    for generation, (count, threshold, stats) in enumerate(
        zip(gc.get_count(), gc.get_threshold(), gc.get_stats(), strict=True)
    ):
        waiting = f"{count:,} of {threshold:,}"
        past = f"{stats['collections']:,} collections, {stats['collected']:,} collected"
        rows.append(_fact(f"generation {generation}", f"{waiting}, {past}"))
    rows.append(_fact("uncollectable", len(gc.garbage)))
    rows.append(_fact("frozen", gc.get_freeze_count()))
    return rows


def _applications() -> list[dict[str, Any]]:
    return [_fact(name, version) for name, version in sorted(_installed().items())]
