"""Stacks as Python writes them, read: of `faulthandler` and of the agent.

Thread 0x00007f397c710b80 (most recent call first):
  File "/srv/app.py", line 17 in work
Thread MainThread (0x7f397c710b80):
  File "/srv/app.py", line 17, in work
    total += 1
"""

import re
from typing import Final

from msgspec.structs import replace

from limpet_supervisor.model.stacks import Frame, Stack

_FRAME: Final = re.compile(r'  File "(.*)", line (\d+|\?\?\?),? in (.*)')
_HEAD: Final = re.compile(
    r"(?:Current thread|Thread) 0x0*([0-9a-f]+)(?: \[.*\])? \(most recent call first\):"
)
_MOST: Final = 2000
"""Stacks that are read."""


def by_agent(text: str) -> tuple[Stack, ...]:
    """The agent's: the most recent call is the last; source lines where they are known."""
    found: list[Stack] = []
    name = ""
    frames: list[Frame] = []

    def end() -> None:
        if name and len(found) < _MOST:
            found.append(Stack(name, frames=tuple(frames)))

    for line in text.splitlines():
        if match := _FRAME.fullmatch(line):
            frames.append(Frame(match[3], match[1], int(match[2])))
        elif line.startswith("    ") and frames:
            last = frames.pop()
            frames.append(Frame(last.function, last.file, last.line, line.strip()))
        elif line.startswith("  "):
            frames.append(Frame(line.strip()))
        elif line.endswith(":"):
            end()
            name, frames = line[:-1], []
    end()
    return tuple(found)


def by_faulthandler(text: str) -> tuple[Stack, ...]:
    """Faulthandler's: the most recent call is the first, and the main thread the last."""
    found: list[Stack] = []
    ident: int | None = None
    frames: list[Frame] = []

    def end() -> None:
        if ident is not None and len(found) < _MOST:
            found.append(Stack(f"Thread {ident:#x}", frames=tuple(reversed(frames))))

    for line in text.splitlines():
        if match := _HEAD.fullmatch(line):
            end()
            ident, frames = int(match[1], 16), []
        elif match := _FRAME.fullmatch(line):
            frames.append(Frame(match[3], match[1], int(match[2]) if match[2].isdigit() else 0))
    end()
    if found and len(found) < _MOST:
        found[-1] = replace(found[-1], name="Thread MainThread")
    return tuple(reversed(found))
