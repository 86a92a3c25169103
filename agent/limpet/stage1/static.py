"""What can be known of an object without running any of its code.

No property, descriptor, `__getattr__`, `__dir__`, `__class__` or `__len__` of the application's is called:
a look at a lazily loaded attribute loads nothing.
"""

import inspect
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, Final

ROUTINES: Final = (FunctionType, BuiltinFunctionType, MethodType, MethodDescriptorType, WrapperDescriptorType)
WRAPPED: Final = 50
"""Decorators on top of each other; what wraps itself has no end of them."""
_NOTHING: Final = object()
_GIVING: Final = {"starlette.datastructures:State.__getattr__": "_state"}
"""Of a `__getattr__` that is known (`app.state` of Starlette, FastAPI), the dictionary that it looks into."""


def is_a(thing: Any, *kinds: type) -> bool:
    """`isinstance`, by the real type: that one also believes a `__class__` of the object's own.

    Of `kinds` the metaclass is `type`: any other could have a say in it.
    """
    return issubclass(type(thing), kinds)


def exactly(thing: Any, *kinds: type) -> bool:
    """Whether that is its type, and none of a subclass: `in` would ask its metaclass whether it is equal."""
    return any(type(thing) is kind for kind in kinds)


def mro(cls: type) -> tuple[type, ...]:
    """The class and its bases, whatever its metaclass says."""
    found: tuple[type, ...] = type.__dict__["__mro__"].__get__(cls)
    return found


def names_of(cls: type) -> dict[str, Any]:
    """A class's own names."""
    return dict(type.__dict__["__dict__"].__get__(cls))


def own_names(thing: Any) -> dict[str, Any]:
    """The live `__dict__` of an object or module; empty if it has none. Of a class, a copy.

    A property `__dict__` of the application's is not believed: the interpreter's own descriptor is asked.
    """
    if is_a(thing, type):
        return names_of(thing)
    for cls in mro(type(thing)):
        found = type.__dict__["__dict__"].__get__(cls).get("__dict__")
        if type(found) is GetSetDescriptorType or type(found) is MemberDescriptorType:
            own = found.__get__(thing)
            return own if type(own) is dict else {}
    return {}


def own(thing: Any, name: str) -> Any:
    """What an object itself has under `name`, in its dictionary or a slot; None if nothing.

    Some types of C keep a dictionary and show it to nobody (a future of asyncio's): they are asked in a way
    that runs no code, since no class of theirs has anything of that name.
    """
    found = looked_up(type(thing), name)
    if type(found) is MemberDescriptorType:
        try:
            return found.__get__(thing)
        except AttributeError:  # the slot is empty
            return None
    if found is not None:
        return own_names(thing).get(name)
    try:
        return object.__getattribute__(thing, name)
    except AttributeError:
        return None


def plain_text(value: Any, default: str = "") -> str:
    """`value` if it is a str, one of a subclass without anything of its own; else `default`."""
    if type(value) is str:
        return value
    return str.__str__(value) if is_a(value, str) else default


def attributes(thing: Any) -> set[str]:
    """Attribute names."""
    names = {name for name in list(own_names(thing)) if type(name) is str}
    if is_a(thing, ModuleType):
        return names
    for cls in mro(thing if is_a(thing, type) else type(thing)):
        names.update(name for name in names_of(cls) if type(name) is str)
    names.update(name for name in list(_given(thing)) if type(name) is str)
    return names


def _given(thing: Any) -> dict[str, Any]:
    """What the `__getattr__` of a class that is known gives, from the dictionary that it looks into."""
    getter = looked_up(type(thing), "__getattr__")
    if type(getter) is FunctionType and type(getter.__module__) is str:
        name = _GIVING.get(f"{getter.__module__}:{getter.__code__.co_qualname}", "")
        names = own_names(thing).get(name)
        if type(names) is dict:
            return names
    return {}


def looked_up(cls: type, name: str) -> Any:
    """What instances of `cls` have under `name` in their classes; None if nothing."""
    for base in mro(cls):
        names = type.__dict__["__dict__"].__get__(base)
        if name in names:
            return names[name]
    return None


def kind(value: Any) -> str:
    """`module`, `class`, `property`, `function`, or the name of its type."""
    if is_a(value, ModuleType):
        return "module"
    if is_a(value, type):
        return "class"
    if is_a(value, property):
        return "property"
    if is_a(value, *ROUTINES, staticmethod, classmethod):
        return "function"
    return str(type.__dict__["__name__"].__get__(type(value)))


def found_in(thing: Any, name: str) -> Any:
    """What stands for `thing.name`, as `inspect.getattr_static` finds it: a descriptor, not what it gives.

    That one hashes and compares classes, for which a metaclass may have code of its own.

    Raises:
        AttributeError: nothing does, or only code would tell.
    """
    if is_a(thing, type):
        for cls in (*mro(thing), *mro(type(thing))):
            names = names_of(cls)
            if name in names:
                return names[name]
        raise AttributeError(name)
    of_class = next((names[name] for names in map(names_of, mro(type(thing))) if name in names), _NOTHING)
    of_itself = own_names(thing).get(name, _NOTHING)
    if of_itself is not _NOTHING and (
        of_class is _NOTHING or not any(looked_up(type(of_class), part) for part in ("__set__", "__delete__"))
    ):
        return of_itself
    if of_class is _NOTHING:
        given = _given(thing)
        if name not in given:
            raise AttributeError(name)
        return given[name]
    return of_class


def behind(thing: Any) -> Any:
    """The function, or whatever it is, that a bound method calls; anything else itself."""
    while is_a(thing, MethodType):
        thing = thing.__func__
    return thing


def documentation_of(thing: Any) -> str:
    """Its docstring, else its class's; empty if there is none."""
    if is_a(thing, ModuleType):
        found = object.__getattribute__(thing, "__dict__").get("__doc__")
    elif is_a(behind(thing), *ROUTINES):
        found = behind(thing).__doc__
        if found is None and is_a(thing, MethodType):
            found = _inherited(thing)
    elif is_a(thing, type):
        found = names_of(thing).get("__doc__")
    else:
        found = names_of(type(thing)).get("__doc__")
    return inspect.cleandoc(found) if type(found) is str else ""


def _inherited(method: MethodType) -> Any:
    """The documentation of a method of that name in a base class; None if there is none."""
    bound: Any = method.__self__
    owner = bound if is_a(bound, type) else type(bound)
    for cls in mro(owner):
        function = names_of(cls).get(getattr(behind(method), "__name__", ""))
        if is_a(function, FunctionType) and function.__doc__ is not None:
            return function.__doc__
    return None
