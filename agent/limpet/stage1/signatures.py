"""Signatures of what can be called, read without running any code of the application's.

`inspect.signature` asks an object for `__wrapped__`, `__signature__` and `__class__`, and its text comes from
the `__repr__` of annotations. Here code objects, defaults and the dictionaries of classes are read; what only
code could tell stays untold.
"""

import inspect
import sys
from collections.abc import Iterator
from inspect import Parameter, Signature
from types import FunctionType, GenericAlias, MethodType, UnionType
from typing import Any, Final

from .render import Text, bounded, class_name, clip, type_name
from .static import ROUTINES, WRAPPED, behind, exactly, is_a, looked_up, mro, names_of, own, own_names

_VARIABLE: Final = 0x4
_KEYWORDS: Final = 0x8
"""CO_VARARGS, CO_VARKEYWORDS."""
_SHOWN: Final = (type(None), bool, int, float, complex, str, bytes, tuple, list, dict, set, frozenset)
"""Types whose values are shown as defaults; of another only its type."""
_PLAIN: Final = (type(None), type(...), bool, int, float, str, bytes)
_ALIASES: Final = ("typing", "collections.abc", "_collections_abc")
"""Modules of the kinds of annotations whose `__repr__` asks what they are made of, and nobody else."""
_DEPTH: Final = 10
"""Annotations inside of annotations."""


class _Written:
    """A default or an annotation, as it is shown in a signature."""

    def __init__(self, text: str) -> None:
        self._text = text

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
    elif is_a(behind(thing), *ROUTINES):
        name = str(behind(thing).__qualname__)
    try:
        found = signature(subject)
        shown = [
            parameter.replace(
                default=parameter.default
                if parameter.default is parameter.empty
                else _Written(_default(parameter.default)),
                annotation=_annotation(parameter.annotation),
            )
            for parameter in found.parameters.values()
        ]
        # Of our own: what it gives is text, which says itself when it is shown.
        result = found.return_annotation
        if type(result) is type and issubclass(result, Text):
            result = found.empty
        text = str(found.replace(parameters=shown, return_annotation=_annotation(result)))
    except (ValueError, TypeError):
        text = "(…)"
    return clip(f"{name}{text}", 2000)


def signature(thing: Any) -> Signature:
    """Of a function, method or class.

    Raises:
        ValueError: it is not known.
    """
    for _ in range(WRAPPED):
        if is_a(thing, FunctionType):
            names = own_names(thing)
            if type(names.get("__signature__")) is Signature:
                return names["__signature__"]  # type: ignore[no-any-return]
            wrapped = names.get("__wrapped__")
            if not is_a(wrapped, FunctionType, MethodType):
                return _of_code(thing)
            thing = wrapped
        elif is_a(thing, MethodType):
            return _without_first(signature(thing.__func__))
        else:
            break
    if is_a(thing, type):
        return _of_class(thing)
    if is_a(thing, *ROUTINES) and _is_known(type(getattr(thing, "__self__", None))):
        return inspect.signature(thing)  # of C: it comes with it, as text
    raise ValueError


def _of_code(function: FunctionType) -> Signature:
    code = function.__code__
    # Since 3.14 code tells them.
    annotations = function.__annotations__ if sys.version_info < (3, 14) else {}
    defaults: Any = function.__defaults__ or ()
    named: Any = function.__kwdefaults__ or {}
    positional = code.co_varnames[: code.co_argcount]
    keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    rest = list(code.co_varnames[code.co_argcount + code.co_kwonlyargcount :])
    known: dict[str, tuple[Any, Any]] = {}
    for index, name in enumerate(positional):
        back = index - len(positional)
        kind = (
            Parameter.POSITIONAL_ONLY if index < code.co_posonlyargcount else Parameter.POSITIONAL_OR_KEYWORD
        )
        known[name] = (kind, defaults[back] if -back <= len(defaults) else Parameter.empty)
    if code.co_flags & _VARIABLE:
        known[rest.pop(0)] = (Parameter.VAR_POSITIONAL, Parameter.empty)
    for name in keywords:
        known[name] = (Parameter.KEYWORD_ONLY, named.get(name, Parameter.empty))
    if code.co_flags & _KEYWORDS:
        known[rest.pop(0)] = (Parameter.VAR_KEYWORD, Parameter.empty)
    plain = annotations if type(annotations) is dict else {}
    return Signature(
        [
            # Of a comprehension before 3.12 the parameter is called `.0`.
            Parameter(
                name if name.isidentifier() else "iterable",
                kind,
                default=default,
                annotation=plain.get(name, Parameter.empty),
            )
            for name, (kind, default) in known.items()
        ],
        return_annotation=plain.get("return", Signature.empty),
        __validate_parameters__=False,
    )


def _is_known(cls: type) -> bool:
    """Whether what class an object of it has is told by nothing of the application's."""
    asked = (looked_up(cls, name) for name in ("__getattribute__", "__class__"))
    return not any(is_a(each, FunctionType, property) for each in asked)


def _without_first(found: Signature) -> Signature:
    """Without what is bound: `self`."""
    parameters = list(found.parameters.values())
    if parameters and parameters[0].kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
        del parameters[0]
    return Signature(parameters, return_annotation=found.return_annotation, __validate_parameters__=False)


def _of_class(cls: type) -> Signature:
    called = looked_up(type(cls), "__call__")
    if is_a(called, FunctionType):
        return _without_first(signature(called))
    for base in mro(cls):
        names = names_of(base)
        if type(names.get("__signature__")) is Signature:
            found: Signature = names["__signature__"]
            return found
        if type(names.get("__pydantic_fields__")) is dict:
            return Signature(list(_of_fields(names["__pydantic_fields__"])))
        for name in ("__new__", "__init__"):
            function: Any = names.get(name)
            function = function.__func__ if is_a(function, staticmethod) else function
            if is_a(function, FunctionType):
                return _without_first(signature(function))
        if base is not object and ("__new__" in names or "__init__" in names):
            if type(type.__dict__["__text_signature__"].__get__(base)) is not str:
                break
            return inspect.signature(base)  # of C
    else:
        return Signature()
    raise ValueError


def _of_fields(fields: dict[Any, Any]) -> Iterator[Parameter]:
    """Those of a model of pydantic's: its own `__signature__` is made when it is first read."""
    for name, field in list(fields.items()):
        if type(name) is str and name.isidentifier():
            annotation = own(field, "annotation") or Parameter.empty
            yield Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation)


def _default(value: Any) -> str:
    if value is ...:
        return "..."
    return bounded(value, 60) if exactly(value, *_SHOWN) else f"<{type_name(value)}>"


def _annotation(value: Any) -> Any:
    """What is shown in its place."""
    return value if value is Parameter.empty else _Written(_written(value))


def _written(value: Any) -> str:
    """An annotation as `inspect` shows it, as far as no code is needed for it."""
    if type(value) is str:
        return repr(value)
    if is_a(value, type) and not is_a(value, GenericAlias):
        module = names_of(value).get("__module__")
        name = class_name(value)
        return name if type(module) is not str or module in ("builtins", "typing") else f"{module}.{name}"
    if _is_tame(value, 0):
        return repr(value).replace("typing.", "")
    names = own_names(value)
    return _written(names["__origin__"]) if "__metadata__" in names else f"<{type_name(value)}>"


def _is_tame(value: Any, depth: int) -> bool:
    """Whether its `__repr__`, and that of all that it is made of, is Python's own."""
    kind = type(value)
    if exactly(value, *_PLAIN):
        return True
    if is_a(value, type) and not is_a(value, GenericAlias):
        return looked_up(kind, "__getattribute__") is type.__dict__["__getattribute__"]
    if depth > _DEPTH:
        return False
    if exactly(value, GenericAlias, UnionType):
        return all(_is_tame(each, depth + 1) for each in value.__args__)
    if names_of(kind).get("__module__") not in _ALIASES:
        return False
    names = own_names(value)
    parts = (names.get("__args__") or (), names.get("__metadata__") or ())
    return all(_is_tame(each, depth + 1) for part in parts if type(part) is tuple for each in part)
