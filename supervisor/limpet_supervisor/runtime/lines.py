"""Formats of a log file: raw, prefix (time and name before each line), json (an object a line).

No Python runs per line: a block of many lines is transformed by a few passes in C. Each format is a
continuation: a block may begin and end inside a line, and what stands in the file tells where it stopped.
"""

import time
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

JSON_LINE: Final = 1024 * 1024
"""Bytes of a line after which the json format ends its object (with `"partial": true`) and begins another."""

_MARKS: Final = tuple(bytes((byte,)) for byte in range(0x7F, 0x22, -1) if byte != ord("\\"))

_second = -1
_second_text = ""


def stamp() -> str:
    """Now, in UTC: `2026-11-23T06:00:00.123Z`."""
    global _second, _second_text  # noqa: PLW0603 - a cache of one; only the pump's thread calls
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    if seconds != _second:
        _second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        _second = seconds
    return f"{_second_text}.{nanoseconds // 1_000_000:03d}Z"


class Format(Protocol):
    """One of the formats, for one process."""

    end_line: bytes
    """What ends a line that its writer left unfinished."""

    def encode(self, data: bytes, *, in_line: bool) -> bytes:
        """The bytes for the file; `in_line`: the file ends inside a line, which `data` continues."""
        ...


class Raw:
    """Lines as they were written."""

    end_line: bytes = b"\n"

    def encode(self, data: bytes, *, in_line: bool) -> bytes:  # noqa: ARG002 - a Format
        """`data` itself."""
        return data


class Prefix:
    """`2026-11-23T06:00:00.123Z web.1 ` before each line; the time is that of the line's first byte."""

    end_line: bytes = b"\n"

    def __init__(self, name: str) -> None:
        self._name = name

    def encode(self, data: bytes, *, in_line: bool) -> bytes:
        """`data` with a prefix at each beginning of a line."""
        prefix = f"{stamp()} {self._name} ".encode()
        if data.endswith(b"\n"):
            block = data[:-1].replace(b"\n", b"\n" + prefix) + b"\n"
        else:
            block = data.replace(b"\n", b"\n" + prefix)
        return block if in_line else prefix + block


class Json:
    """`{"time":…,"process":…,"line":…}` for each line; bytes that are not UTF-8 become U+FFFD."""

    end_line: bytes = b'"}\n'

    def __init__(self, name: str) -> None:
        self._name = msgspec.json.encode(name).decode()
        self._unfinished = b""  # the beginning of a character whose end has not come yet
        self._length = 0  # of the line that the last block ended in

    def encode(self, data: bytes, *, in_line: bool) -> bytes:
        """`data` as a continuation of the objects in the file."""
        head = f'{{"time":"{stamp()}","process":{self._name},"line":"'.encode()
        data = self._unfinished + data
        whole = len(data) - unfinished(data)
        data, self._unfinished = data[:whole], data[whole:]
        last = data.rfind(b"\n")
        self._length = len(data) - last - 1 if last >= 0 else self._length + len(data)
        mark = _absent(data)
        ended = data.endswith(b"\n")
        text = (data[:-1] if ended else data).replace(b"\n", mark).decode("utf-8", "replace")
        block = msgspec.json.encode(text)[1:-1].replace(mark, b'"}\n' + head)
        if not in_line and data:
            block = head + block
        if ended:
            return block + b'"}\n'
        if self._length > JSON_LINE:
            self._length = 0
            return block + b'","partial":true}\n'
        return block


def _absent(data: bytes) -> bytes:
    """A mark for line ends: it is not in `data`, cannot arise at its seams, and JSON leaves it alone."""
    for mark in _MARKS:  # one byte is found many times faster than two
        if mark not in data:
            return mark
    number = 0
    while (mark := b"\x7f%d" % number) in data:  # it has one DEL, at its beginning: it overlaps with nothing
        number += 1
    return mark


def unfinished(data: bytes) -> int:
    """How many bytes at the end of `data` begin a UTF-8 character whose rest is missing: 0 to 3."""
    for count in range(1, min(3, len(data)) + 1):
        byte = data[-count]
        if byte >= 0xC0:  # a first byte: of 2, 3 or 4
            return count if count < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) else 0
        if byte < 0x80:
            return 0
    return 0


FORMATS: Final[dict[str, Callable[[str], Format]]] = {
    "raw": lambda _name: Raw(),
    "prefix": Prefix,
    "json": Json,
}


def plain(line: str, form: str) -> str:
    """The line as the process wrote it, from a line of a file in this format; any other line as it is."""
    if form == "prefix":
        time_and_name = line.split(" ", 2)
        if len(time_and_name) == 3 and len(time_and_name[0]) == 24 and time_and_name[0].endswith("Z"):
            return time_and_name[2]
    elif form == "json":
        for end in ("", '"}'):  # one that is not finished yet, too
            try:
                return msgspec.json.decode(line + end, type=_JsonLine).line
            except msgspec.DecodeError:
                continue
    return line


class _JsonLine(msgspec.Struct):
    line: str
