"""Free names that are modules are imported, as modules load themselves on the BEAM.

`bookshop.release.migrate()` needs no import statement: `bookshop` is bound nowhere and is a module, so it is
imported, and `bookshop.release` with it. A name that the source itself binds anywhere is left alone.
"""

import ast
import importlib
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any


def autoload(tree: ast.AST, namespace: dict[str, Any], builtins: dict[str, Any]) -> None:
    """Imports the modules that free dotted names of `tree` mean, and binds their roots in `namespace`.

    Raises:
        Exception: whatever a module that is there raises when it is imported.
    """
    bound = set(_bindings(tree))
    for root, *attributes in _dotted(tree):
        if root in bound or root in builtins:
            continue
        if root in namespace:
            module = namespace[root]
        else:
            if not _exists(root):
                continue
            module = namespace[root] = importlib.import_module(root)
        for attribute in attributes:
            if type(module) is not ModuleType:
                break
            if attribute not in module.__dict__ and _exists(attribute, module):
                importlib.import_module(f"{module.__name__}.{attribute}")
            module = module.__dict__.get(attribute)


def _exists(name: str, package: ModuleType | None = None) -> bool:
    """Whether `name` can be imported, from `package` or from the top; imports nothing."""
    full = name if package is None else f"{package.__name__}.{name}"
    if full in sys.modules:
        return sys.modules[full] is not None
    path = None
    if package is not None:
        path = package.__dict__.get("__path__")
        if path is None:
            return False
    for finder in [*sys.meta_path] or [PathFinder]:
        find = getattr(finder, "find_spec", None)
        if find is not None:
            spec = find(full, path)
            # A namespace package at the top is any stray directory: that is not what somebody means.
            if spec is not None:
                return package is not None or spec.loader is not None
    return False


def _dotted(tree: ast.AST) -> Iterator[list[str]]:
    """The dotted names that are read, each once, as lists of their parts."""
    seen = set()
    inner = set()
    for node in ast.walk(tree):  # outer nodes first
        if id(node) in inner:
            continue
        parts: list[str] = []
        part = node
        while isinstance(part, ast.Attribute):
            parts.insert(0, part.attr)
            part = part.value
            inner.add(id(part))
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            parts.insert(0, part.id)
            if tuple(parts) not in seen:
                seen.add(tuple(parts))
                yield parts


def _bindings(tree: ast.AST) -> Iterator[str]:
    """Every name that the source binds, in whatever scope."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.ExceptHandler | ast.MatchStar | ast.MatchAs) and node.name:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest
