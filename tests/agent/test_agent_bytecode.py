"""Calls put into bytecode change nothing of what a function does: CPython 3.11, where probes are set so."""

import dis
import email
import inspect
import json
import os
import sys
from collections.abc import Callable
from glob import glob
from types import CodeType, FunctionType
from typing import Any

import pytest

from limpet.stage1.bytecode import handlers, instrumented, with_inner

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 12), reason="later versions have sys.monitoring")


def library() -> list[CodeType]:
    """All code of some modules of the standard library that have everything in them."""
    names = ("argparse", "contextlib", "dataclasses", "inspect", "asyncio/*", "email/*", "typing", "zipfile")
    files = [file for name in names for file in glob(f"{os.path.dirname(inspect.__file__)}/{name}.py")]
    found = []
    for file in files:
        with open(file, "rb") as source:
            found += with_inner(compile(source.read(), file, "exec", dont_inherit=True))
    return found


def test_code_that_is_taken_apart_and_put_together_is_the_same() -> None:
    codes = library()
    assert len(codes) > 1000
    for code in codes:
        same = instrumented(code)
        assert same.co_code == code.co_code
        assert list(same.co_positions()) == list(code.co_positions())
        assert list(handlers(same)) == list(handlers(code))


class Probed:
    """Counts what a function's hooks are told."""

    def __init__(self, function: FunctionType) -> None:
        self.calls: list[Any] = []
        self.lines = 0
        lines = {line: self._line for _, line in dis.findlinestarts(function.__code__) if line}
        function.__code__ = instrumented(
            function.__code__,
            lines=lines,
            entered=lambda: self.calls.append("in"),
            left=self.calls.append,
            raised=lambda error: self.calls.append(type(error)),
        )

    def _line(self) -> None:
        self.lines += 1


def copied(function: Callable[..., Any]) -> FunctionType:
    assert isinstance(function, FunctionType)
    copy = FunctionType(
        function.__code__, function.__globals__, None, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def test_what_it_returns_raises_yields_and_where_is_the_same_and_told() -> None:
    def mixed(n: int) -> Any:
        try:
            with pytest.raises(KeyError):
                raise KeyError(n)
            return [k for k in range(n) if k] or 1 / 0
        except ZeroDivisionError as error:
            raise ValueError(n) from error
        finally:
            n += 1

    def numbers(n: int) -> Any:
        got = yield n
        try:
            yield from range(got)
        except KeyError:
            yield "caught"

    probed = Probed(mixed)  # type: ignore[arg-type]
    assert mixed(3) == [1, 2]
    with pytest.raises(ValueError, match="0") as caught:
        mixed(0)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.traceback[-1].lineno == mixed.__code__.co_firstlineno + 5
    assert sys.exc_info() == (None, None, None)
    assert probed.calls == ["in", [1, 2], "in", ValueError]
    probed = Probed(numbers)  # type: ignore[arg-type]
    running = numbers(7)
    assert (next(running), running.send(2), running.throw(KeyError), list(running)) == (7, 0, "caught", [])
    assert probed.calls == ["in", None]
    assert probed.lines > 3
    running = numbers(7)
    next(running)
    running.close()
    assert probed.calls[2:] == ["in", GeneratorExit]
    assert inspect.isgeneratorfunction(numbers)


def test_library_functions_with_a_call_on_every_line_do_their_work() -> None:
    functions = [copied(each) for each in (json.dumps, email.message_from_string, inspect.signature)]
    probes = [Probed(each) for each in functions]
    dumps, message, signature = functions
    assert dumps({"a": [1, None]}, indent=1) == json.dumps({"a": [1, None]}, indent=1)
    assert message("A: b\n\nc").get_payload() == "c"
    assert signature(library) == inspect.signature(library)
    assert all(probed.calls[0] == "in" and len(probed.calls) == 2 and probed.lines for probed in probes)
