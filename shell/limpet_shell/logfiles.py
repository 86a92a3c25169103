"""The log files of a node, for when no node is there to ask."""

import glob
import os
from itertools import groupby
from typing import Final, NamedTuple

from limpet_supervisor.client import directory
from limpet_supervisor.errors import ConfigError
from limpet_supervisor.model.spec import NodeSpec, processes
from limpet_supervisor.runtime.history import last_lines
from limpet_supervisor.runtime.lines import origin
from limpet_supervisor.runtime.logfile import log_path

from .logs.entries import Entries, Entry

_MOST_BYTES: Final = 64 * 1024 * 1024
"""Bytes of one log that are looked at."""
MOST: Final = 1_000_000
"""Lines of one log that a choice is made among."""
_LONGEST: Final = 1024 * 1024
"""Characters of a line."""


class LogFile(NamedTuple):
    """One log; several processes may share it."""

    process: str
    """The instance; of a file that several share, the process; of any other, its own name."""
    path: str


def log_files(
    node: str, names: tuple[str, ...], *, file: str = "", release: str | None = None
) -> list[LogFile]:
    """The logs of the processes or instances in `names` (all if empty) that are there, in order.

    Args:
        node: its name.
        names: processes, instances.
        file: its configuration, which names files in other places; empty: it is not known.
        release: which of its releases.
    """
    spec = _configuration(file, release)
    for place in directory.places(node):
        logs = directory.RunDirectory(*place).logs
        found = _configured(spec, logs) if spec is not None else {}
        for path in glob.glob(f"{glob.escape(logs)}/*.log"):
            found.setdefault(path, os.path.basename(path)[:-4])
        there = [LogFile(process, path) for path, process in found.items() if os.path.exists(path)]
        if there:
            return sorted(
                (log for log in there if not names or {log.process, *_stems(log.process)} & {*names}),
                key=lambda log: _order(log.process),
            )
    return []


def read(log: LogFile, lines: int) -> list[Entry]:
    """The last entries of a log: those of so many lines of its files, whatever their format."""
    raw = last_lines(log.path, lines, "raw", most=_MOST_BYTES, longest=_LONGEST)
    whose = log.process
    at: float | None = None
    written: list[tuple[str, float | None, str]] = []
    prefixed = False
    for line in raw:
        if (known := origin(line)) is not None:
            prefixed = not line.startswith("{")
            whose, at = known[0] or log.process, known[1]
            written += [(whose, at, text) for text in known[2].split("\n")]
        elif prefixed and line.startswith("\t"):  # it goes on with the line before it
            written.append((whose, at, line[1:]))
        else:
            prefixed = False
            written.append((log.process, None, line))
    entries = Entries()
    found: list[Entry] = []
    for process, group in groupby(written, key=lambda each: each[0]):
        several = list(group)
        found += entries.feed(process, [text for _, _, text in several], [when for _, when, _ in several])
    return found


def _configuration(file: str, release: str | None) -> NodeSpec | None:
    """What is configured; None if that is not known, or cannot be read now."""
    if not file:
        return None
    from limpet_supervisor.config.load import load

    try:
        return load(file, release=release)
    except ConfigError:
        return None


def _configured(spec: NodeSpec, logs: str) -> dict[str, str]:
    """Path -> whose it is, of the logs that are configured."""
    users: dict[str, list[str]] = {}
    for process in processes(spec.root):
        for instance in process.instance_names():
            if path := log_path(logs, instance, process.log):
                users.setdefault(path, []).append(instance)
    return {
        path: of[0] if len(of) == 1 else os.path.basename(path).removesuffix(".log")
        for path, of in users.items()
    }


def _stems(process: str) -> tuple[str, ...]:
    """The process of an instance."""
    stem, dot, number = process.rpartition(".")
    return (stem,) if dot and number.isdigit() else ()


def _order(name: str) -> tuple[str, int, str]:
    """web.2 before web.10."""
    base, _, number = name.rpartition(".")
    return (base, int(number), name) if number.isdigit() else (name, 0, name)
