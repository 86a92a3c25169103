"""py-spy: stacks and samples of a Python process, read from outside (https://github.com/benfred/py-spy).

It is a command of Limpet's own environment. Nothing runs in the process, and no matter what it is stuck in.
It stops the process for the millisecond that it reads; one that does not run is read without that.
"""

import os
import re
import shutil
import sys
from functools import cache
from typing import Any, Final

import msgspec

from limpet_supervisor.model.stacks import Frame, Stack

NAME: Final = "py-spy"
_RECORDED: Final = re.compile(rb"Samples: (\d+) Errors: (\d+)")
_RIGHT: Final = re.compile(r"permission denied|operation not permitted|EPERM|EACCES", re.IGNORECASE)


@cache
def find() -> str | None:
    """Path of the command: beside our interpreter, beside our packages, or on PATH."""
    packages = os.path.dirname(os.path.dirname(os.path.abspath(msgspec.__file__)))
    for directory in (
        os.path.dirname(sys.executable),
        os.path.join(packages, "bin"),  # in a release
        os.path.normpath(os.path.join(packages, "../../../bin")),  # an installation of its own, a user's
    ):
        if os.access(path := os.path.join(directory, NAME), os.X_OK):
            return path
    return shutil.which(NAME)


def dump_command(command: str, pid: int, *, native: bool, pause: bool) -> list[str]:
    """What prints the stacks of all threads as JSON.

    Frames of C extensions (`native`) can only be had by stopping the process meanwhile (`pause`), which one
    that does not run needs not.
    """
    options = ["--native"] if native else [] if pause else ["--nonblocking"]
    return [command, "dump", "--json", *options, "--pid", str(pid)]


def record_command(
    command: str, pid: int, *, to: int, seconds: float, rate: float, native: bool, gil: bool
) -> list[str]:
    """What samples for so long and writes collapsed stacks to the descriptor `to`, which it inherits.

    With `gil`, only those of the thread that holds the GIL; with `native`, frames of C extensions as well.
    """
    options = [option for option, wanted in (("--native", native), ("--gil", gil)) if wanted]
    return [
        command, "record", "--format", "raw", "--output", f"/proc/self/fd/{to}",
        "--duration", f"{max(1, round(seconds))}", "--rate", f"{max(1, round(rate))}", *options,
        "--pid", str(pid),
    ]  # fmt: skip


def stacks(printed: bytes) -> tuple[Stack, ...]:
    """The stacks in the JSON of `dump`.

    Raises:
        ValueError: it is none.
    """
    try:
        return tuple(map(_stack, msgspec.json.decode(printed, type=list[dict[str, Any]])))
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise ValueError(f"py-spy's answer cannot be read: {error}") from None


def _stack(thread: dict[str, Any]) -> Stack:
    name = thread.get("thread_name") or f"{thread['thread_id']:#x}"
    words = ["runs" if thread.get("active") else "waits"]
    if thread.get("owns_gil"):
        words.append("holds the GIL")
    frames = tuple(
        Frame(frame["name"], frame.get("filename") or "", frame.get("line") or 0)
        for frame in reversed(thread["frames"])
    )
    return Stack(f"Thread {name}", thread.get("os_thread_id"), ", ".join(words), frames)


def counts(said: bytes) -> tuple[int, int]:
    """Samples and errors, of what `record` says at its end."""
    found = _RECORDED.search(said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def collapsed(text: str) -> tuple[tuple[tuple[str, ...], int], ...]:
    """The stacks of `record`: a line each, frames separated by semicolons, then a count."""
    found = []
    for line in text.splitlines():
        frames, _space, count = line.rpartition(" ")
        if frames and count.isdigit():
            found.append((tuple(frames.split(";")), int(count)))
    return tuple(found)


def why(said: bytes) -> str:
    """What is in the way, of what it prints when it fails."""
    text = said.decode("utf-8", "replace")
    if _RIGHT.search(text):
        return f"it may not be traced: {trace_right()}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [re.sub(r"^\d+: ", "", line) for line in lines[lines.index("Caused by:") + 1 :]] if (
        "Caused by:" in lines
    ) else []  # fmt: skip
    first = lines[0].removeprefix("Error: ").rstrip(".") if lines else "it said nothing"
    return f"{first}: {causes[0]}" if causes else first


def trace_right() -> str:
    """Why we have no right to ptrace(2) another user's process, or any; in words."""
    scope = yama_scope()
    if scope >= 3:
        return f"kernel.yama.ptrace_scope is {scope}, which forbids it to everyone"
    if scope == 2:
        return "kernel.yama.ptrace_scope is 2: it takes CAP_SYS_PTRACE"
    if scope == 1:
        return "kernel.yama.ptrace_scope is 1: it takes CAP_SYS_PTRACE, or a process that allows it"
    if in_container():
        return "in a container that takes CAP_SYS_PTRACE (--cap-add SYS_PTRACE)"
    return "it is another user's, or has more rights than we have: it takes CAP_SYS_PTRACE"


def yama_scope() -> int:
    """kernel.yama.ptrace_scope; 0 where there is no yama."""
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def in_container() -> bool:
    """Whether this looks like a container."""
    return any(map(os.path.exists, ("/.dockerenv", "/run/.containerenv"))) or "container" in os.environ
