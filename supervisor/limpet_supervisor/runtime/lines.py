"""Formats of a log file: raw, prefix (time and name before each line), json (an object a line).

No Python runs per line, but for those of tracebacks: a block of many lines is transformed by a few passes in
C. Each format is a continuation: a block may begin and end inside a line, and what stands in the file tells
where it stopped. So nothing waits in memory for its end, and a node that is killed has lost no byte of it.
"""

import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

import msgspec

from limpet_supervisor.model.tracebacks import Kind, Tracebacks

JSON_LINE: Final = 1024 * 1024
"""Bytes of a line after which the json format ends its object (with `"partial": true`) and begins another."""

_MARKS: Final = tuple(bytes((byte,)) for byte in range(0x7F, 0x22, -1) if byte != ord("\\"))

_OBJECT: Final = b'{"time":"'
"""How a line begins that is an object of `limpet.log`."""
_OBJECTS: Final = re.compile(rb'(?:^\{"time":"[^\n]*\}\n)+', re.MULTILINE)

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
    holding: bool
    """Whether it has kept back the beginning of a line, and wants the rest, or to hear that there is none."""

    @property
    def open(self) -> bool:
        """Whether the file ends inside a traceback, at the end of a line of it: `end` makes it complete."""
        ...

    def encode(self, data: bytes, *, in_line: bool, more: bool = False) -> bytes:
        """The bytes for the file.

        Args:
            data: what was written.
            in_line: the file ends inside a line, which `data` continues.
            more: the rest of its last line is there to be read at once.
        """
        ...

    def end(self, *, in_line: bool) -> bytes:
        """What ends the line or the traceback in which the file ends: what comes next is another's."""
        ...


class Raw:
    """Lines as they were written."""

    end_line: bytes = b"\n"
    holding = False
    open = False

    def encode(self, data: bytes, *, in_line: bool, more: bool = False) -> bytes:  # noqa: ARG002 - a Format
        """`data` itself."""
        return data

    def end(self, *, in_line: bool) -> bytes:
        """The line's end."""
        return b"\n" if in_line else b""


class Prefix:
    """`2026-11-23T06:00:00.123Z web.1 ` before each line; the time is that of the line's first byte.

    The lines of a traceback after its first have a tab in its place.
    """

    end_line: bytes = b"\n"
    holding = False

    def __init__(self, name: str) -> None:
        self._name = name
        self._tracebacks = Tracebacks()

    @property
    def open(self) -> bool:
        """See Format."""
        return self._tracebacks.open and not self._tracebacks.in_line

    def encode(self, data: bytes, *, in_line: bool, more: bool = False) -> bytes:  # noqa: ARG002 - a Format
        """`data` with a prefix at each beginning of a line."""
        prefix = f"{stamp()} {self._name} ".encode()
        blocks = []
        for kind, part in self._tracebacks.parts(data):
            begin = b"\t" if kind is Kind.GOES_ON else prefix
            separator = b"\n" + (prefix if kind is Kind.PLAIN else b"\t")
            ended = part.endswith(b"\n")
            block = part[:-1].replace(b"\n", separator) + b"\n" if ended else part.replace(b"\n", separator)
            blocks.append(block if in_line else begin + block)
            in_line = not ended
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def end(self, *, in_line: bool) -> bytes:
        """The line's end."""
        self._tracebacks.end()
        return b"\n" if in_line else b""


class Json:
    """`{"time":…,"process":…,"line":…}` for each line; bytes that are not UTF-8 become U+FFFD.

    A traceback is one object; each of its lines, the last one too, has its end in the text. It is written as
    it comes: a node that is killed inside it has lost nothing, and its successor goes on with the same
    object. A line that is an object of `limpet.log` already is that object.
    """

    end_line: bytes = b'"}\n'

    def __init__(self, name: str) -> None:
        self._name = msgspec.json.encode(name).decode()
        self.holding = False
        self._kept = b""  # the beginning of a character, or of a line, whose end has not come yet
        self._length = 0  # of the object that the last block ended in
        self._tracebacks = Tracebacks()
        self._in_traceback = False  # whether the object in the file that is not ended is one

    @property
    def open(self) -> bool:
        """See Format."""
        return self._in_traceback and not self._tracebacks.in_line

    def encode(self, data: bytes, *, in_line: bool, more: bool = False) -> bytes:
        """`data` as a continuation of the objects in the file."""
        data, self._kept = self._kept + data, b""
        last = data.rfind(b"\n") + 1
        self.holding = (
            more
            and last < len(data)
            and _OBJECT.startswith(data[last : last + len(_OBJECT)])
            and len(data) - last < JSON_LINE
            and not (in_line and not last)
            and not self._tracebacks.open
        )
        whole = last if self.holding else len(data) - unfinished(data)
        data, self._kept = data[:whole], data[whole:]
        head = f'{{"time":"{stamp()}","process":{self._name},"line":"'.encode()
        blocks = []
        for kind, part in self._tracebacks.parts(data):
            if kind is not Kind.GOES_ON and self._in_traceback:
                self._in_traceback = False
                if in_line:
                    blocks.append(self.end_line)
                    in_line = False
            if kind is Kind.PLAIN:
                blocks.append(self._plain(part, head, in_line=in_line))
                in_line = not blocks[-1].endswith(b"\n")
            else:
                self._in_traceback = True
                blocks.append(self._traceback(part, b"" if in_line else head))
                in_line = not blocks[-1].endswith(b"\n")
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def end(self, *, in_line: bool) -> bytes:
        """The object's end, and what was kept."""
        kept, self._kept = self._kept, b""
        self._tracebacks.end()
        self.holding = self._in_traceback = False
        self._length = 0
        if not kept:
            return self.end_line if in_line else b""
        head = f'{{"time":"{stamp()}","process":{self._name},"line":"'.encode()
        return self._lines(kept + b"\n", head, in_line=in_line)

    def _traceback(self, part: bytes, head: bytes) -> bytes:
        """Lines of one object, which stays open."""
        block = head + _escaped(part)
        self._length = len(block) if head else self._length + len(block)
        return self._bounded(block)

    def _plain(self, data: bytes, head: bytes, *, in_line: bool) -> bytes:
        """Lines that are no traceback's: those that are objects as they are, the others each as one."""
        if _OBJECT not in data:
            return self._lines(data, head, in_line=in_line)
        blocks = []
        begin = 0
        for match in _OBJECTS.finditer(data, data.find(b"\n") + 1 if in_line else 0):
            if (objects := self._objects(match[0])) is not None:
                if match.start() > begin:
                    blocks.append(self._lines(data[begin : match.start()], head, in_line=in_line))
                blocks.append(objects)
                begin, in_line = match.end(), False
                self._length = 0
        if begin < len(data):
            blocks.append(self._lines(data[begin:], head, in_line=in_line))
        return b"".join(blocks)

    def _objects(self, lines: bytes) -> bytes | None:
        """Lines that are objects, each with its process; None: they are none."""
        found = _decoded(lines)
        if found is not None and all(each.process for each in found):
            return lines
        several = _split(lines)
        if found is None:
            if len(several) == 1:
                return None
            head = f'{{"time":"{stamp()}","process":{self._name},"line":"'.encode()
            return b"".join(self._objects(line) or self._lines(line, head, in_line=False) for line in several)
        process = f',"process":{self._name}}}\n'.encode()
        return b"".join(
            line if each.process else line.rstrip()[:-1] + process
            for line, each in zip(several, found, strict=True)
        )

    def _lines(self, data: bytes, head: bytes, *, in_line: bool) -> bytes:
        """Each line as an object; the last one stays open if it has not ended."""
        last = data.rfind(b"\n")
        self._length = len(data) - last - 1 if last >= 0 else self._length + len(data)
        mark = _absent(data)
        ended = data.endswith(b"\n")
        text = (data[:-1] if ended else data).replace(b"\n", mark)
        block = _escaped(text).replace(mark, self.end_line + head)
        if not in_line and data:
            block = head + block
        return block + self.end_line if ended else self._bounded(block)

    def _bounded(self, block: bytes) -> bytes:
        """Ends an object that has become too long."""
        if self._length <= JSON_LINE:
            return block
        self._length = 0
        return block + b'","partial":true}\n'


def _decoded(lines: bytes) -> "list[_Object] | None":
    """The object of each line, which all begin as objects; None unless each line is exactly one."""
    try:
        str(lines, "utf-8")  # what is skipped is not looked at by the decoder
        found = _objects.decode_lines(lines)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if len(found) == lines.count(b"\n") else None


def _split(lines: bytes) -> list[bytes]:
    """Whole lines, each with its end."""
    return [line + b"\n" for line in lines[:-1].split(b"\n")]


def _escaped(data: bytes) -> bytes:
    """As the inside of a JSON string."""
    return msgspec.json.encode(data.decode("utf-8", "replace"))[1:-1]


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
    """What the process wrote, from a line of a file in this format; any other line as it is.

    Of a traceback in the json format these are several lines.
    """
    if form == "prefix":
        if line.startswith("\t"):
            return line[1:]
        if _stamp_of(line, 0):
            return line.split(" ", 2)[-1]
    elif form == "json" and line.startswith(_JSON_START) and _is_ours(line):
        for end in ("", '"}'):  # one that is not finished yet, too: what follows may be on its next line
            try:
                text = msgspec.json.decode(line + end, type=_JsonLine).line
            except msgspec.DecodeError:
                continue
            return text if end else text.removesuffix("\n")
    return line


def origin(line: str) -> tuple[str, float | None, str] | None:
    """Whose line of a file it is, when it came (Unix seconds) and what was written; None: it does not say."""
    if match := _PREFIXED.match(line):
        return match[2], _seconds(match[1]), line[match.end() :]
    if not line.startswith(_JSON_START):
        return None
    try:
        found = msgspec.json.decode(line, type=_Object)
    except msgspec.DecodeError:
        return None
    return found.process, _seconds(found.time), plain(line, "json")


def _is_ours(line: str) -> bool:
    """Whether an object is one of this module's: in those of applications the level follows on the time."""
    return line.startswith('","process":', line.find('"', len(_JSON_START)))


def time_of(line: str, form: str) -> float | None:
    """When a line of a file in this format came, in Unix seconds; None: it does not say."""
    if form == "raw":
        return None
    return _seconds(_stamp_of(line, 0 if form == "prefix" else len(_JSON_START)))


def _stamp_of(line: str, start: int) -> str:
    """The time that stands at `start`; empty: there is none."""
    end = line.find("Z", start, start + 28) + 1
    stamp = line[start:end]
    return stamp if len(stamp) >= 20 and stamp[4] == stamp[7] == "-" and stamp[10] == "T" else ""


def _seconds(stamp: str) -> float | None:
    try:
        return datetime.fromisoformat(stamp).timestamp() if stamp else None
    except ValueError:
        return None


_JSON_START: Final = _OBJECT.decode()
_PREFIXED: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([a-z][a-z0-9_-]*\.\d+) ")


class _JsonLine(msgspec.Struct):
    line: str


class _Object(msgspec.Struct):
    """What matters of an object that an application has written."""

    time: str
    process: str = ""


_objects: Final = msgspec.json.Decoder(_Object)
