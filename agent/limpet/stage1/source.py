"""Whether a block is complete, and its compilation: statements, then the last expression by itself."""

import __future__

import ast
import linecache
import re
from collections.abc import Callable
from types import CodeType
from typing import Any, Final

_AWAIT: Final = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_INCOMPLETE: Final = 0x4000
"""PyCF_ALLOW_INCOMPLETE_INPUT, as `codeop` has it; that module would swap the warnings filters meanwhile."""
_FUTURES: Final = sum(
    getattr(__future__, name).compiler_flag
    for name in __future__.all_feature_names
    if name != "barry_as_FLUFL"
)
_CO_COROUTINE: Final = 0x80
_DEDENTING: Final = re.compile(r"\s*(?:return|raise|pass|break|continue)\b")


class Block:
    """A compiled block.

    Attributes:
        codes: to be executed in order; the last one gives the value, if `has_value`.
        awaits: whether any of them is a coroutine's.
        flags: `from __future__` imports in force after it.
    """

    def __init__(self, codes: list[CodeType], *, has_value: bool, flags: int) -> None:
        self.codes = codes
        self.has_value = has_value
        self.awaits = any(code.co_flags & _CO_COROUTINE for code in codes)
        self.flags = flags

    def run(self, namespace: dict[str, Any]) -> Any:
        """Executes it; returns the value, or None."""
        value = None
        for code in self.codes:
            value = eval(code, namespace)  # noqa: S307 - what a console is for
        return value if self.has_value else None

    async def steps(self, namespace: dict[str, Any]) -> Any:
        """As `run`, with awaits."""
        value = None
        for code in self.codes:
            value = eval(code, namespace)  # noqa: S307 - what a console is for
            if code.co_flags & _CO_COROUTINE:
                value = await value
        return value if self.has_value else None


def remember(source: str, name: str) -> None:
    """Lets tracebacks and `inspect` show lines of `source` under the file name `name`."""
    lines = [line + "\n" for line in source.splitlines()]
    linecache.cache[name] = (len(source), None, lines, name)


def forget(prefix: str) -> None:
    """Forgets the sources whose file names begin with `prefix`."""
    for name in [name for name in list(linecache.cache) if name.startswith(prefix)]:
        linecache.cache.pop(name, None)


def compile_block(source: str, name: str, flags: int, prepare: Callable[[ast.Module], None]) -> Block:
    """The block, after `prepare` has seen its tree.

    Raises:
        SyntaxError: it is none.
    """
    remember(source, name)
    tree = compile(source, name, "exec", ast.PyCF_ONLY_AST | _AWAIT | flags, dont_inherit=True)
    prepare(tree)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    codes = []
    if tree.body:
        code = compile(tree, name, "exec", _AWAIT | flags, dont_inherit=True)
        flags |= code.co_flags & _FUTURES
        codes.append(code)
    if last is not None:
        codes.append(compile(last, name, "eval", _AWAIT | flags, dont_inherit=True))
    return Block(codes, has_value=last is not None, flags=flags)


def check(source: str, flags: int) -> tuple[str, str, int]:
    """`complete`, `incomplete` or `invalid` by this Python's grammar; the error; the next line's indentation.

    A block of several lines is complete after an empty one, as at Python's own prompt.
    """
    try:
        compile(
            source + "\n",
            "<input>",
            "exec",
            ast.PyCF_ONLY_AST | _INCOMPLETE | _AWAIT | flags,
            dont_inherit=True,
        )
    except SyntaxError as error:
        if error.msg == "incomplete input":
            return "incomplete", "", _indentation(source)
        return "invalid", f"{type(error).__name__}: {error.msg}", 0
    except (OverflowError, ValueError, MemoryError, RecursionError) as error:
        return "invalid", f"{type(error).__name__}: {error}", 0
    lines = source.split("\n")
    if len(lines) > 1 and lines[-1].strip() and lines[-1][:1] in " \t" and _in_block(source):
        return "incomplete", "", _indentation(source)
    return "complete", "", 0


def _in_block(source: str) -> bool:
    """Whether the last line belongs to a compound statement, not to an expression in brackets."""
    tree = compile(source + "\n", "<input>", "exec", ast.PyCF_ONLY_AST | _AWAIT, dont_inherit=True)
    last = tree.body[-1] if tree.body else None
    return isinstance(
        last,
        ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.If | ast.For | ast.AsyncFor | ast.While
        | ast.With | ast.AsyncWith | ast.Try | ast.TryStar | ast.Match,
    )  # fmt: skip


def _indentation(source: str) -> int:
    last = source.rpartition("\n")[2]
    spaces = len(last) - len(last.lstrip(" "))
    if last.rstrip().endswith(":"):
        return spaces + 4
    if last.rstrip().endswith(("(", "[", "{")):
        return spaces + 4
    if _DEDENTING.match(last):
        return max(spaces - 4, 0)
    return spaces
