"""What a binary wants of its surroundings (elf(5), ld.so(8)): libraries, a C library, a search path.

Only 64-bit little-endian files are looked at: x86_64, aarch64, riscv64.
"""

import re
import struct
from typing import Final, NamedTuple

_NEEDED: Final = 1
_STRTAB: Final = 5
_RPATH: Final = 15
_RUNPATH: Final = 29
_LOAD: Final = 1
_DYNAMIC: Final = 2
_INTERPRETER: Final = 3


class Segment(NamedTuple):
    """A program header."""

    kind: int
    offset: int
    address: int
    size: int


class Elf(NamedTuple):
    """What is asked of a binary."""

    interpreter: str
    """The dynamic linker, such as /lib64/ld-linux-x86-64.so.2; empty for a library."""
    needed: tuple[str, ...]
    search_path: str
    glibc: tuple[int, int]
    """The newest version of the C library that a symbol of it is wanted from; (0, 0): none."""


class _Dynamic(NamedTuple):
    needed: tuple[int, ...]
    search: tuple[tuple[int, int], ...]
    """Position in the file of each DT_RPATH and DT_RUNPATH, and its string's offset."""
    strings: int
    """Position of the table of strings."""


def is_elf(path: str) -> bool:
    """Whether the file begins as such a binary does."""
    with open(path, "rb") as file:
        return file.read(6) == b"\x7fELF\x02\x01"


def read(path: str) -> Elf:
    """What the binary at `path` wants."""
    with open(path, "rb") as file:
        data = file.read()
    segments = _segments(data)
    dynamic = _dynamic(data, segments)
    interpreter = next((s for s in segments if s.kind == _INTERPRETER), None)
    wanted = [
        (int(major), int(minor)) for major, minor in re.findall(rb"\0GLIBC_(\d+)\.(\d+)(?=[.\0])", data)
    ]
    path_at = dynamic.strings + dynamic.search[0][1] if dynamic.search else None
    return Elf(
        interpreter=_string(data, interpreter.offset) if interpreter else "",
        needed=tuple(_string(data, dynamic.strings + offset) for offset in dynamic.needed),
        search_path=_string(data, path_at) if path_at is not None else "",
        glibc=max(wanted, default=(0, 0)),
    )


def relocate(path: str, search_path: str) -> bool:
    """Replaces the search path of a binary, as a DT_RPATH: it then holds for what it loads later, too.

    Returns:
        False if it has none that could be replaced, or one that is too short.
    """
    with open(path, "r+b") as file:
        data = file.read()
        dynamic = _dynamic(data, _segments(data))
        if not dynamic.search:
            return False
        for position, offset in dynamic.search:
            place = dynamic.strings + offset
            old = data.index(b"\0", place) - place
            new = search_path.encode()
            if len(new) > old:
                return False
            file.seek(place)
            file.write(new.ljust(old, b"\0"))
            file.seek(position)
            file.write(struct.pack("<q", _RPATH))
    return True


def _segments(data: bytes) -> list[Segment]:
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    found = []
    for index in range(count):
        kind, _flags, offset, address, _physical, length = struct.unpack_from(
            "<IIQQQQ", data, table + index * size
        )
        found.append(Segment(kind, offset, address, length))
    return found


def _dynamic(data: bytes, segments: list[Segment]) -> _Dynamic:
    segment = next((s for s in segments if s.kind == _DYNAMIC), None)
    if segment is None:
        return _Dynamic((), (), 0)
    needed = []
    search = []
    strings = 0
    for position in range(segment.offset, segment.offset + segment.size, 16):
        tag, value = struct.unpack_from("<qQ", data, position)
        if tag == 0:
            break
        if tag == _NEEDED:
            needed.append(value)
        elif tag in (_RPATH, _RUNPATH):
            search.append((position, value))
        elif tag == _STRTAB:
            strings = next(
                s.offset + value - s.address
                for s in segments
                if s.kind == _LOAD and s.address <= value < s.address + s.size
            )
    return _Dynamic(tuple(needed), tuple(search), strings)


def _string(data: bytes, position: int) -> str:
    return data[position : data.index(b"\0", position)].decode(errors="replace")
