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

from .render import Text, bounded, class_name, clip, type_name

ROUTINES: Final = (FunctionType, BuiltinFunctionType, MethodType, MethodDescriptorType, WrapperDescriptorType)
_SHOWN: Final = (type(None), bool, int, float, complex, str, bytes, tuple, list, dict, set, frozenset)
"""Types whose values are shown as defaults; of another only its type."""


def is_a(thing: Any, *kinds: type) -> bool:
    """`isinstance`, by the real type: that one also believes a `__class__` of the object's own.

    Of `kinds` the metaclass is `type`: any other could have a say in it.
    """
    return issubclass(type(thing), kinds)


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
    return names


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


class _Default:
    """A default value, as it is shown in a signature."""

    def __init__(self, value: Any) -> None:
        self._text = (
            bounded(value, 60) if any(type(value) is kind for kind in _SHOWN) else f"<{type_name(value)}>"
        )

    def __repr__(self) -> str:
        return self._text


def signature_of(thing: Any) -> str:
    """`name(a, b=1)`; empty if it cannot be called."""
    subject = thing
    if not is_a(thing, type, *ROUTINES):
        subject = looked_up(type(thing), "__call__")
        if not is_a(subject, *ROUTINES):
            return ""
        if is_a(subject, FunctionType):
            subject = MethodType(subject, thing)
    name = type_name(thing)
    if is_a(thing, type):
        name = class_name(thing)
    elif is_a(thing, *ROUTINES):
        name = str(thing.__qualname__)
    try:
        found = inspect.signature(subject)
        shown = [
            parameter
            if parameter.default is parameter.empty
            else parameter.replace(default=_Default(parameter.default))
            for parameter in found.parameters.values()
        ]
        # Of our own: what it gives is text, which says itself when it is shown.
        result = found.return_annotation
        if type(result) is type and issubclass(result, Text):
            result = found.empty
        text = str(found.replace(parameters=shown, return_annotation=result))
    except Exception:  # noqa: BLE001 - an annotation, or __signature__, may raise anything
        text = "(…)"
    return clip(f"{name}{text}", 2000)


def documentation_of(thing: Any) -> str:
    """Its docstring, else its class's; empty if there is none."""
    if is_a(thing, ModuleType):
        found = object.__getattribute__(thing, "__dict__").get("__doc__")
    elif is_a(thing, *ROUTINES):
        found = inspect.getdoc(thing)
    elif is_a(thing, type):
        found = names_of(thing).get("__doc__")
    else:
        found = names_of(type(thing)).get("__doc__")
    return inspect.cleandoc(found) if type(found) is str else ""


def place_of(thing: Any) -> str:
    """`file:line` where the object, or its class, is written; empty if that is not known."""
    subject = thing if is_a(thing, type, ModuleType, FunctionType, MethodType) else type(thing)
    try:
        file = inspect.getsourcefile(subject)
    except (OSError, TypeError):
        return ""
    if file is None:
        return ""
    line = None
    if is_a(subject, FunctionType, MethodType):
        line = subject.__code__.co_firstlineno
    elif is_a(subject, type):
        line = names_of(subject).get("__firstlineno__")  # 3.13
    return file if line is None else f"{file}:{line}"
