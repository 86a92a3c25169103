"""What differs between two versions of a module's code: function bodies, which can be exchanged, or more.

Both are compared as the interpreter executes them: what a module or class does when it is executed must be
the same, instruction for instruction, but for the code of the functions that it makes.
"""

import ast
import dis
from collections.abc import Iterator
from itertools import zip_longest
from types import CodeType
from typing import Any, Final, NamedTuple

from .bytecode import handlers, with_inner

_FUNCTION: Final = 0x3
"""CO_OPTIMIZED and CO_NEWLOCALS: it has local variables of its own, as a class has not."""
_KIND: Final = 0x04 | 0x08 | 0x20 | 0x80 | 0x100 | 0x200
"""Flags that callers notice: *args, **kwargs, generator, coroutine, iterable coroutine, async generator."""
_EXECUTED: Final = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<generic parameters of ")
_IGNORED: Final = frozenset({"__doc__", "__firstlineno__", "__static_attributes__"})
"""Names that a module or class stores of itself and that may differ."""
_STATEMENT: Final = 60
"""Characters of a statement that is told."""


class Bodies(NamedTuple):
    """What a new version is, compared with an old one.

    Attributes:
        pairs: the code of each function of the old one, and of the same one in the new.
        added: functions at the top of the module that are new, by name.
        refused: what else has changed, in words.
    """

    pairs: list[tuple[CodeType, CodeType]]
    added: dict[str, ast.stmt]
    refused: list[str]


def compared(old: CodeType, source: str, file: str) -> Bodies:
    """`old`, a module's code, compared with a new source.

    Raises:
        SyntaxError: it is none.
    """
    tree = compile(source, file, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    assert isinstance(tree, ast.Module)
    known = {constant.co_name for constant in old.co_consts if type(constant) is CodeType}
    added: dict[str, ast.stmt] = {}
    refused: list[str] = []
    for node in list(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name not in known:
            if node.decorator_list:
                refused.append(f"{node.name} is new and has a decorator, which would be executed")
            added[node.name] = node
            tree.body.remove(node)
    statements = list(tree.body)
    new = compile(tree, file, "exec", dont_inherit=True)
    pairs: list[tuple[CodeType, CodeType]] = []
    refused += _differences(old, new, statements, pairs)
    return Bodies(pairs, added, refused)


def nested_pairs(pairs: list[tuple[CodeType, CodeType]]) -> Iterator[tuple[CodeType, CodeType]]:
    """The same for what stands in functions: closures that exist get the new code where it fits."""
    for old, new in pairs:
        yield old, new
        olds, news = _by_name(old), _by_name(new)
        for name, codes in olds.items():
            others = news.get(name, [])
            if len(codes) == len(others):
                for each, other in zip(codes, others, strict=True):
                    if _signature(each) == _signature(other):
                        yield each, other


def same_body(old: CodeType, new: CodeType) -> bool:
    """Whether both do the same; only their lines may differ."""
    if _signature(old) != _signature(new):
        return False
    inner = [
        (each, other)
        for each, other in zip_longest(old.co_consts, new.co_consts)
        if type(each) is CodeType or type(other) is CodeType
    ]
    return _first_difference(old, new, _inner_token) is None and all(
        type(each) is CodeType and type(other) is CodeType and same_body(each, other) for each, other in inner
    )


def is_function(code: CodeType) -> bool:
    """Whether it is the code of a function, a method or a lambda."""
    return code.co_flags & _FUNCTION == _FUNCTION and not code.co_name.startswith(_EXECUTED)


def _differences(
    old: CodeType, new: CodeType, statements: list[ast.stmt], pairs: list[tuple[CodeType, CodeType]]
) -> Iterator[str]:
    """What differs in what is executed; functions that are the same but for their bodies go to `pairs`."""
    olds, news = _loaded_codes(old), _loaded_codes(new)
    kept = {each.co_qualname for each in news}
    gone = [each.co_qualname for each in olds if each.co_qualname not in kept]
    line = _first_difference(old, new, _token)
    if gone:
        yield from (f"{name} is gone" for name in gone)
        return
    if line is not None:
        yield _described(statements, line)
        return
    for each, other in zip(olds, news, strict=True):
        if is_function(each):
            pairs.append((each, other))
        else:
            yield from _differences(each, other, statements, pairs)


def _loaded_codes(code: CodeType) -> list[CodeType]:
    """The code constants in the order in which they are loaded."""
    return [each.argval for each in dis.get_instructions(code) if type(each.argval) is CodeType]


def _first_difference(old: CodeType, new: CodeType, token: Any) -> int | None:
    """Line in the new source of the first instruction that differs, or its last line; None if none does."""
    line = new.co_firstlineno
    for each, other in zip_longest(_executed(old, token), _executed(new, token)):
        if other is not None:
            line = other[1] or line
        if each is None or other is None or each[0] != other[0]:
            return line
    return None


def _executed(code: CodeType, token: Any) -> list[tuple[Any, int]]:
    """(what is compared, line) of each instruction."""
    instructions = [each for each in dis.get_instructions(code) if each.opname != "EXTENDED_ARG"]
    index = {each.offset: k for k, each in enumerate(instructions)}
    caught = {index.get(begin): (index.get(target), depth) for begin, _, target, depth, _ in handlers(code)}
    found = []
    for k, each in enumerate(instructions):
        stored = instructions[k + 1].argval if k + 1 < len(instructions) else None
        value: Any = each.argval
        if each.opcode in dis.hasjrel or each.opcode in dis.hasjabs:
            value = index.get(value, -1) - k
        elif each.opcode in dis.hasconst:
            value = "ignored" if stored in _IGNORED and not code.co_flags & 2 else token(value)
        line = each.positions.lineno if each.positions else 0
        found.append(((each.opname, value, caught.get(k)), line or 0))
    return found


def _token(value: Any) -> Any:
    """A constant, to be compared: of a function its signature, for its body may differ."""
    if type(value) is CodeType:
        return _signature(value) if is_function(value) else ("code", value.co_qualname)
    if type(value) is tuple:
        return ("tuple", *map(_token, value))
    if type(value) is frozenset:
        return ("frozenset", frozenset(map(_token, value)))
    return type(value).__name__, repr(value)


def _inner_token(value: Any) -> Any:
    """The same within a function: what stands in it is compared by itself."""
    return ("code", value.co_qualname) if type(value) is CodeType else _token(value)


def _signature(code: CodeType) -> tuple[Any, ...]:
    flags = code.co_flags & _KIND
    count = code.co_argcount + code.co_kwonlyargcount + bool(flags & 0x04) + bool(flags & 0x08)
    return (
        code.co_qualname,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        flags,
        code.co_varnames[:count],
        code.co_freevars,
    )


def _by_name(code: CodeType) -> dict[str, list[CodeType]]:
    found: dict[str, list[CodeType]] = {}
    for each in with_inner(code):
        if each is not code and is_function(each):
            found.setdefault(each.co_qualname, []).append(each)
    return found


def _described(statements: list[ast.stmt], line: int) -> str:
    """The statement on that line of the new source, as one that cannot be changed."""
    path: list[str] = []
    inner: list[ast.stmt] = statements
    found: ast.stmt | None = None
    while below := next((each for each in inner if _begin(each) <= line <= (each.end_lineno or 0)), None):
        found = below
        if not isinstance(below, ast.ClassDef) or line <= below.lineno:
            break
        path.append(below.name)
        inner = below.body
    match found:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            what = f"{'.'.join([*path, name])}: its signature, defaults, decorators or kind" + (
                ", or it is a new method" if path else ""
            )
        case ast.ClassDef(name=name):
            what = f"class {name}: its bases or decorators, or it is new"
        case ast.Import() | ast.ImportFrom():
            what = "an import"
        case None:
            what = "what is executed"
        case _:
            what = f"{'.'.join(path)}{': ' if path else ''}{ast.unparse(found)[:_STATEMENT]}"
    return f"line {line}: {what}"


def _begin(node: ast.stmt) -> int:
    """Its first line, decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min(node.lineno, *(each.lineno for each in decorators), node.lineno)
