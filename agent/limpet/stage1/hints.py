"""What is shown while one types: the signature of a call, and what a name stands for. Runs no code."""

import keyword
import re
import sys
from functools import cached_property
from types import ModuleType
from typing import Any, Final

from .render import bounded, type_name
from .resolving import Unresolved, resolve
from .signatures import signature_of
from .static import ROUTINES, documentation_of, exactly, found_in, is_a, kind

IMPORT_FROM: Final = re.compile(r"^\s*from\s+([\w.]+)\s+import\s+(?:\(?[\w\s,]*,\s*|\(?\s*)(\w*)$")
"""A line that ends in an imported name: its module, and the name."""
IMPORT: Final = re.compile(r"^\s*(?:import\s+(?:[\w.\s]+,\s*)*|from\s+)([\w.]*)$")
"""A line that ends in the name of a module."""
CALLEE: Final = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*|\[[^\[\]()]*\])*)\s*$")
"""A dotted name, with subscripts, at the end."""
_ITEM: Final = re.compile(r"([^\W\d][\w.\[\]'\"]*\[[^\[\]]+)$")
"""A subscript at the end, not closed yet."""
_MOST: Final = 400
"""Characters of documentation."""
_SCALARS: Final = (type(None), bool, int, float, complex, str, bytes)
_SIZED: Final = (dict, list, tuple, set, frozenset)


def signature(source: str, namespace: dict[str, Any]) -> tuple[str, str]:
    """Signature and first paragraph of documentation of the call that the end of `source` stands in."""
    _quote, brackets = scan(source)
    for position in reversed(brackets):
        if source[position] != "(":
            continue
        match = CALLEE.search(source[:position])
        if match is None or keyword.iskeyword(match[1]):
            continue
        try:
            thing = resolve(match[1], namespace)
        except Unresolved:
            return "", ""
        if not is_a(thing, type, *ROUTINES):
            return "", ""
        return signature_of(thing), _summary(thing)
    return "", ""


def about(source: str, namespace: dict[str, Any]) -> tuple[str, str]:
    """The same of the name, or the key, that `source` ends with: its signature, or what it is."""
    line = source.rpartition("\n")[2]
    try:
        if match := IMPORT_FROM.match(line):
            thing = _imported(match[1], match[2])
        elif match := IMPORT.match(line):
            thing = sys.modules[match[1]]
        elif match := _ITEM.search(line):
            thing = resolve(f"{match[1]}]", namespace)
        elif match := CALLEE.search(line):
            thing = resolve(match[1], namespace)
        else:
            return "", ""
    except (Unresolved, KeyError):
        return _unfollowed(line, namespace)
    return _described(thing), _summary(thing) if is_a(thing, type, ModuleType, *ROUTINES) else ""


def _imported(module: str, name: str) -> Any:
    names = object.__getattribute__(sys.modules[module], "__dict__")
    return names[name] if name in names else sys.modules[f"{module}.{name}"]


def _unfollowed(line: str, namespace: dict[str, Any]) -> tuple[str, str]:
    """Of an attribute that is computed: that it is."""
    match = CALLEE.search(line)
    owner, dot, name = match[1].rpartition(".") if match else ("", "", "")
    if not dot:
        return "", ""
    try:
        found = found_in(resolve(owner, namespace), name)
    except (Unresolved, AttributeError):
        return "", ""
    function = None
    if exactly(found, property):
        function = found.fget
    elif exactly(found, cached_property):
        function = found.func
    return f"{name}: {kind(found)}, computed when it is read", _summary(function) if function else ""


def _described(thing: Any) -> str:
    if is_a(thing, ModuleType):
        return f"module {object.__getattribute__(thing, '__dict__').get('__name__', '')}"
    if is_a(thing, type, *ROUTINES):
        return signature_of(thing)
    if exactly(thing, *_SCALARS):
        return f"{type_name(thing)} {bounded(thing, 100)}"
    size = next((base.__len__(thing) for base in _SIZED if is_a(thing, base)), None)
    return type_name(thing) if size is None else f"{type_name(thing)} of {size:,}"


def _summary(thing: Any) -> str:
    """The first paragraph of its documentation."""
    return documentation_of(thing).split("\n\n")[0][:_MOST]


def scan(source: str) -> tuple[str, list[int]]:
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
