"""Names followed to objects, as far as that runs none of the application's code.

They are looked up in instance dictionaries, class dictionaries and module globals only: a property, a
descriptor, `__getattr__` or `__getitem__` of the application's is never called, so what is loaded when it is
first touched stays as it is.
"""

import ast
import builtins
import sys
from types import FunctionType, MemberDescriptorType, ModuleType
from typing import Any

from .static import ROUTINES, found_in, is_a, looked_up


class Unresolved(LookupError):
    """A name that cannot be followed without running code."""


def resolve(expression: str, namespace: dict[str, Any]) -> Any:
    """The object that a dotted name, with constant subscripts, stands for.

    Raises:
        Unresolved: there is none, or code would have to run.
    """
    try:
        return _follow(ast.parse(expression.strip(), mode="eval").body, namespace)
    except (
        SyntaxError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise Unresolved(expression) from error


def _follow(node: ast.expr, namespace: dict[str, Any]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        if node.id in namespace:
            return namespace[node.id]
        if hasattr(builtins, node.id):
            return getattr(builtins, node.id)
        return sys.modules[node.id]  # it would be imported, and is there already
    if isinstance(node, ast.Attribute):
        return _attribute(_follow(node.value, namespace), node.attr)
    if isinstance(node, ast.Subscript):
        thing = _follow(node.value, namespace)
        key = ast.literal_eval(node.slice)
        for base in (dict, list, tuple, str):
            if is_a(thing, base) and looked_up(type(thing), "__getitem__") is base.__dict__["__getitem__"]:
                return base.__getitem__(thing, key)
    raise Unresolved


def _attribute(thing: Any, name: str) -> Any:
    if is_a(thing, ModuleType):
        names = object.__getattribute__(thing, "__dict__")
        if name in names:
            return names[name]
        return sys.modules[f"{names['__name__']}.{name}"]
    found = found_in(thing, name)
    if is_a(found, MemberDescriptorType):  # a slot
        return found.__get__(thing)
    if is_a(found, staticmethod, classmethod):
        return found.__func__
    if is_a(found, FunctionType) and not is_a(thing, type):
        return found.__get__(thing)  # a bound method: without self in its signature
    if not is_a(found, type, *ROUTINES) and looked_up(type(found), "__get__") is not None:
        raise Unresolved
    return found
