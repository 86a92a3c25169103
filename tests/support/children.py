"""Small processes for tests of nodes, as TOML tables: what they do is in their name."""

import json
import os
import signal
from pathlib import Path

from limpet_supervisor.runtime import procfs
from support.node import BOUND, PYTHON, Node, select_for

DIARY = """\
trap 'echo "-$LIMPET_PROCESS" >> diary; exit 0' TERM
echo "+$LIMPET_PROCESS" >> diary
while :; do sleep 1000 & wait $!; done
"""
"""Writes into the file `diary` that it starts, and that it stops."""


def process(name: str, command: list[str], rest: str = "") -> str:
    """The table of a process, its command taken as it is; `rest` are further lines of the table."""
    return f"[processes.{name}]\ncommand = {json.dumps(command).replace('$', '$$')}\n{rest}\n"


def sleeps(name: str, rest: str = "") -> str:
    return process(name, ["sleep", "1000"], rest)


def shell(name: str, script: str, rest: str = "") -> str:
    return process(name, ["sh", "-c", script], rest)


def python(name: str, source: str, rest: str = "") -> str:
    return process(name, [PYTHON, "-c", source], rest)


def keeps_diary(name: str, rest: str = "") -> str:
    return shell(name, DIARY, rest)


def diary(node: Node) -> list[str]:
    """The diary, whole."""
    path = node.directory / "diary"
    return path.read_text().split() if path.exists() else []


def until_written(path: Path, lines: int = 1) -> list[str]:
    """The lines of a file as soon as it has so many."""
    for _ in range(int(BOUND * 100)):
        if path.exists() and len(found := path.read_text().splitlines()) >= lines:
            return found
        select_for(0.01)
    raise AssertionError(f"{path} has not {lines} lines")


def pid_of(node: Node, name: str) -> int:
    pid = node.status()[name].pid
    assert pid is not None
    return pid


def crash(node: Node, name: str) -> int:
    """Kills a process as a crash would; its pid."""
    pid = pid_of(node, name)
    os.kill(pid, signal.SIGKILL)
    return pid


def alive(pid: int) -> bool:
    facts = procfs.stat(pid)
    return facts is not None and facts.state not in "ZX"


def until_gone(pid: int) -> None:
    """Waits for the end of a process that is not our child."""
    for _ in range(int(BOUND * 100)):
        if not alive(pid):
            return
        select_for(0.01)
    raise AssertionError(f"{pid} has not ended")
