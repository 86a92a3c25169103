"""Completion that runs none of the application's code (see `resolving`)."""

import builtins
import keyword
import os
import re
import sys
from collections.abc import Iterable
from importlib.machinery import all_suffixes
from inspect import Parameter
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final

from .hints import CALLEE, IMPORT, IMPORT_FROM, scan
from .resolving import Unresolved, resolve
from .signatures import signature
from .static import attributes, exactly, found_in, is_a, kind, own_names

LIMIT: Final = 300
"""Completions at the most."""
_KEYS: Final = 2000
"""Keys of a dictionary that are looked at."""
_PLAIN: Final = (type(None), bool, int, float, str, bytes)
"""What a key may be made of, if it is a tuple: their repr is Python's own."""
_KEY: Final = re.compile(r"([A-Za-z_][\w.\[\]'\"]*)\[\s*([^\[\]]*)$")
_DOTTED: Final = re.compile(
    r"((?:[^\W\d]\w*(?:\[[^\[\]()]*\])*)(?:\.[^\W\d]\w*(?:\[[^\[\]()]*\])*)*)\.(\w*)$"
)
_NAME: Final = re.compile(r"([^\W\d]\w*)?$")


def complete(
    source: str, namespace: dict[str, Any], functions: Iterable[str] = ()
) -> tuple[int, list[tuple[str, str]]]:
    """How many last characters of `source` are replaced, and by what: (text, kind) pairs.

    Args:
        source: what is typed, up to the cursor.
        namespace: the session's.
        functions: names of functions that the namespace gets as soon as they are mentioned.
    """
    line = source.rpartition("\n")[2]
    quote, brackets = scan(source)
    if match := IMPORT_FROM.match(line):
        return len(match[2]), _matching(_importable_names(match[1]), match[2])
    if match := IMPORT.match(line):
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
    names = dict.fromkeys(functions, "function")
    names.update((name, kind(value)) for name, value in namespace.items() if name != "__builtins__")
    if prefix:
        names.update((name, "keyword") for name in keyword.kwlist if name not in names)
        names.update((name, kind(value)) for name, value in vars(builtins).items() if name not in names)
        loaded = [name for name in _loaded() if name not in names]
        names.update((name, "module") for name in loaded if name.startswith(prefix))
    shown = _limited(sorted((name, what) for name, what in names.items() if _fits(name, prefix)))
    return len(prefix), (items + shown)[:LIMIT]


def _place(name: str) -> tuple[bool, str]:
    """For sorting: what Python itself names comes last."""
    return name.startswith("__"), name


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
    for name in sorted(names, key=_place)[:LIMIT]:
        try:
            items.append((name, names[name] or kind(found_in(thing, name))))
        except AttributeError:
            items.append((name, "attribute"))
    return items


def _parameters(before: str, prefix: str, namespace: dict[str, Any]) -> list[tuple[str, str]]:
    """Keyword arguments of the function that is being called."""
    match = CALLEE.search(before)
    if match is None:
        return []
    try:
        thing = resolve(match[1], namespace)
        if not is_a(thing, type, FunctionType, MethodType):
            return []
        parameters = signature(thing).parameters.values()
    except (Unresolved, ValueError, TypeError):
        return []
    named = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
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
    quote = typed[:1] if typed[:1] in ("'", '"') else ""
    for key in list(dict.keys(thing))[:_KEYS]:
        if type(key) is str:
            text = _quoted(key, quote or "'")
        elif exactly(key, int, float, bool, bytes, tuple) and not quote:
            text = repr(key) if type(key) is not tuple or all(exactly(each, *_PLAIN) for each in key) else ""
        else:
            continue
        if text.startswith(typed) or (quote and key.startswith(typed[1:])):
            items.append((text, kind(dict.__getitem__(thing, key))))
    return _limited([item for item in items if item[0]])


def _quoted(text: str, quote: str) -> str:
    """A string literal in these quotes."""
    inner = "".join(
        f"\\{each}" if each in (quote, "\\") else each if each.isprintable() else repr(each)[1:-1]
        for each in text
    )
    return f"{quote}{inner}{quote}"


def _importable_names(module: str) -> dict[str, str]:
    found = sys.modules.get(module)
    names: dict[str, str] = {}
    if found is not None and is_a(found, ModuleType):
        names = {name: kind(value) for name, value in list(own_names(found).items()) if type(name) is str}
        names.update((name, "module") for name in _submodules(found) if name not in names)
    return names


def _modules(typed: str) -> list[str]:
    """Modules whose dotted name begins with `typed`, found on the disk and among the loaded ones."""
    package, dot, prefix = typed.rpartition(".")
    if dot:
        found = sys.modules.get(package)
        names = set(_submodules(found)) if found is not None and is_a(found, ModuleType) else set()
    else:
        names = set(_loaded()) | set(sys.builtin_module_names)
        names.update(name for entry in sys.path for name in _listed(entry or "."))
    return sorted(f"{package}{dot}{name}" for name in names if _fits(name, prefix))


def _loaded() -> list[str]:
    """Names of modules at the top; an application may have put there what is no plain text."""
    return [name for name in list(sys.modules) if type(name) is str and "." not in name]


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
