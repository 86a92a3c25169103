"""The last lines of log files, for when no node is there to ask."""

import glob
import os
from typing import Final

from limpet_supervisor.client import directory

_BLOCK: Final = 64 * 1024


def log_files(node: str, names: list[str]) -> dict[str, str]:
    """Instance -> its log file, of the processes or instances in `names` (all if empty), sorted."""
    for place in directory.places(node):
        logs = directory.RunDirectory(*place).logs
        found = {os.path.basename(path)[:-4]: path for path in glob.glob(f"{glob.escape(logs)}/*.log")}
        if found:
            return {
                name: found[name]
                for name in sorted(found, key=_order)
                if not names or name in names or name.rpartition(".")[0] in names
            }
    return {}


def tail(path: str, count: int) -> list[str]:
    """The last `count` lines of a file, without their ends; what is not UTF-8 is replaced."""
    data = b""
    with open(path, "rb") as file:
        position = file.seek(0, os.SEEK_END)
        while position and data.count(b"\n") <= count:
            size = min(_BLOCK, position)
            position = file.seek(position - size)
            data = file.read(size) + data
    lines = data.decode(errors="replace").split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines[-count:] if count else []


def _order(name: str) -> tuple[str, int, str]:
    """web.2 before web.10."""
    base, _, number = name.rpartition(".")
    return (base, int(number), name) if number.isdigit() else (name, 0, name)
