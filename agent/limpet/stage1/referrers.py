"""Single objects: the instances of a class, and who refers to one."""

import gc
import sys
from collections.abc import Iterable
from itertools import islice
from types import (
    AsyncGeneratorType,
    CellType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, Final

from .frames import place_of_code, place_of_frame, variables
from .heap import full_name, instances_of
from .loading import running
from .render import class_name, reference, shown
from .static import is_a, mro, names_of, own_names, plain_text
from .view import View

_VALUE: Final = 200
"""Characters of a value."""
_NAMES: Final = 8
"""Attributes of an object that are shown."""
_ITEMS: Final = 5_000_000
"""Items of a container that are looked through for an object."""
_SUSPENDED: Final = ((CoroutineType, "cr"), (GeneratorType, "gi"), (AsyncGeneratorType, "ag"))


def instances(cls: Any, n: int = 10, force: bool = False) -> View:
    """Objects of a class, those of its subclasses included; `.objects` of what this gives are the objects.

    Args:
        cls: the class, or its name: "bookshop.models.Cart".
        n: rows at the most.
        force: also if there are so many objects that looking through them stops the process for a while.
    """
    wanted = named_class(cls) if type(cls) is str else cls
    if not is_a(wanted, type):
        raise TypeError(f"instances() wants a class, or the name of one, not {reference(wanted)}")
    found = instances_of(wanted, force=force)
    rows = [
        {"at": f"{id(thing):#x}", "type": full_name(type(thing)), "value": portrait(thing)}
        for thing in found[:n]
    ]
    notes = [f"{len(found):,} instances"] if len(found) > len(rows) else []
    view = View("instances", rows, notes=notes, empty=f"no instance of {full_name(wanted)} is tracked")
    view.objects = found[:n]
    return view


def named_class(name: str) -> type:
    """The class `bookshop.models.Cart` or `bookshop.models:Cart`; nothing is imported for it.

    Raises:
        LookupError: there is none of that name in a loaded module.
    """
    parts = name.replace(":", ".").split(".")
    for cut in range(len(parts) - 1, -1, -1):
        module = sys.modules.get(".".join(parts[:cut]) if cut else "builtins")
        if module is None:
            continue
        found: Any = module
        for part in parts[cut:]:
            found = own_names(found).get(part)
        if found is not None and is_a(found, type):
            return found  # type: ignore[no-any-return]
    raise LookupError(f"there is no class {name} in a loaded module")


def portrait(thing: Any) -> str:
    """Plain data as it is; of another object its attributes, without asking it for anything."""
    text = shown(thing, _VALUE)
    if not text.startswith("<"):
        return text
    names = {name: value for name, value in list(own_names(thing).items()) if type(name) is str}
    if not names:
        names = _slots(thing)
    found = [f"{name}={shown(value, 60, name=name)}" for name, value in islice(names.items(), _NAMES)]
    if len(names) > _NAMES:
        found.append("…")
    return f"{class_name(type(thing))}({', '.join(found)})" if found else text


def _slots(thing: Any) -> dict[str, Any]:
    found = {}
    for cls in mro(type(thing)):
        for name, member in names_of(cls).items():
            # Of a class that is written in Python: a member of a C type may be anything.
            if type(member) is MemberDescriptorType and "__slots__" in names_of(cls):
                try:
                    found[name] = member.__get__(thing)
                except AttributeError:  # the slot is empty
                    continue
    return found


def refs(thing: Any, n: int = 20) -> View:
    """Who refers to `thing`, one level: the name, key or index under which it does, and whose that is.

    Args:
        thing: the object.
        n: rows at the most.
    """
    ours = {id(one) for one in _ours()}
    found = gc.get_referrers(thing)
    ours |= {id(found), id(sys._getframe())}  # noqa: SLF001 - the documented way
    others = [one for one in found if id(one) not in ours and not _is_ours(one)]
    rows = _rows(others[:n], thing)
    notes = [f"{len(others) - n:,} more"] if len(others) > n else []
    if not gc.is_tracked(thing):
        notes.append("the collector does not track it; who refers to it is found all the same")
    return View("refs", rows, notes=notes, empty="nothing that the collector tracks refers to it")


def _rows(found: list[Any], thing: Any) -> list[dict[str, Any]]:
    """In a function of its own: a closure over `thing` would refer to it as well."""
    return [{"how": how(one, thing), "type": full_name(type(one)), "at": f"{id(one):#x}"} for one in found]


def _ours() -> Iterable[Any]:
    job = running.get()
    return () if job is None else (job, job.session, own_names(job))


def _is_ours(one: Any) -> bool:
    """Whether it is a frame of this evaluation or of Limpet."""
    return type(one) is FrameType and one.f_code.co_filename.startswith(("<limpet ", "<console ", "<rpc "))


def how(one: Any, thing: Any) -> str:
    """How `one` refers to `thing`: `key 'cart' of the dict of module bookshop.web`."""
    kind = type(one)
    if is_a(one, dict):
        return f"{_key(one, thing)} of {owner(one)}"
    if is_a(one, list, tuple):
        base: Any = list if is_a(one, list) else tuple
        index = next((k for k, item in enumerate(islice(base.__iter__(one), _ITEMS)) if item is thing), None)
        where = "an item" if index is None else f"item {index:,}"
        return f"{where} of {named_as(one)}"
    if is_a(one, set, frozenset):
        return f"an item of {named_as(one)}"
    if kind is FrameType:
        return f"{_variable(one, thing)} of {place_of_frame(one).text}"
    if prefix := next((prefix for suspended, prefix in _SUSPENDED if kind is suspended), ""):
        frame = getattr(one, f"{prefix}_frame")
        code = getattr(one, f"{prefix}_code")
        runs = type(thing) is FunctionType and thing.__code__ is code
        name = "what runs in" if runs else f"{'inside' if frame is None else _variable(frame, thing)} of"
        return f"{name} {class_name(kind)} {place_of_code(code).text}"
    if kind is CellType:
        return _of_cell(one)
    if kind is FunctionType:
        return f"{_part(one, thing)} of function {one.__qualname__}"
    if kind is MethodType:
        return f"bound to method {_name(one.__func__)}"
    if is_a(one, type):
        names = [name for name, value in names_of(one).items() if value is thing]
        return f"{_quoted('attribute', names)} of class {full_name(one)}"
    names = [name for name, value in list(own_names(one).items()) if value is thing]
    names += [name for name, value in _slots(one).items() if value is thing]
    return f"{_quoted('attribute', names)} of {reference(one)}"


def _quoted(what: str, names: list[Any]) -> str:
    return f"{what} {plain_text(names[0], '?')}" if names else "inside"


def _key(mapping: dict[Any, Any], thing: Any) -> str:
    for _ in range(5):
        try:
            for key, value in islice(dict.items(mapping), _ITEMS):
                if value is thing:
                    return f"key {shown(key, 60)}"
                if key is thing:
                    return "a key"
        except RuntimeError:  # it has changed meanwhile
            continue
        break
    return "a value"


def owner(mapping: Any) -> str:
    """Whose a dict is: a module's, an object's, or nobody's."""
    for module, names in _modules():
        if names is mapping:
            return f"module {module}"
    job = running.get()
    if job is not None and mapping is job.session.namespace:
        return "this console"
    if job is not None and mapping is job.session.out:
        return "Out of this console"
    for one in gc.get_referrers(mapping):
        if type(one) is not FrameType and own_names(one) is mapping:
            return reference(one)
    return named_as(mapping)


def named_as(container: Any) -> str:
    """A container by the name that a module or an object has for it: `list of 3: orders of module shop`."""
    base: Any = next(base for base in (dict, list, tuple, set, frozenset) if is_a(container, base))
    what = f"{class_name(type(container))} of {base.__len__(container):,}"
    for one in gc.get_referrers(container):
        if type(one) is FrameType or is_a(one, list, tuple, set, frozenset):
            continue
        name = _name_of(one if type(one) is dict else own_names(one), container)
        if name and type(one) is not dict:
            return f"{what}: {name} of {reference(one)}"
        if name and (module := next((module for module, names in _modules() if names is one), "")):
            return f"{what}: {name} of module {module}"
    return f"a {what}"


def _modules() -> list[tuple[str, dict[str, Any]]]:
    loaded = list(sys.modules.items())
    return [(plain_text(name, "?"), own_names(one)) for name, one in loaded if is_a(one, ModuleType)]


def _name_of(names: dict[str, Any], thing: Any) -> str:
    return next((plain_text(name, "?") for name, value in list(names.items()) if value is thing), "")


def _variable(frame: Any, thing: Any) -> str:
    names = [name for name, value in variables(frame).items() if value is thing]
    return _quoted("variable", names)


def _of_cell(cell: Any) -> str:
    """Of which function's closure: that refers to a tuple of cells."""
    for cells in gc.get_referrers(cell):
        if type(cells) is not tuple:
            continue
        for one in gc.get_referrers(cells):
            if type(one) is FunctionType and one.__closure__ is cells:
                names = zip(one.__code__.co_freevars, cells, strict=True)
                name = next(name for name, held in names if held is cell)
                return f"variable {name} of the closure of {place_of_code(one.__code__).text}"
    return "a variable of a closure"


def _part(function: Any, thing: Any) -> str:
    for name in ("__defaults__", "__kwdefaults__", "__closure__", "__globals__", "__annotations__"):
        if getattr(function, name, None) is thing:
            return name
    return "inside"


def _name(callback: Any) -> str:
    return str(callback.__qualname__) if type(callback) is FunctionType else reference(callback)
