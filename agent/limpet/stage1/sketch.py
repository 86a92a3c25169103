"""Values as the tools that look at calls and lines show them: with none of the objects' own code run.

As `render.shown`, and more is told of an object than its type: what an exception holds, and an object's own
public names, one level deep.
"""

import sys
from types import MemberDescriptorType
from typing import Any, Final

from .masking import MASK, is_secret
from .render import HARD_LIMIT, _Passive, class_name, shown, type_name
from .static import mro, names_of, own_names

_INNER: Final = 60
"""Characters of a value inside of an object."""
_NAMES: Final = 8
"""Names of an object that are shown."""
_STATED: Final = {
    "datetime": ("date", "datetime", "time", "timedelta", "timezone"),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "pathlib": ("PosixPath", "PurePosixPath"),
    "pathlib._local": ("PosixPath", "PurePosixPath"),
    "uuid": ("UUID",),
    "zoneinfo": ("ZoneInfo",),
}
"""Types of the standard library whose `__repr__` tells a value and asks nobody."""


def sketch(value: object, limit: int, *, name: str = "") -> str:
    """`value` in about `limit` characters; masked if `name` is a secret's."""
    if name and is_secret(name) and value is not None:
        return MASK
    writer = _Sketch(min(limit, HARD_LIMIT))
    writer.write(value, 0)
    return "".join(writer.parts)


class _Sketch(_Passive):
    """Tells of an object what it holds."""

    def ask(self, value: Any) -> str:
        cls = type(value)
        if any(BaseException is base for base in mro(cls)):
            arguments: tuple[Any, ...] = BaseException.__dict__["args"].__get__(value)
            return f"{class_name(cls)}({', '.join(shown(each, _INNER) for each in arguments[:_NAMES])})"
        if _is_stated(cls):
            return repr(value)
        enum = getattr(sys.modules.get("enum"), "Enum", None)
        if enum is not None and any(base is enum for base in mro(cls)):
            return f"<{class_name(cls)}.{own_names(value).get('_name_')}>"
        told = super().ask(value)
        if not told.startswith(f"<{type_name(value)} at "):
            return told
        facts: list[str] = []
        for key, each in _names(value).items():
            if len(facts) == _NAMES:
                facts.append("…")
                break
            facts.append(f"{key}={shown(each, _INNER, name=key)}")
        return f"<{type_name(value)} {' '.join(facts)}>" if facts else told


def _is_stated(cls: type) -> bool:
    """Whether it is one of `_STATED`, and not something that says so of itself."""
    module = type.__dict__["__module__"].__get__(cls)
    if type(module) is not str or class_name(cls) not in _STATED.get(module, ()):
        return False
    names = getattr(sys.modules.get(module), "__dict__", {})
    return names.get(class_name(cls)) is cls


def _names(value: Any) -> dict[str, Any]:
    """The public names of the object itself: of its `__dict__` and its slots."""
    found = {}
    for cls in mro(type(value)):
        for name, slot in names_of(cls).items():
            if type(slot) is MemberDescriptorType and type(name) is str and name[0] != "_":
                try:
                    found[name] = slot.__get__(value)
                except AttributeError:  # it is empty
                    continue
    own = list(own_names(value).items())
    return found | {name: each for name, each in own if type(name) is str and not name.startswith("_")}
