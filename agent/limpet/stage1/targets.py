"""Which functions and lines a text such as `bookshop.pricing:Cart.total` names; no code runs to find them."""

import sys
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import chain
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final

from .bytecode import line_starts, with_inner
from .heap import slices
from .probes import Site, backend
from .render import class_name
from .static import is_a, looked_up, mro, names_of, own_names

_NESTED: Final = 0x10
_DEPTH: Final = 20
"""Decorators on top of each other."""


def call_sites(what: Any) -> list[Site]:
    """The functions that `what` names.

    Args:
        what: `package.module:function`, `module:Class.method`, `module:Class` and `module:*` (all that are
            written there), or a function, method, class or module itself.

    Raises:
        LookupError: there is none.
        TypeError: it is none of Python's: not written in Python, or not a function.
    """
    if type(what) is str:
        module, _, path = what.partition(":")
        found = _named(loaded(module), path)
        if not path:
            raise LookupError(f"{what!r} names no function: say {what}:function, or {what}:*")
        label = module
    else:
        found = what
        label, path = _label(what)
    functions = {}
    if is_a(found, type, ModuleType):
        prefix = path.removesuffix("*").removesuffix(".")
        for name, value in _members(found, label):
            for function in unwrapped(value, name):
                functions[id(function)] = (f"{label}:{prefix}{'.' if prefix else ''}{name}", function)
    else:
        for function in unwrapped(found, path.rpartition(".")[2]):
            functions[id(function)] = (f"{label}:{path}", function)
    if not functions:
        name = f"{label}:{path}"
        if is_a(found, BuiltinFunctionType) or not is_a(found, type, ModuleType):
            kind = class_name(type(found)).replace("_", " ")
            raise TypeError(f"{name} is a {kind}: only functions that are written in Python can be traced")
        raise LookupError(f"{name}: no function is written there")
    sites: dict[int, Site] = {}
    for name, function in functions.values():
        code = backend().code_of(function)
        sites.setdefault(id(code), Site(name, code, with_code(function, code)))
    return list(sites.values())


def line_sites(where: str) -> list[Site]:
    """The code with a statement at `module:line`, `module:function:line`, or where `module:function` begins.

    Raises:
        LookupError: there is none.
    """
    name, _, rest = where.partition(":")
    module = loaded(name)
    path, _, number = rest.rpartition(":")
    if not number.isdigit():
        path, number = rest, ""
    functions = live_functions(module)
    original = backend().code_of
    codes = {id(code): code for function in functions for code in with_inner(original(function))}
    if path:
        codes = {key: code for key, code in codes.items() if code.co_qualname == path}
        if not codes:
            known = sorted({function.__code__.co_qualname for function in functions})
            raise LookupError(f"{name} has no function {path!r}{_near(path, known)}")
    lines = {
        key: sorted({line for _, line in line_starts(code, _lines(code))}) for key, code in codes.items()
    }
    if number:
        line = int(number)
        found = [codes[key] for key, has in lines.items() if line in has]
    else:
        line = min((has[0] for has in lines.values() if has), default=0)
        found = list(codes.values())
    inner = {id(each) for code in found for each in with_inner(code) if each is not code}
    sites = []
    for code in found:
        if id(code) in inner:
            continue
        sharing = tuple(function for function in functions if original(function) is code)
        if not sharing and sys.version_info < (3, 12):
            raise LookupError(
                f"{where} is in {code.co_qualname}, which is made anew by each call of what it stands in: "
                "before Python 3.12 its lines cannot be watched"
            )
        sites.append(Site(f"{name}:{code.co_qualname}:{line}", code, sharing, line))
    if not sites:
        every = sorted({each for has in lines.values() for each in has}, key=lambda each: abs(each - line))
        near = f"; near it: {', '.join(map(str, sorted(every[:3])))}" if every else ""
        raise LookupError(f"no statement of a function begins at line {line} of {name}{near}")
    return sites


def loaded(name: str) -> ModuleType:
    """The module of that name, if the process has loaded it.

    Raises:
        LookupError: it has not.
    """
    module = sys.modules.get(name)
    if module is not None and not is_a(module, ModuleType):
        raise LookupError(f"what is loaded as {name!r} is no module: it is a {class_name(type(module))}")
    if module is None:
        inside = _inside(name)
        near = f"; did you mean {inside}?" if inside else ""
        near = near or _near(name, [each for each in list(sys.modules) if type(each) is str])
        raise LookupError(f"this process has loaded no module {name!r}{near}")
    return module


def live_functions(module: ModuleType) -> list[FunctionType]:
    """All functions of now that are written in the module's file: methods, closures, what is decorated."""
    names = names_in(module)
    files = {
        value.__code__.co_filename
        for value in list(names.values())
        if type(value) is FunctionType and value.__module__ == names.get("__name__")
    }
    files.add(str(names.get("__file__")))
    found = {}
    # What gc.freeze() has put away is not among these: hence the module's own names as well.
    for each in chain(_functions(), _all_members(module)):
        # That of a module which still runs, as __main__ may, is none of its functions.
        if each.__code__.co_filename in files and each.__code__.co_name != "<module>":
            found[id(each)] = each
    return list(found.values())


def _functions() -> Iterator[FunctionType]:
    for part in slices(force=True):
        yield from [each for each in part if type(each) is FunctionType]


def names_in(module: ModuleType) -> dict[str, Any]:
    """The module's names, live."""
    names: dict[str, Any] = object.__getattribute__(module, "__dict__")
    return names


def with_code(function: FunctionType, code: CodeType) -> tuple[FunctionType, ...]:
    """All functions that share the code of this one: of a nested one each call of the outer makes another."""
    if not code.co_flags & _NESTED or sys.version_info >= (3, 12):
        return (function,)
    original = backend().code_of
    return tuple(each for each in _functions() if original(each) is code)


def unwrapped(value: Any, name: str, depth: int = 0) -> list[FunctionType]:
    """The functions behind a method, property, partial or decorator: those that its author has written."""
    if depth > _DEPTH:
        return []
    if is_a(value, FunctionType):
        own = own_names(value).get("__wrapped__")
        if own is not None:
            return unwrapped(own, name, depth + 1) or [value]
        if value.__code__.co_name != name:
            for cell in value.__closure__ or ():
                inner = _content(cell)
                if is_a(inner, FunctionType) and inner.__code__.co_name == name:
                    return unwrapped(inner, name, depth + 1)
        return [value]
    behind: list[Any] = []
    if is_a(value, MethodType, staticmethod, classmethod):
        behind = [value.__func__]
    elif is_a(value, property):
        behind = [value.fget, value.fset, value.fdel]
    elif value is not None and not is_a(value, type, ModuleType):
        names = dict(own_names(value))
        # functools.lru_cache, cached_property, and what other decorators make: a task, a command.
        behind = [names[key] for key in ("__wrapped__", "func", "fget") if key in names]
        behind = behind or [
            each for each in names.values() if is_a(each, FunctionType) and each.__code__.co_name == name
        ]
        func = looked_up(type(value), "func") if class_name(type(value)).startswith("partial") else None
        if func is not None and hasattr(type(func), "__get__"):
            behind = [func.__get__(value)]
    return [function for each in behind for function in unwrapped(each, name, depth + 1)]


def _named(module: ModuleType, path: str) -> Any:
    """What the module has under `path`; itself for `*`."""
    found: Any = module
    done = str(names_in(module).get("__name__"))
    separator = ":"
    for part in path.removesuffix("*").removesuffix(".").split("."):
        if not part:
            break
        if is_a(found, ModuleType):
            names = names_in(found)
        elif is_a(found, type):
            names = {name: value for cls in reversed(mro(found)) for name, value in names_of(cls).items()}
        else:
            names = dict(own_names(found))
        if part not in names:
            raise LookupError(f"{done} has no {part!r}{_near(part, list(names))}")
        found = names[part]
        done = f"{done}{separator}{part}"
        separator = "."
    return found


def _label(what: Any) -> tuple[str, str]:
    """Module and path of a function, method, class or module."""
    if is_a(what, ModuleType):
        return str(names_in(what).get("__name__")), "*"
    if is_a(what, type):
        return str(names_of(what).get("__module__")), class_name(what)
    for function in unwrapped(what, ""):
        return str(function.__module__), function.__code__.co_qualname
    return str(names_of(type(what)).get("__module__")), class_name(type(what))


def _members(owner: Any, module: str) -> Iterator[tuple[str, Any]]:
    """What is written in a module or class itself."""
    names = names_in(owner) if is_a(owner, ModuleType) else names_of(owner)
    for name, value in list(names.items()):
        if is_a(value, type, ModuleType):
            continue
        functions = unwrapped(value, name)
        if functions and all(function.__module__ == module for function in functions):
            yield name, value


def _all_members(module: ModuleType) -> Iterator[FunctionType]:
    pending: list[Any] = [module]
    seen = set()
    while pending:
        owner = pending.pop()
        seen.add(id(owner))
        names = names_in(owner) if is_a(owner, ModuleType) else names_of(owner)
        for name, value in list(names.items()):
            if is_a(value, type):
                if id(value) not in seen and names_of(value).get("__module__") == names.get("__name__", 0):
                    pending.append(value)
            elif not is_a(value, ModuleType):
                yield from unwrapped(value, name)


def _lines(code: CodeType) -> set[int]:
    return {line for _, _, line in code.co_lines() if line is not None}


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty yet
        return None


def _inside(name: str) -> str:
    """`package.module:function` for `package.module.function`; empty if that is not what is wrong."""
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        module = sys.modules.get(".".join(parts[:end]))
        if module is not None and is_a(module, ModuleType):
            return (
                f"{'.'.join(parts[:end])}:{'.'.join(parts[end:])}" if parts[end] in names_in(module) else ""
            )
    return ""


def _near(name: str, names: list[str]) -> str:
    near = get_close_matches(name, [each for each in names if type(each) is str], n=1)
    return f"; did you mean {near[0]}?" if near else ""
