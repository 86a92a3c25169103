"""What a person reads of stacks: as a traceback, with the source lines that can be read here."""

import os
from typing import Final

from limpet_shell.output import printable_line
from limpet_shell.render import Paint
from limpet_supervisor.wire.messages import StacksReply

_LARGEST: Final = 4 * 1024 * 1024
"""Bytes of a source file that is read for its lines."""

_files: dict[str, list[str]] = {}


def stacks_lines(reply: StacksReply, paint: Paint) -> list[str]:
    """Each process with which way its stacks were found out, then its stacks, the main thread's first."""
    found: list[str] = []
    for process in reply.processes:
        if found:
            found.append("")
        found.append(paint(printable_line(process.head), "bold"))
        found += [paint(f"  {printable_line(remark)}", "dim") for remark in process.remarks()]
        for stack in process.stacks:
            found += ["", paint(printable_line(stack.head), "cyan")]
            for frame in stack.frames:
                found += [printable_line(line) for line in frame.lines()]
                if not frame.source and (text := _source(frame.file, frame.line)):
                    found.append(paint(f"    {printable_line(text)}", "dim"))
    return found


def _source(file: str, line: int) -> str:
    """The line's text; empty if it cannot be read here."""
    if not (os.path.isabs(file) and line):
        return ""
    if file not in _files:
        _files[file] = []
        try:
            if os.path.isfile(file) and os.stat(file).st_size <= _LARGEST:
                with open(file, encoding="utf-8", errors="replace") as source:
                    _files[file] = source.read().splitlines()
        except OSError:
            return ""
    lines = _files[file]
    return lines[line - 1].strip() if line <= len(lines) else ""
