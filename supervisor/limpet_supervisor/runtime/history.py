"""What was written before: the last lines of a process, from its file and its backups, and when they came.

Works on what stands on the disk, with no node at all.
"""

import os
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final

from limpet_supervisor.runtime.lines import plain, time_of

LINE_CHARACTERS: Final = 8192
"""A longer line is shortened where last lines are asked for."""
_BLOCK: Final = 65536
_UNPACKED: Final = 64 * 1024 * 1024
"""Bytes of compressed backups that one request unpacks, at most."""
_PLACES: Final = 256
_EMPTY: Final = array("q")

When = Callable[[int], float | None]
"""Bytes before the end of a stream -> when those came, in Unix seconds."""


class Batch(list[str]):
    """Lines, and when each came.

    Attributes:
        times: Unix seconds of each line; None: not known.
        more: the line that follows on the last one came together with it.
        cut: there are older lines, which were not read.
    """

    __slots__ = ("cut", "more", "times")

    def __init__(self, lines: Sequence[str] = (), times: Sequence[float | None] = ()) -> None:
        super().__init__(lines)
        self.times = times
        self.more = False
        self.cut = False

    def part(self, start: int, stop: int) -> "Batch":
        """The lines from `start` to before `stop`."""
        part = Batch(self[start:stop], self.times[start:stop])
        part.more = stop < len(self) or self.more
        return part

    def last(self, count: int, *, without: int = 0) -> "Batch":
        """The last `count` of the lines, those `without` the last ones of all."""
        stop = max(0, len(self) - without)
        start = max(0, stop - count)
        found = Batch(self[start:stop], self.times[start:stop])
        found.cut = self.cut or start > 0
        return found


class Arrivals:
    """When the bytes of a stream came: exactly for the last of them, ever more coarsely before.

    A raw line says nothing of its time; the node was there. 4 KB at most.
    """

    def __init__(self) -> None:
        self._ends = _EMPTY
        self._times = array("d")
        self._begin = 0
        self._end = 0

    def begin(self, position: int) -> None:
        """What comes before `position` came before our time."""
        self._ends, self._times = _EMPTY, array("d")
        self._begin = self._end = position

    def note(self, position: int, at: float) -> None:
        """The stream is now so long."""
        if not self._ends:
            self._ends = array("q")
        if len(self._ends) == _PLACES:
            older = _PLACES // 2
            # Of two blocks that become one, the later end stands, with the earlier time.
            self._ends = self._ends[1:older:2] + self._ends[older:]
            self._times = self._times[0:older:2] + self._times[older:]
        self._ends.append(position)
        self._times.append(at)
        self._end = position

    def before_end(self, count: int) -> float | None:
        """When the byte came that is so many before the end (1: the last one); None: before our time."""
        position = self._end - count + 1
        if position <= self._begin:
            return None
        place = bisect_left(self._ends, position)
        return self._times[place] if place < len(self._ends) else None


def tail(path: str, size: int) -> bytes:
    """The last `size` bytes that were written to a file and its first backup; fewer if there are fewer."""
    found = b""
    for each in (path, f"{path}.1"):
        missing = size - len(found)
        if missing <= 0:
            break
        try:
            with open(each, "rb", buffering=0) as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - missing))
                found = file.read(missing) + found
        except OSError:
            break
    return found


def decode(
    block: bytes, count: int, form: str, when: When | None = None, longest: int = LINE_CHARACTERS
) -> Batch:
    """The last `count` lines of a block, as the process wrote them, each at most `longest` characters."""
    if count <= 0:
        return Batch()
    lines = block.split(b"\n")
    ended = not lines[-1]
    if ended:
        lines.pop()
    cut = len(lines) > count
    texts: list[str] = []
    times: list[float | None] = []
    stamps: list[float | None] = []
    ahead = 0  # bytes behind the line
    for line in reversed(lines[-count:]):
        stamps.append(when(ahead + 1) if when is not None else None)
        ahead += len(line) + (1 if ahead or ended else 0)
    stamps.reverse()
    at: float | None = None
    for line, stamp in zip(lines[-count:], stamps, strict=True):
        text = line.decode("utf-8", "replace")
        if not (form == "prefix" and text.startswith("\t")):  # else it goes on with the line before it
            at = stamp if form == "raw" else time_of(text, form)
        for each in plain(text, form).split("\n"):
            texts.append(each if len(each) <= longest else each[:longest] + "…")
            times.append(at)
    found = Batch(texts, times).last(count)
    found.cut = found.cut or cut
    return found


def last_lines(
    path: str,
    count: int,
    form: str = "raw",
    *,
    when: When | None = None,
    most: int | None = None,
    longest: int = LINE_CHARACTERS,
) -> Batch:
    """The last `count` lines that a process wrote, from its log file and, if need be, the backups.

    Lines are as the process wrote them, without what the format `form` adds. A file that is not there has
    no lines.

    Args:
        path: of the file; empty: there is none.
        count: how many lines.
        form: the file's format.
        when: of a raw file, when its bytes came.
        most: bytes that are read, in all; None: as many as it takes.
        longest: characters of a line; one that has more is shortened.
    """
    blocks: list[bytes] = []
    newlines = size = 0
    cut = False
    for block in _backwards(path):
        blocks.append(block)
        newlines += block.count(b"\n")
        size += len(block)
        if newlines > count or (most is not None and size >= most):
            cut = True
            break
    data = b"".join(reversed(blocks))
    if cut and newlines <= count:  # the first line may have lost its beginning
        data = data.partition(b"\n")[2] if b"\n" in data[:-1] else data
    found = decode(data, count, form, when, longest)
    found.cut = found.cut or cut
    return found


def _backwards(path: str) -> Iterator[bytes]:
    """The blocks of a file and its backups, from the last one on."""
    unpacked = 0
    for each in newest_first(path):
        if each.endswith(".gz"):
            found = unpack(each, _UNPACKED - unpacked)
            unpacked += len(found)
            yield found
            if unpacked >= _UNPACKED:
                return
            continue
        try:
            with open(each, "rb", buffering=0) as file:
                position = file.seek(0, os.SEEK_END)
                while position > 0:
                    size = min(_BLOCK, position)
                    position = file.seek(position - size)
                    yield file.read(size)
        except OSError:
            return


def unpack(path: str, most: int) -> bytes:
    """The last `most` bytes of a compressed file; what can be read of it, if it is damaged."""
    kept: list[bytes] = []
    size = 0
    unpacker = zlib.decompressobj(wbits=31)
    with suppress(OSError, zlib.error), open(path, "rb", buffering=0) as file:
        while packed := file.read(_BLOCK):
            block = unpacker.decompress(packed)
            kept.append(block)
            size += len(block)
            while size - len(kept[0]) >= most:
                size -= len(kept.pop(0))
    if kept and not unpacker.eof and not kept[-1].endswith(b"\n"):
        kept.append(b"\n")  # what is damaged ends here, and not in the file that follows
    return b"".join(kept)[-most:] if most > 0 else b""


def newest_first(path: str) -> list[str]:
    """The files of a log that are there: itself, `.1`, `.2` or, compressed, `.2.gz`, and so on."""
    found = [path] if path else []
    number = 1
    while path:
        backup = f"{path}.{number}"
        if os.path.exists(backup):  # if its compressed form is there as well, that is the same again
            found.append(backup)
        elif os.path.exists(f"{backup}.gz"):
            found.append(f"{backup}.gz")
        else:
            break
        number += 1
    return found
