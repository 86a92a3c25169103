"""Calls put into a function's bytecode, of CPython 3.11, which has no `sys.monitoring`.

A code object is taken apart into instructions that know their jump targets, their exception handlers and
their places in the source; calls are put in; and it is put together again. What the function does is not
changed: no frame is added, no jump, handler or line number moves, and it stays what it is (a generator, a
coroutine). Layouts: CPython 3.11's Objects/exception_handling_notes.txt and Objects/locations.md.
"""

import dis
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from types import CodeType
from typing import Any, Final

_EXTENDED: Final = 144
_STACK: Final = 8
"""What our calls take of the stack at the most, on top of what is there."""
_NO_PLACE: Final = (None, None, None, None)


class _Instruction:
    """One instruction; `target` stands in place of a jump's argument."""

    __slots__ = ("argument", "handler", "name", "offset", "place", "target")

    def __init__(self, name: str, argument: int = 0, place: Any = _NO_PLACE) -> None:
        self.name = name
        self.argument = argument
        self.place = place
        self.target: _Instruction | None = None
        self.handler: tuple[_Instruction, int, bool] | None = None
        """Where an exception here goes, the depth of the stack there, and whether it gets the offset."""
        self.offset = 0

    @property
    def caches(self) -> int:
        entries: Any = getattr(dis, "_inline_cache_entries", ())
        return int(entries[dis.opmap[self.name]])

    def units(self) -> int:
        """Its size in code units, with what extends its argument and with its caches."""
        return 1 + self.caches + _extensions(self.argument)


def instrumented(
    code: CodeType,
    *,
    lines: Mapping[int, Callable[[], None]] | None = None,
    entered: Callable[[], None] | None = None,
    left: Callable[[Any], None] | None = None,
    raised: Callable[[BaseException], None] | None = None,
) -> CodeType:
    """The same code, which calls what is given.

    Args:
        code: a function's.
        lines: called where the statements on these lines begin.
        entered: called when the function begins, before its first line; a generator, when first resumed.
        left: called with what it returns.
        raised: called with the exception that leaves it, which goes on.
    """
    instructions = _parsed(code)
    constants = list(code.co_consts)
    for offset, line in line_starts(code, lines or ()):
        assert lines is not None
        _insert(instructions, offset, _call(constants, lines[line]))
    if left is not None:
        for each in [each for each in instructions if each.name == "RETURN_VALUE"]:
            _insert(instructions, each, _call(constants, left, pops=1))
    begin = next(each for each in instructions if each.name == "RESUME")
    if raised is not None:
        _catch(instructions, begin, constants, raised)
    if entered is not None:
        first = instructions[instructions.index(begin) + 1]
        new = _call(constants, entered)
        _insert(instructions, first, new, jumps=False)
        for each in new:  # what it raises is none of the function's business
            each.handler = None
    return _assembled(code, instructions, constants)


def line_starts(code: CodeType, lines: Iterable[int]) -> list[tuple[int, int]]:
    """(offset, line) where statements on these lines begin, each once for each way through the code.

    A line that is come to again within its statement is left out: that of a call whose arguments stand on
    lines of their own, that of a loop or of a `with` when it ends. What is compiled twice, as the body of a
    `finally` is, begins twice.
    """
    wanted = set(lines)
    if not wanted:
        return []
    instructions = list(dis.get_instructions(code))
    resumed = next((each.offset for each in instructions if each.opname == "RESUME"), 0)
    before = {next_.offset: each.opname for each, next_ in pairwise(instructions)}
    names = {each.offset: each.opname for each in instructions}
    lines_of = {each.offset: each.positions.lineno if each.positions else None for each in instructions}
    jumped = {target for _, _, target, _, _ in handlers(code)}
    for each in instructions:
        if each.opcode in _JUMPS:
            back = each.argval <= each.offset
            if back or lines_of[each.offset] != lines_of[each.argval]:
                jumped.add(each.argval)
    found: list[tuple[int, int]] = []
    seen = set()
    for offset, line in dis.findlinestarts(code):
        if line not in wanted or offset <= resumed or names[offset] in _ENDS:
            continue
        caught = before[offset] == "PUSH_EXC_INFO"
        if line not in seen or caught or (offset in jumped and names[offset] != "PUSH_EXC_INFO"):
            seen.add(line)
            found.append((offset, line))
    return found


_ENDS: Final = frozenset({"END_ASYNC_FOR", "END_FOR", "END_SEND", "POP_EXCEPT", "POP_ITER", "POP_TOP"})
"""With these statements end, and none begins."""
_JUMPS: Final = frozenset((*dis.hasjrel, *dis.hasjabs))


def with_inner(code: CodeType) -> Iterator[CodeType]:
    """The code and all that stands in it: nested functions, comprehensions, classes."""
    yield code
    for constant in code.co_consts:
        if type(constant) is CodeType:
            yield from with_inner(constant)


# --- inserting ---------------------------------------------------------------------------------------------


def _call(constants: list[Any], function: Callable[..., None], *, pops: int = 0) -> list[_Instruction]:
    """A call of `function` that leaves the stack as it is; with `pops`, of its top, as the argument."""
    constants.append(function)
    argument = [_Instruction("COPY", 3)] * pops
    return [
        _Instruction("PUSH_NULL"),
        _Instruction("LOAD_CONST", len(constants) - 1),
        *argument,
        _Instruction("PRECALL", pops),
        _Instruction("CALL", pops),
        _Instruction("POP_TOP"),
    ]


def _insert(
    instructions: list[_Instruction],
    at: int | _Instruction,
    new: list[_Instruction],
    *,
    jumps: bool = True,
) -> None:
    """Puts `new` before the instruction that `at` is, or that was at that offset.

    What jumps there now comes to the new ones first, unless told otherwise, and they share its handler and
    its place in the source.
    """
    index = next(k for k, each in enumerate(instructions) if each is at or each.offset == at)
    old = instructions[index]
    for each in new:
        each.place = old.place
        each.handler = old.handler
        each.offset = -1
    if jumps:
        for each in instructions:
            if each.target is old:
                each.target = new[0]
            if each.handler is not None and each.handler[0] is old:
                each.handler = (new[0], *each.handler[1:])
    instructions[index:index] = new


def _catch(
    instructions: list[_Instruction],
    begin: _Instruction,
    constants: list[Any],
    raised: Callable[[BaseException], None],
) -> None:
    """Hands an exception that leaves the function from behind `begin` to `raised`, and raises it again.

    As the compiler does it for `except: …; raise`, with the same handler for what the call itself raises.
    """
    clean_up = [_Instruction("COPY", 3), _Instruction("POP_EXCEPT"), _Instruction("RERAISE", 1)]
    handle = [
        _Instruction("PUSH_EXC_INFO"),
        *_call(constants, raised, pops=1),
        _Instruction("SWAP", 2),
        _Instruction("POP_EXCEPT"),
        _Instruction("RERAISE", 1),
    ]
    for each in handle[1:-2]:
        each.handler = (clean_up[0], 2, True)
    for each in instructions[instructions.index(begin) + 1 :]:
        if each.handler is None:
            each.handler = (handle[0], 0, True)
    instructions += handle + clean_up


# --- taking apart ------------------------------------------------------------------------------------------


def _parsed(code: CodeType) -> list[_Instruction]:
    raw = code.co_code
    places = list(code.co_positions())
    found: dict[int, _Instruction] = {}
    jumps: list[tuple[_Instruction, int]] = []
    argument = 0
    start: int | None = None
    offset = 0
    while offset < len(raw):
        number, low = raw[offset], raw[offset + 1]
        start = offset if start is None else start
        argument = argument << 8 | low
        if number == _EXTENDED:
            offset += 2
            continue
        each = _Instruction(dis.opname[number], argument, places[offset // 2])
        # A jump to an instruction goes to what extends it.
        each.offset = start
        found[start] = each
        offset += 2 + 2 * each.caches
        if number in dis.hasjrel:
            jumps.append((each, offset + 2 * (-argument if "BACKWARD" in each.name else argument)))
        argument, start = 0, None
    for each, target in jumps:
        each.target = found[target]
    for begin, end, target, depth, lasti in handlers(code):
        for each in found.values():
            if begin <= each.offset < end:
                each.handler = (found[target], depth, lasti)
    return list(found.values())


def handlers(code: CodeType) -> Iterator[tuple[int, int, int, int, bool]]:
    """(begin, end, target, depth, lasti) of the exception table; offsets in bytes."""
    table = iter(code.co_exceptiontable)

    def number(first: int) -> int:
        value = first & 63
        while first & 64:
            first = next(table)
            value = value << 6 | first & 63
        return value

    for first in table:
        begin = 2 * number(first)
        size = 2 * number(next(table))
        target = 2 * number(next(table))
        depth = number(next(table))
        yield begin, begin + size, target, depth >> 1, bool(depth & 1)


# --- putting together --------------------------------------------------------------------------------------


def _assembled(code: CodeType, instructions: list[_Instruction], constants: list[Any]) -> CodeType:
    _settle(instructions)
    raw = bytearray()
    places = bytearray()
    line = code.co_firstlineno
    for each in instructions:
        for shift in range(_extensions(each.argument), 0, -1):
            raw += bytes((_EXTENDED, each.argument >> 8 * shift & 255))
        raw += bytes((dis.opmap[each.name], each.argument & 255)) + bytes(2 * each.caches)
        line = _put_place(places, each.units(), each.place, line)
    return code.replace(
        co_code=bytes(raw),
        co_consts=tuple(constants),
        co_exceptiontable=_exception_table(instructions, len(raw)),
        co_linetable=bytes(places),
        co_stacksize=code.co_stacksize + _STACK,
    )


def _settle(instructions: list[_Instruction]) -> None:
    """Sets offsets and the arguments of jumps, which grow with the distance, and the distance with them."""
    moved = True
    while moved:
        moved = False
        offset = 0
        for each in instructions:
            each.offset = offset
            offset += 2 * each.units()
        for each in instructions:
            if each.target is None:
                continue
            distance = (each.target.offset - each.offset) // 2 - each.units()
            argument = -distance if "BACKWARD" in each.name else distance
            assert argument >= 0
            # Never smaller again: so this ends.
            size = max(_extensions(argument), _extensions(each.argument))
            moved = moved or size != _extensions(each.argument) or argument != each.argument
            each.argument = argument


def _extensions(argument: int) -> int:
    """How many instructions extend it."""
    return (argument > 0xFF) + (argument > 0xFFFF) + (argument > 0xFFFFFF)


def _exception_table(instructions: list[_Instruction], size: int) -> bytes:
    table = bytearray()
    ranges: list[tuple[int, int, tuple[_Instruction, int, bool]]] = []
    ends = [each.offset for each in instructions[1:]] + [size]
    for each, end in zip(instructions, ends, strict=True):
        if each.handler is None:
            continue
        if ranges and ranges[-1][1] == each.offset and ranges[-1][2] == each.handler:
            ranges[-1] = (ranges[-1][0], end, each.handler)
        else:
            ranges.append((each.offset, end, each.handler))
    for begin, end, (target, depth, lasti) in ranges:
        _put_number(table, begin // 2, 128)
        _put_number(table, (end - begin) // 2)
        _put_number(table, target.offset // 2)
        _put_number(table, depth << 1 | lasti)
    return bytes(table)


def _put_number(table: bytearray, value: int, mark: int = 0) -> None:
    """A number, its most significant six bits first; `mark` is in the first byte of an entry."""
    parts = [value & 63]
    while value := value >> 6:
        parts.insert(0, value & 63)
    parts[:-1] = [part | 64 for part in parts[:-1]]
    parts[0] |= mark
    table.extend(parts)


def _put_place(table: bytearray, units: int, place: Any, line: int) -> int:
    """The place in the source of so many code units; the line that the next one is told relative to."""
    begin, end, column, last = place
    while units > 0:
        count = min(units, 8)
        units -= count
        if begin is None:
            table.append(0x80 | 15 << 3 | count - 1)
            continue
        if column is None or last is None or end is None:
            table.append(0x80 | 13 << 3 | count - 1)
            _put_signed(table, begin - line)
        else:
            table.append(0x80 | 14 << 3 | count - 1)
            _put_signed(table, begin - line)
            _put_unsigned(table, end - begin)
            _put_unsigned(table, column + 1)
            _put_unsigned(table, last + 1)
        line = begin
    return line


def _put_unsigned(table: bytearray, value: int) -> None:
    """A number, its least significant six bits first."""
    while value >= 64:
        table.append(64 | value & 63)
        value >>= 6
    table.append(value)


def _put_signed(table: bytearray, value: int) -> None:
    _put_unsigned(table, -value << 1 | 1 if value < 0 else value << 1)
