"""Completion and signatures that run none of the application's code.

Names are resolved through instance dictionaries, class dictionaries and module globals only: a property, a
descriptor, `__getattr__` or `__getitem__` of the application's is never called, so completing a lazily loaded
attribute loads nothing.
"""

import ast
import builtins
import inspect
import keyword
import os
import re
import sys
from importlib.machinery import all_suffixes
from types import FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any, Final

from .static import ROUTINES, attributes, documentation_of, is_a, kind, looked_up, signature_of

LIMIT: Final = 300
"""Completions at the most."""
_KEYS: Final = 2000
"""Keys of a dictionary that are looked at."""
_IMPORT_FROM: Final = re.compile(r"^\s*from\s+([\w.]+)\s+import\s+(?:\(?[\w\s,]*,\s*|\(?\s*)(\w*)$")
_IMPORT: Final = re.compile(r"^\s*(?:import\s+(?:[\w.\s]+,\s*)*|from\s+)([\w.]*)$")
_KEY: Final = re.compile(r"([A-Za-z_][\w.\[\]'\"]*)\[\s*([^\[\]]*)$")
_DOTTED: Final = re.compile(
    r"((?:[^\W\d]\w*(?:\[[^\[\]()]*\])*)(?:\.[^\W\d]\w*(?:\[[^\[\]()]*\])*)*)\.(\w*)$"
)
_NAME: Final = re.compile(r"([^\W\d]\w*)?$")
_CALLEE: Final = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*|\[[^\[\]()]*\])*)\s*$")


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
    found = inspect.getattr_static(thing, name)
    if is_a(found, MemberDescriptorType):  # a slot
        return found.__get__(thing)
    if is_a(found, staticmethod, classmethod):
        return found.__func__
    if is_a(found, FunctionType) and not is_a(thing, type):
        return found.__get__(thing)  # a bound method: without self in its signature
    if not is_a(found, type, *ROUTINES) and looked_up(type(found), "__get__") is not None:
        raise Unresolved
    return found


def complete(source: str, namespace: dict[str, Any]) -> tuple[int, list[tuple[str, str]]]:
    """How many last characters of `source` are replaced, and by what: (text, kind) pairs."""
    line = source.rpartition("\n")[2]
    quote, brackets = _scan(source)
    if match := _IMPORT_FROM.match(line):
        return len(match[2]), _matching(_importable_names(match[1]), match[2])
    if match := _IMPORT.match(line):
        return len(match[1]), _limited([(name, "module") for name in _modules(match[1])])
    if brackets and source[brackets[-1]] == "[" and (match := _KEY.search(line)):
        keys = _keys(match[1], match[2], namespace)
        if keys:
            return len(match[2]), keys
    if quote:
        return 0, []
    if match := _DOTTED.search(line):
        try:
            thing = resolve(match[1], namespace)
        except Unresolved:
            return len(match[2]), []
        return len(match[2]), _attributes(thing, match[2])
    if re.search(r"[\w\])'\"]\s*\.\s*\w*$", line):  # an attribute of what cannot be followed
        return 0, []
    match = _NAME.search(line)
    prefix = (match[1] if match else "") or ""
    if not prefix and line.rstrip()[-1:] in set(")]}\"'"):  # an operator comes next, no name
        return 0, []
    items: list[tuple[str, str]] = []
    if brackets and source[brackets[-1]] == "(":
        items += _parameters(source[: brackets[-1]], prefix, namespace)
    names = dict.fromkeys(namespace, "")
    names.pop("__builtins__", None)
    for name in names:
        names[name] = kind(namespace[name])
    if prefix:
        names.update((name, "keyword") for name in keyword.kwlist if name not in names)
        names.update((name, kind(value)) for name, value in vars(builtins).items() if name not in names)
        loaded = [name for name in list(sys.modules) if "." not in name and name not in names]
        names.update((name, "module") for name in loaded if name.startswith(prefix))
    shown = _limited(sorted((name, what) for name, what in names.items() if _fits(name, prefix)))
    return len(prefix), (items + shown)[:LIMIT]


def signature(source: str, namespace: dict[str, Any]) -> tuple[str, str]:
    """Signature and first paragraph of documentation of the call that the end of `source` stands in."""
    _quote, brackets = _scan(source)
    for position in reversed(brackets):
        if source[position] != "(":
            continue
        match = _CALLEE.search(source[:position])
        if match is None or keyword.iskeyword(match[1]):
            continue
        try:
            thing = resolve(match[1], namespace)
        except Unresolved:
            return "", ""
        if not is_a(thing, type, *ROUTINES):
            return "", ""
        return signature_of(thing), documentation_of(thing).split("\n\n")[0][:400]
    return "", ""


def _fits(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and (prefix.startswith("_") or not name.startswith("_"))


def _limited(items: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return items[:LIMIT]


def _matching(names: dict[str, str], prefix: str) -> list[tuple[str, str]]:
    return _limited(sorted((name, what) for name, what in names.items() if _fits(name, prefix)))


def _attributes(thing: Any, prefix: str) -> list[tuple[str, str]]:
    names = {name: "" for name in attributes(thing) if _fits(name, prefix)}
    if is_a(thing, ModuleType):
        names.update((name, "module") for name in _submodules(thing) if _fits(name, prefix))
    items = []
    for name in sorted(names)[:LIMIT]:
        try:
            items.append((name, names[name] or kind(inspect.getattr_static(thing, name))))
        except AttributeError:
            items.append((name, "attribute"))
    return items


def _parameters(before: str, prefix: str, namespace: dict[str, Any]) -> list[tuple[str, str]]:
    """Keyword arguments of the function that is being called."""
    match = _CALLEE.search(before)
    if match is None:
        return []
    try:
        thing = resolve(match[1], namespace)
        if not is_a(thing, type, FunctionType, MethodType):
            return []
        parameters = inspect.signature(thing).parameters.values()
    except (Unresolved, ValueError, TypeError):
        return []
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [
        (f"{parameter.name}=", "parameter")
        for parameter in parameters
        if parameter.kind in named and parameter.name.startswith(prefix)
    ]


def _keys(expression: str, typed: str, namespace: dict[str, Any]) -> list[tuple[str, str]]:
    try:
        thing = resolve(expression, namespace)
    except Unresolved:
        return []
    if not is_a(thing, dict):
        return []
    items = []
    wanted = typed.lstrip("\"'")
    for key in list(dict.keys(thing))[:_KEYS]:
        if type(key) is str:
            quote = typed[:1] if typed[:1] in "\"'" and typed else "'"
            text = repr(key) if quote == "'" else f'"{key}"'
            if key.startswith(wanted) and (not typed or typed[:1] in "\"'"):
                items.append((text, "key"))
        elif type(key) in (int, float, bool, bytes, tuple) and repr(key).startswith(typed):
            items.append((repr(key), "key"))
    return _limited(items)


def _importable_names(module: str) -> dict[str, str]:
    found = sys.modules.get(module)
    names: dict[str, str] = {}
    if found is not None and is_a(found, ModuleType):
        names = {name: kind(inspect.getattr_static(found, name, None)) for name in attributes(found)}
        names.update((name, "module") for name in _submodules(found) if name not in names)
    return names


def _modules(typed: str) -> list[str]:
    """Modules whose dotted name begins with `typed`, found on the disk and among the loaded ones."""
    package, dot, prefix = typed.rpartition(".")
    if dot:
        found = sys.modules.get(package)
        names = set(_submodules(found)) if found is not None and is_a(found, ModuleType) else set()
    else:
        names = {name for name in list(sys.modules) if "." not in name} | set(sys.builtin_module_names)
        names.update(name for entry in sys.path for name in _listed(entry or "."))
    return sorted(f"{package}{dot}{name}" for name in names if _fits(name, prefix))


def _submodules(package: ModuleType) -> set[str]:
    path = object.__getattribute__(package, "__dict__").get("__path__")
    if type(path) is not list:
        path = list(getattr(path, "_path", ()))  # a namespace package's, without recalculating it
    return {name for entry in path if type(entry) is str for name in _listed(entry)}


def _listed(directory: str) -> set[str]:
    """Modules and packages that a directory holds."""
    names = set()
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                stem = next(
                    (entry.name[: -len(suffix)] for suffix in all_suffixes() if entry.name.endswith(suffix)),
                    None,
                )
                if (
                    stem is None
                    and entry.is_dir()
                    and os.path.exists(os.path.join(entry.path, "__init__.py"))
                ):
                    stem = entry.name
                if stem is not None and stem.isidentifier() and stem != "__init__":
                    names.add(stem)
    except OSError:
        return names
    return names


def _scan(source: str) -> tuple[str, list[int]]:
    """The quote that is open at the end (empty if none), and the positions of the open brackets."""
    quote = ""
    brackets: list[int] = []
    position = 0
    while position < len(source):
        character = source[position]
        if quote:
            if character == "\\":
                position += 1
            elif source.startswith(quote, position):
                position += len(quote) - 1
                quote = ""
            elif character == "\n" and len(quote) == 1:
                quote = ""
        elif character in "\"'":
            quote = character * 3 if source.startswith(character * 3, position) else character
            position += len(quote) - 1
        elif character == "#":
            end = source.find("\n", position)
            if end < 0:
                return "#", brackets
            position = end
        elif character in "([{":
            brackets.append(position)
        elif character in ")]}" and brackets:
            brackets.pop()
        position += 1
    return quote, brackets
