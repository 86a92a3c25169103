"""What a binary wants of its surroundings (elf(5), ld.so(8)): libraries, a C library, a search path.

Only 64-bit little-endian files are looked at: x86_64, aarch64, riscv64.
"""

import re
import struct
from typing import BinaryIO, Final, NamedTuple

_NEEDED: Final = 1
_STRTAB: Final = 5
_RPATH: Final = 15
_RUNPATH: Final = 29
_LOAD: Final = 1
_DYNAMIC: Final = 2
_INTERPRETER: Final = 3
_WRITABLE: Final = 2
_PAGE: Final = 4096


class Segment(NamedTuple):
    """A program header."""

    kind: int
    flags: int
    offset: int
    address: int
    size: int
    """Bytes in the file."""
    memory: int
    """Bytes in memory."""


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
    address: int
    """Its address in memory."""
    spare: int
    """Position of an unused entry that another one follows; 0: there is none."""


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
    """Gives a binary a search path, as a DT_RPATH: it then holds for what it loads later, too.

    Returns:
        False if there is no room for it.
    """
    with open(path, "r+b") as file:
        data = file.read()
        segments = _segments(data)
        dynamic = _dynamic(data, segments)
        if not dynamic.search:
            return _add(file, data, segments, dynamic, search_path.encode() + b"\0")
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


def _add(file: BinaryIO, data: bytes, segments: list[Segment], dynamic: _Dynamic, text: bytes) -> bool:
    """Adds a search path where there is none: in an entry that the linker has left unused.

    The text goes into the rest of the last page of a read-only segment: that is mapped with it, and empty.
    """
    for segment in segments:
        end = segment.offset + segment.size
        room = -end % _PAGE
        readable = segment.kind == _LOAD and not segment.flags & _WRITABLE and segment.size == segment.memory
        address = segment.address + segment.size
        if (
            dynamic.spare
            and readable
            and len(text) < room
            and data[end : end + room] == bytes(room)
            and not any(s.kind == _LOAD and s.offset < end + room and s.offset >= end for s in segments)
            and address > dynamic.address
        ):
            file.seek(end)
            file.write(text)
            file.seek(dynamic.spare)
            file.write(struct.pack("<qQ", _RPATH, address - dynamic.address))
            return True
    return False


def _segments(data: bytes) -> list[Segment]:
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    found = []
    for index in range(count):
        kind, flags, offset, address, _physical, length, memory = struct.unpack_from(
            "<IIQQQQQ", data, table + index * size
        )
        found.append(Segment(kind, flags, offset, address, length, memory))
    return found


def _dynamic(data: bytes, segments: list[Segment]) -> _Dynamic:
    segment = next((s for s in segments if s.kind == _DYNAMIC), None)
    if segment is None:
        return _Dynamic((), (), 0, 0, 0)
    needed = []
    search = []
    strings = address = spare = 0
    for position in range(segment.offset, segment.offset + segment.size, 16):
        tag, value = struct.unpack_from("<qQ", data, position)
        if tag == 0:
            if data[position : position + 32] == bytes(32) and position + 32 <= segment.offset + segment.size:
                spare = position
            break
        if tag == _NEEDED:
            needed.append(value)
        elif tag in (_RPATH, _RUNPATH):
            search.append((position, value))
        elif tag == _STRTAB:
            address = value
            strings = next(
                s.offset + value - s.address
                for s in segments
                if s.kind == _LOAD and s.address <= value < s.address + s.size
            )
    return _Dynamic(tuple(needed), tuple(search), strings, address, spare)


def _string(data: bytes, position: int) -> str:
    return data[position : data.index(b"\0", position)].decode(errors="replace")
