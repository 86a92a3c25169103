"""Where functions, classes and modules are written, and their lines: found without asking them.

`inspect.getsourcelines` asks each loaded module for its `__file__`: one that loads itself when it is touched
would do so.
"""

import ast
import inspect
import linecache
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from types import FunctionType, MethodType, ModuleType
from typing import Any

from .static import WRAPPED, is_a, names_of, own_names


def place_of(thing: Any) -> str:
    """`file:line` where the object, or its class, is written; empty if that is not known."""
    subject = subject_of(thing)
    file, names = _file(subject)
    if not file or not (os.path.exists(file) or file in linecache.cache or "__loader__" in names):
        return ""
    line = None
    if is_a(subject, FunctionType):
        line = subject.__code__.co_firstlineno
    elif is_a(subject, type):
        line = names_of(subject).get("__firstlineno__")  # 3.13
    return file if line is None else f"{file}:{line}"


def lines_of(thing: Any) -> str:
    """The source of what is asked for, or of its class; empty if it is not there."""
    subject = subject_of(thing)
    file, names = _file(subject)
    if not file:
        return ""
    linecache.checkcache(file)
    lines = linecache.getlines(file, names)
    if is_a(subject, ModuleType):
        return "".join(lines)
    if is_a(subject, FunctionType):
        first = subject.__code__.co_firstlineno
    else:
        first = names_of(subject).get("__firstlineno__") or _class_line(lines, subject)
    if not 0 < first <= len(lines):
        return ""
    return "".join(inspect.getblock(lines[first - 1 :]))


def subject_of(thing: Any) -> Any:
    """A function, class or module: the function behind a method or decorators, the class of anything else."""
    if is_a(thing, MethodType):
        thing = thing.__func__
    for _ in range(WRAPPED):
        if not is_a(thing, FunctionType) or not is_a(own_names(thing).get("__wrapped__"), FunctionType):
            break
        thing = own_names(thing)["__wrapped__"]
    return thing if is_a(thing, type, ModuleType, FunctionType) else type(thing)


def _file(subject: Any) -> tuple[str, dict[str, Any]]:
    """The file in which it is written, empty if in none, and the names of its module."""
    if is_a(subject, FunctionType):
        return subject.__code__.co_filename, subject.__globals__
    module = subject if is_a(subject, ModuleType) else None
    if module is None:
        name = names_of(subject).get("__module__")
        module = sys.modules.get(name) if type(name) is str else None
    names = own_names(module) if is_a(module, ModuleType) else {}
    file = names.get("__file__")
    if type(file) is not str or file.endswith(tuple(EXTENSION_SUFFIXES)):
        return "", {}
    return file, names


def _class_line(lines: list[str], cls: type) -> int:
    """Where the class begins, with its decorators; 0 if it is not found."""
    wanted = names_of(cls).get("__qualname__") or type.__dict__["__qualname__"].__get__(cls)
    pending: list[tuple[ast.AST, str]]
    try:
        pending = [(ast.parse("".join(lines)), "")]
    except SyntaxError:
        return 0
    while pending:
        node, prefix = pending.pop(0)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{prefix}{node.name}"
            if name == wanted and isinstance(node, ast.ClassDef):
                return min([node.lineno, *(each.lineno for each in node.decorator_list)])
            prefix = f"{name}." if isinstance(node, ast.ClassDef) else f"{name}.<locals>."
        pending += [(child, prefix) for child in ast.iter_child_nodes(node)]
    return 0
