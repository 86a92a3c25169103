"""What the kernel knows of a process's threads (proc(5)): the last rung, and a look before the others.

Guarantee: only files are read here that no lock of the process's memory is taken for; of a process that is
stuck in the kernel with that lock, /proc/PID/cmdline, environ and maps would hold up whoever reads them.
"""

import os
import re
import signal
from contextlib import suppress
from typing import Final, NamedTuple

from limpet_supervisor.model.stacks import Frame, Stack

from . import procfs

WORDS: Final = {
    "R": "running",
    "S": "sleeping",
    "D": "disk sleep",
    "T": "stopped",
    "t": "traced",
    "Z": "zombie",
    "X": "gone",
    "I": "idle",
}
"""The kernel's letters for the state of a thread or process, in its words."""
KERNEL: Final = "[kernel]"
"""The file of frames that are the kernel's."""
_MOST: Final = 256
"""Threads that are looked at."""
_FRAME: Final = re.compile(r"\[<[0-9a-f]*>\] ([^+\s]+)")


class Thread(NamedTuple):
    """A thread as the kernel sees it."""

    tid: int
    name: str
    state: str
    """A letter of WORDS."""
    ticks: int
    """CPU time spent, in clock ticks."""
    waits_in: str
    """Function of the kernel that it waits in; empty if it runs, or that is not told."""


def state(pid: int) -> str:
    """The state of a process in words."""
    facts = procfs.stat(pid)
    return WORDS.get(facts.state, facts.state) if facts is not None else WORDS["X"]


def look(pid: int) -> list[Thread]:
    """Its threads, the first _MOST of them; empty if it is gone."""
    try:
        tids = sorted(map(int, os.listdir(f"/proc/{pid}/task")))
    except OSError:
        return []
    found = []
    for tid in tids[:_MOST]:
        line = _text(f"/proc/{pid}/task/{tid}/stat")
        name, _, rest = line.rpartition(")")
        fields = rest.split()
        if len(fields) > 12:
            waits_in = _text(f"/proc/{pid}/task/{tid}/wchan").strip()
            ticks = int(fields[11]) + int(fields[12])
            waits_in = "" if waits_in == "0" else waits_in
            found.append(Thread(tid, name.partition("(")[2], fields[0], ticks, waits_in))
    return found


def stacks(before: list[Thread], after: list[Thread], seconds: float, kernel: str) -> tuple[Stack, ...]:
    """The threads that there are after so many seconds, with what each has used of a CPU since `before`.

    `kernel` has the lines of /proc/PID/task/TID/stack, each after its path and a colon; or is empty.
    """
    spent = {thread.tid: thread.ticks for thread in before}
    inside: dict[int, list[Frame]] = {}
    for line in kernel.splitlines():
        path, _, text = line.partition(":")
        if (number := path.split("/")[-2:-1]) and number[0].isdigit() and (frame := _FRAME.match(text)):
            inside.setdefault(int(number[0]), []).append(Frame(frame[1], KERNEL))
    found = []
    for thread in after:
        ticks = thread.ticks - spent.get(thread.tid, thread.ticks)
        share = min(100.0, 100 * ticks / procfs.TICKS_PER_SECOND / seconds) if seconds > 0 else 0.0
        words = [WORDS.get(thread.state, thread.state), f"{share:.0f}% of a CPU"]
        frames = inside.get(thread.tid, [])[::-1]
        if not frames and thread.waits_in:
            frames = [Frame(thread.waits_in, KERNEL)]
        found.append(Stack(f"Thread {thread.name}", thread.tid, ", ".join(words), tuple(frames)))
    return tuple(found)


def handles(pid: int, number: int, thread: int) -> bool:
    """Whether the process has a handler for a signal, and that thread does not block it."""
    bit = 1 << (number - 1)
    masks = _masks(f"/proc/{pid}/task/{thread}/status")
    return bool(masks.get("SigCgt", 0) & bit) and not masks.get("SigBlk", bit) & bit


def stop_is_pending(pid: int) -> bool:
    """Whether the process is stopped, or about to be as soon as it comes out of the kernel."""
    bit = 1 << (signal.SIGSTOP - 1)
    for thread in look(pid):
        masks = _masks(f"/proc/{pid}/task/{thread.tid}/status")
        if thread.state in "Tt" or (masks.get("SigPnd", 0) | masks.get("ShdPnd", 0)) & bit:
            return True
    return False


def is_python(pid: int) -> bool | None:
    """Whether it runs a Python, as its image or its libraries are named; None if that may not be seen."""
    try:
        image = os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return None
    if os.path.basename(image).startswith("python"):
        return True
    if any(thread.state == "D" for thread in look(pid)):
        return False
    with suppress(OSError), open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
        return "/libpython3" in maps.read()
    return False


def command(pid: int) -> str:
    """A process in one line; of one that is stuck in the kernel, its name only."""
    if any(thread.state == "D" for thread in look(pid)):
        facts = procfs.stat(pid)
        return f"[{facts.name}]" if facts is not None else ""
    return procfs.command(pid)


def _masks(path: str) -> dict[str, int]:
    found = {}
    for line in _text(path).splitlines():
        name, _, mask = line.partition(":")
        if name in ("SigBlk", "SigCgt", "SigPnd", "ShdPnd"):
            found[name] = int(mask, 16)
    return found


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
