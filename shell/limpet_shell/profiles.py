"""A profile as a table, as collapsed stacks and for speedscope; `flamegraph` has it as a picture.

collapsed   a line for each stack: its frames, the outermost first, separated by `;`, and how often it was
            seen (https://github.com/brendangregg/FlameGraph)
speedscope  JSON, https://github.com/jlfwong/speedscope/wiki/Importing-from-custom-sources
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from limpet_shell.output import printable, table, to_json
from limpet_shell.render import Paint
from limpet_supervisor import __version__
from limpet_supervisor.errors import LimpetError
from limpet_supervisor.model.stacks import ProcessProfile, Rung

_FRAME: Final = re.compile(r"(.*) \((.*?)(?::(\d+))?\)", re.DOTALL)
_SHOWN: Final = 25
"""Functions in the table."""
_LEAST: Final = 0.1
"""Percent of a function that is worth a line."""

Counted = Counter[tuple[str, ...]]


def format_of(path: str) -> str:
    """By the name of the file."""
    return "svg" if path.endswith(".svg") else "speedscope" if path.endswith(".json") else "collapsed"


def content(profiles: Sequence[ProcessProfile], kind: str, *, lines: bool) -> str:
    """The text of a file of that format; in collapsed stacks and pictures `lines` of a function may count."""
    from limpet_shell import flamegraph

    if kind == "speedscope":
        return to_json(speedscope(profiles)) + "\n"
    stacks = merged(profiles, lines=lines)
    if kind == "collapsed":
        return collapsed(stacks)
    names = ", ".join(f"{each.process} (pid {each.pid})" for each in profiles)
    first = profiles[0]
    by = f"{first.by.value}{', GIL-biased' if first.by == 'agent' else ''}"
    return flamegraph.svg(stacks, f"{names}: {stacks.total()} samples in {first.seconds:.1f}s, by {by}")


def check_writable(path: str) -> None:
    """Before the samples are taken, not after.

    Raises:
        LimpetError: no file can be written there.
    """
    directory = os.path.dirname(path) or "."
    if not os.access(path if os.path.exists(path) else directory, os.W_OK) or os.path.isdir(path):
        raise LimpetError(f"{path} cannot be written", todo="say -o with another FILE")


def save(path: str, text: str) -> None:
    """Writes it.

    Raises:
        LimpetError: it cannot be written.
    """
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise LimpetError(f"{path} cannot be written", str(error.strerror)) from None


class Place(NamedTuple):
    """A frame, taken apart."""

    function: str
    file: str
    line: int


def place_of(frame: str) -> Place:
    """Of `function (file.py:12)`; file and line as far as they are there."""
    match = _FRAME.fullmatch(frame)
    return Place(match[1], match[2], int(match[3] or 0)) if match else Place(frame, "", 0)


def without_line(frame: str) -> str:
    """`function (file.py)`."""
    function, file, _line = place_of(frame)
    return f"{function} ({file})" if file else function


def merged(profiles: Iterable[ProcessProfile], *, lines: bool) -> Counted:
    """How often each stack was seen; of several processes, each begins with the process's name.

    Frames that differ in the line only are one, unless `lines` are wanted.
    """
    profiles = tuple(profiles)
    found: Counted = Counter()
    for profile in profiles:
        head: tuple[str, ...] = (profile.process,) if len(profiles) > 1 else ()
        for frames, count in profile.stacks:
            found[head + (frames if lines else tuple(map(without_line, frames)))] += count
    return found


def collapsed(stacks: Counted) -> str:
    """The text of that format, those seen most often first."""
    clean = {frame: frame.replace(";", ":").replace("\n", " ") for stack in stacks for frame in stack}
    return "".join(
        f"{';'.join(clean[frame] for frame in stack)} {count}\n" for stack, count in stacks.most_common()
    )


def speedscope(profiles: Sequence[ProcessProfile]) -> dict[str, Any]:
    """The object of that format: a sampled profile for each process, in seconds, lines kept."""
    frames: dict[str, int] = {}
    found = []
    for profile in profiles:
        samples, weights = [], []
        for stack, count in profile.stacks:
            samples.append([frames.setdefault(frame, len(frames)) for frame in stack])
            weights.append(count / profile.rate)
        found.append({
            "type": "sampled",
            "name": f"{profile.process} (pid {profile.pid})",
            "unit": "seconds",
            "startValue": 0,
            "endValue": sum(weights),
            "samples": samples,
            "weights": weights,
        })  # fmt: skip
    return {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": f"limpet@{__version__}",
        "name": ", ".join(each.process for each in profiles),
        "activeProfileIndex": 0,
        "shared": {"frames": [_speedscope_frame(frame) for frame in frames]},
        "profiles": found,
    }


def _speedscope_frame(frame: str) -> dict[str, Any]:
    function, file, line = place_of(frame)
    found: dict[str, Any] = {"name": function}
    if file:
        found["file"] = file
    if line:
        found["line"] = line
    return found


def profile_lines(profiles: Iterable[ProcessProfile], paint: Paint, *, width: int | None = None) -> list[str]:
    """What was seen of whom, and the functions in which most time was spent."""
    profiles = tuple(profiles)
    found = [line for profile in profiles for line in _head(profile, paint)]
    stacks = merged(profiles, lines=False)
    total = stacks.total()
    if not total:
        return [*found, "no sample: it has used no CPU meanwhile"]
    own: Counter[str] = Counter()
    below: Counter[str] = Counter()
    for stack, count in stacks.items():
        frames = stack[1:] if len(profiles) > 1 else stack
        if frames:
            own[frames[-1]] += count
        for frame in set(frames):
            below[frame] += count
    ordered = sorted(below, key=lambda frame: (-own[frame], -below[frame], frame))
    worth = [frame for frame in ordered if 100 * below[frame] / total >= _LEAST]
    rows = [
        (f"{100 * own[frame] / total:.1f}%", f"{100 * below[frame] / total:.1f}%", *place_of(frame)[:2])
        for frame in worth[:_SHOWN]
    ]
    header = ("SELF", "TOTAL", "FUNCTION", "FILE")
    found += ["", *table(header, rows, right=frozenset({0, 1}), style=_style, color=paint, width=width)]
    if len(worth) > _SHOWN:
        found.append(paint(f"(and {len(worth) - _SHOWN} more functions)", "dim"))
    return found


def _head(profile: ProcessProfile, paint: Paint) -> Iterator[str]:
    count = f"{profile.samples} samples in {profile.seconds:.1f}s, {profile.rate:g} a second"
    bad = f", {profile.errors} failed" if profile.errors else ""
    yield f"{paint(profile.process, 'bold')} (pid {profile.pid}): {count}{bad}, by {profile.by.value}"
    if profile.by is Rung.AGENT:
        yield paint("  GIL-biased: it is seen only where it lets the GIL go, and never in C code", "yellow")
    for lack in profile.lacks:
        yield paint(f"  not by {lack.rung.value}: {printable(lack.why)}", "dim")
    for note in profile.notes:
        yield paint(f"  {printable(note)}", "dim")


def _style(_row: int, column: int, text: str) -> str:
    return "bold" if column == 2 else "dim" if column == 3 or text == "0.0%" else ""
