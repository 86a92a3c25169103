"""Conditions of probes: an expression over a frame's names, evaluated in the application's own threads."""

import ast
from types import CodeType, FrameType, FunctionType
from typing import Any

from .frames import variables
from .interrupt import Interrupted
from .probes import is_sent
from .tracebacks import summary

_GENERATOR_OR_COROUTINE = 0x20 | 0x80 | 0x200


class Predicate:
    """An expression. One that raises is not true, and is told; nothing of it reaches the application.

    Args:
        source: it may use the frame's local names, and the names of its module.

    Raises:
        SyntaxError: it is no expression, or one that awaits or yields.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.failed = 0
        """How often it has raised."""
        self.failure = ""
        """What it raised first."""
        self._tree = ast.parse(source.strip(), "<condition>", "eval")
        self._names = {node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)}
        self._codes: dict[int, tuple[CodeType, tuple[str, ...]]] = {}
        if self._compiled(()).co_flags & _GENERATOR_OR_COROUTINE:
            raise SyntaxError("a condition neither awaits nor yields")

    def holds(self, frame: FrameType) -> bool:
        """Whether it is true of the frame."""
        code = frame.f_code
        known = self._codes.get(id(code))
        if known is None:
            local_names = {*code.co_varnames, *code.co_cellvars, *code.co_freevars}
            names = tuple(sorted(self._names & local_names))
            known = self._codes[id(code)] = self._compiled(names), names
        try:
            local = variables(frame) if known[1] else {}
            for name in known[1]:
                if name not in local:
                    raise NameError(f"name {name!r} is not bound yet")  # noqa: TRY301 - told as what it raises is
            function = FunctionType(known[0], frame.f_globals)
            return bool(function(*[local[name] for name in known[1]]))
        except Interrupted:
            raise
        except BaseException as error:
            if is_sent(error):
                raise
            self.failed += 1
            self.failure = self.failure or summary(error)
            return False

    def _compiled(self, names: tuple[str, ...]) -> CodeType:
        """A function of these names: so what is nested in the expression sees them, too."""
        arguments = ast.arguments(
            posonlyargs=[], args=[ast.arg(name) for name in names], kwonlyargs=[], kw_defaults=[], defaults=[]
        )
        tree = ast.Expression(ast.Lambda(arguments, self._tree.body))
        code: Any = compile(ast.fix_missing_locations(tree), "<condition>", "eval", dont_inherit=True)
        return next(constant for constant in code.co_consts if type(constant) is CodeType)
