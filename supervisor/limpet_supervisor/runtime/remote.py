"""Stacks by `_remote_debugging`, which Python 3.14 and later have: its own interpreter reads the process.

It must be of the same minor version, so it is the process's own image that is run, isolated from everything.
"""

import os
import re
from typing import Any, Final

import msgspec

from limpet_supervisor.model.stacks import Frame, Stack

_IMAGE: Final = re.compile(r"python3\.(\d+)")
_FIRST: Final = 14
_CODE: Final = """
import json, sys
try:
    from _remote_debugging import RemoteUnwinder
    found = RemoteUnwinder(int(sys.argv[1]), all_threads=True).get_stack_trace()
except Exception as error:
    print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
    sys.exit()
threads = []
for each in found:  # 3.15: interpreters, each with threads; 3.14: threads
    threads += each.threads if hasattr(each, "threads") else [each]
answer = []
for thread in threads:
    tid, frames = (thread.thread_id, thread.frame_info) if hasattr(thread, "frame_info") else thread[:2]
    rows = []
    for frame in frames:
        line = getattr(frame.location, "lineno", 0) if hasattr(frame, "location") else frame.lineno
        rows.append([frame.funcname, frame.filename, line])
    answer.append([tid, rows])
print(json.dumps({"threads": answer}))
"""


def interpreter(pid: int) -> tuple[str, str]:
    """The process's interpreter, as far as it is one that can do it; else empty, and why not."""
    try:
        image = os.readlink(f"/proc/{pid}/exe")
    except OSError as error:
        return "", f"its image may not be seen: {error.strerror}"
    match = _IMAGE.search(os.path.basename(image))
    if match is None:
        return "", "its image does not tell its version"
    if int(match[1]) < _FIRST:
        return "", f"it came with Python 3.{_FIRST}, and this is 3.{match[1]}"
    if not os.access(image, os.X_OK):
        return "", f"{image} is not there"
    return image, ""


def command(image: str, pid: int) -> list[str]:
    """What prints the stacks as JSON."""
    return [image, "-I", "-S", "-c", _CODE, str(pid)]


def stacks(printed: bytes) -> tuple[Stack, ...]:
    """The stacks in what the command prints.

    Raises:
        ValueError: there are none; says why.
    """
    try:
        answer: dict[str, Any] = msgspec.json.decode(printed)
        if "error" in answer:
            raise ValueError(answer["error"])
        return tuple(_stack(*thread) for thread in answer["threads"])
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise ValueError(f"its answer cannot be read: {error}") from None


def _stack(tid: int, frames: list[tuple[str, str, int]]) -> Stack:
    calls = tuple(Frame(function, file, line or 0) for function, file, line in reversed(frames))
    return Stack(f"Thread {tid}", tid, frames=calls)
