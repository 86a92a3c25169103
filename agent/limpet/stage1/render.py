"""Values as text: bounded in size and time, and safe from objects that bite.

Plain data reads exactly as `repr` writes it, up to the limit. Dispatch is on the exact type, or on whose
`__repr__` a subclass inherits: nothing of a container's own class runs. Nothing is sorted: that would call
`__lt__` of the application's objects.
"""

import sys
from collections.abc import Callable, Iterable
from itertools import islice
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final

from .masking import MASK, is_secret, masked_text

LIMIT: Final = 4000
"""Characters of a value shown in a console."""
HARD_LIMIT: Final = 64_000
"""Characters of a value, whatever is asked."""
_DEPTH: Final = 30
_BIG_INTEGER: Final = 2000
"""Bits above which an integer is written in hexadecimal: decimal takes quadratic time."""
_TRIES: Final = 5


class Text:
    """A value that is text for a person: its repr is the text itself."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def text(self) -> str:
        """The text."""
        return self._text

    def __repr__(self) -> str:
        return self.text


def class_name(cls: type) -> str:
    """`Cart`, without asking the class's own metaclass."""
    return str(type.__dict__["__qualname__"].__get__(cls))


def type_name(value: object) -> str:
    """`int`, `bookshop.models.Book`."""
    cls = type(value)
    module = type.__dict__["__module__"].__get__(cls)
    name = class_name(cls)
    return name if type(module) is not str or module == "builtins" else f"{module}.{name}"


def clip(text: str, limit: int) -> str:
    """`text`, cut in its middle so that both ends of it are seen."""
    if len(text) <= limit:
        return text
    head = limit * 2 // 3
    tail = limit - head
    return f"{text[:head]}\n… {len(text) - limit:,} characters left out …\n{text[-tail:]}"


def bounded(value: object, limit: int = LIMIT) -> str:
    """`repr(value)`, in about `limit` characters at the most."""
    if issubclass(type(value), Text):  # of the type: `__class__` may be a property of the application's
        return clip(repr(value), HARD_LIMIT)
    writer = _Writer(min(limit, HARD_LIMIT))
    writer.write(value, 0)
    return "".join(writer.parts)


def shown(value: object, limit: int = LIMIT, *, name: str = "") -> str:
    """`value` as a passive look shows it: as `bounded`, but no `__repr__` of anybody's is called.

    Of what is no plain data only the type is told, and what is a secret, by the `name` of the value or of a
    key inside of it, is masked.
    """
    if name and is_secret(name) and value is not None:
        return MASK
    writer = _Passive(min(limit, HARD_LIMIT))
    writer.write(value, 0)
    return "".join(writer.parts)


def reference(value: object) -> str:
    """`<bookshop.models.Cart at 0x7f…>`."""
    return f"<{type_name(value)} at {id(value):#x}>"


def _first(items: Iterable[Any], count: int) -> list[Any] | None:
    """The first items; None if another thread keeps changing the container."""
    for _ in range(_TRIES):
        try:
            return list(islice(items, count))
        except RuntimeError:
            continue
    return None


class _Writer:
    """Writes until its characters are spent."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        self.parts: list[str] = []
        self.path: set[int] = set()

    def put(self, text: str) -> None:
        self.parts.append(text)
        self.left -= len(text)

    def write(self, value: Any, depth: int) -> None:
        own = _repr_of(type(value))
        # By identity: what a class has for `__repr__` may hash and compare as it likes.
        rule = _RULES.get(id(own))
        if rule is None:
            self.put_clipped(self.ask(value))
        elif rule is _Writer.text:
            self.text(value, depth)
        elif rule is not _Writer.plain and rule is not _Writer.integer:
            if id(value) in self.path:
                self.put("[...]" if own is list.__repr__ else "{...}" if own is dict.__repr__ else "(...)")
            elif depth >= _DEPTH:
                self.put("…")
            else:
                self.path.add(id(value))
                rule(self, value, depth)
                self.path.discard(id(value))
        else:
            rule(self, value, depth)

    def ask(self, value: Any) -> str:
        return _asked(value)

    def key(self, key: Any, depth: int) -> bool:
        """Writes a key of a dict; whether its value may be shown."""
        self.write(key, depth)
        return True

    def put_clipped(self, text: str) -> None:
        if len(text) > max(self.left, 20):
            text = f"{text[: max(self.left, 20)]}… <{len(text):,} characters>"
        self.put(text)

    def plain(self, value: Any, _depth: int) -> None:
        self.put(_asked(value))

    def integer(self, value: int, _depth: int) -> None:
        bits = int.bit_length(value)
        if bits <= _BIG_INTEGER:
            self.put(int.__repr__(value))
        else:
            self.put_clipped(
                f"{int.__format__(value, '#x')}" if bits <= 4 * HARD_LIMIT else f"<int of {bits:,} bits>"
            )

    def text(self, value: Any, _depth: int) -> None:
        base: Any = next(base for base in (str, bytes, bytearray) if issubclass(type(value), base))
        size = base.__len__(value)
        room = max(self.left, 20)
        if size <= room:
            self.put(base.__repr__(value))
        else:
            kind = "characters" if base is str else "bytes"
            self.put(f"{base.__getitem__(value, slice(0, room))!r}… <{size:,} {kind}>")

    def items(self, items: Iterable[Any], size: int, around: str, depth: int, *, pairs: bool = False) -> None:
        """`size` items between the two halves of `around`, as many as there is room for."""
        opening, closing = around.split(" ")
        self.put(opening)
        room = max(self.left // 3, 1) + 1  # an item and its comma take three characters at least
        found = _first(items, room)
        if found is None:
            self.put("… changing too fast to be read")
            found = []
            size = 0
        for index, item in enumerate(found):
            if index:
                self.put(", ")
            if self.left <= 0:
                self.put(f"… {size - index:,} more")
                break
            if pairs:
                open_ = self.key(item[0], depth + 1)
                self.put(": ")
                if open_:
                    self.write(item[1], depth + 1)
                else:
                    self.put(MASK)
            else:
                self.write(item, depth + 1)
        else:
            if len(found) < size:
                self.put(f", … {size - len(found):,} more")
        self.put(closing)

    def list(self, value: list[Any], depth: int) -> None:
        self.items(list.__iter__(value), list.__len__(value), "[ ]", depth)

    def tuple(self, value: tuple[Any, ...], depth: int) -> None:
        size = tuple.__len__(value)
        self.items(tuple.__iter__(value), size, "( ,)" if size == 1 else "( )", depth)

    def dict(self, value: dict[Any, Any], depth: int) -> None:
        self.items(dict.items(value), dict.__len__(value), "{ }", depth, pairs=True)

    def set(self, value: Any, depth: int) -> None:
        base = set if issubclass(type(value), set) else frozenset
        size = base.__len__(value)
        name = class_name(type(value))
        if not size:
            self.put(f"{name}()")
        else:
            around = "{ }" if type(value) is set else f"{name}({{ }})"
            self.items(base.__iter__(value), size, around, depth)

    def default_dict(self, value: Any, depth: int) -> None:
        factory = _DEFAULT.__dict__["default_factory"].__get__(value)
        self.put(f"{class_name(type(value))}({self.ask(factory)}, ")
        self.items(dict.items(value), dict.__len__(value), "{ }", depth, pairs=True)
        self.put(")")

    def ordered_dict(self, value: Any, depth: int) -> None:
        if not dict.__len__(value):
            self.put(f"{class_name(type(value))}()")
        elif sys.version_info >= (3, 12):
            self.put(f"{class_name(type(value))}(")
            self.items(_ORDERED.items(value), dict.__len__(value), "{ }", depth, pairs=True)
            self.put(")")
        else:
            self.items(_ORDERED.items(value), dict.__len__(value), f"{class_name(type(value))}([ ])", depth)

    def deque(self, value: Any, depth: int) -> None:
        most = _DEQUE.__dict__["maxlen"].__get__(value)
        end = "])" if most is None else f"],maxlen={most})"
        self.items(_DEQUE.__iter__(value), _DEQUE.__len__(value), f"{class_name(type(value))}([ {end}", depth)


class _Passive(_Writer):
    """Writes without asking any object, and without secrets."""

    def ask(self, value: Any) -> str:
        own = type(value)
        if id(own) in _PLAIN:
            return repr(value)
        if id(own) in _ROUTINES:
            return f"<function {value.__qualname__}>"
        if issubclass(own, type):
            return f"<class {class_name(value)}>"
        return reference(value)

    def key(self, key: Any, depth: int) -> bool:
        self.write(key, depth)
        return not (type(key) is str and is_secret(key))

    def text(self, value: Any, depth: int) -> None:
        # More than is shown is looked at: a password is known by what stands behind it.
        part = slice(0, 4 * max(self.left, 20) + 1000)
        base: Any = next(base for base in (str, bytes, bytearray) if issubclass(type(value), base))
        known = base.__getitem__(value, part)
        plain = known if base is str else known.decode("latin-1")
        if (open_ := masked_text(plain)) != plain:
            value = open_ if base is str else open_.encode("latin-1")
        super().text(value, depth)


def _repr_of(cls: type) -> Any:
    """The `__repr__` that instances of `cls` have."""
    for base in type.__dict__["__mro__"].__get__(cls):
        own = type.__dict__["__dict__"].__get__(base).get("__repr__")
        if own is not None:
            return own
    return None


def _asked(value: Any) -> str:
    """What the object itself says; objects can raise anything."""
    try:
        return repr(value)
    except RecursionError:
        what = "recursed"
    except Exception as failure:  # noqa: BLE001 - whatever it raises is told in place of the value
        what = f"raised {class_name(type(failure))}"
    return f"<{class_name(type(value))} at {id(value):#x}: __repr__ {what}>"


def _collections() -> tuple[Any, Any, Any]:
    import collections

    return collections.OrderedDict, collections.defaultdict, collections.deque


_ORDERED, _DEFAULT, _DEQUE = _collections()
_PLAIN: Final = frozenset(map(id, (type(None), type(...), type(NotImplemented), complex)))
_ROUTINES: Final = frozenset(map(id, (FunctionType, BuiltinFunctionType)))
_RULES: Final[dict[int, Callable[[_Writer, Any, int], None]]] = {
    id(own): rule
    for own, rule in (
        (str.__repr__, _Writer.text),
        (bytes.__repr__, _Writer.text),
        (bytearray.__repr__, _Writer.text),
        (int.__repr__, _Writer.integer),
        (bool.__repr__, _Writer.plain),
        (float.__repr__, _Writer.plain),
        (list.__repr__, _Writer.list),
        (tuple.__repr__, _Writer.tuple),
        (dict.__repr__, _Writer.dict),
        (set.__repr__, _Writer.set),
        (frozenset.__repr__, _Writer.set),
        (_DEFAULT.__dict__["__repr__"], _Writer.default_dict),
        (_ORDERED.__dict__["__repr__"], _Writer.ordered_dict),
        (_DEQUE.__dict__["__repr__"], _Writer.deque),
    )
}
"""By the identity of the `__repr__` that a class has; those named here never end."""
