"""A TOML table -> a struct: accepted keys, types, ranges and defaults are read off the struct's fields.

Every problem is collected with its path; what is wrong is left at its default, so that one mistake hides no
other.
"""

import math
import types
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Struct
from msgspec.structs import FieldInfo

from limpet_supervisor.model.units import Duration, Size

from .names import Path, Problem
from .variables import NotSet, expand
from .wording import nearest, shown

S = TypeVar("S", bound=Struct)
Form = Callable[["Reader", Any, Path], Any]
"""Reads a field whose TOML is not its type's own; raises Refused."""

_BEYOND: Final = 2**63
_TRUTH: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_WANTED: Final[dict[Any, str]] = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


class Refused(Exception):
    """The value cannot be used; why is among the reader's problems."""


class Reader:
    """Reads tables, and keeps what is wrong with them.

    Args:
        environ: what `${NAME}` means.
        forms: the readers of fields that are written in a form of their own, by struct and field.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        forms: Mapping[tuple[type[Struct], str], Form],
    ) -> None:
        self.environ = environ
        self.sockets: dict[str, str] = {}
        """What `${sockets.NAME}` means: the descriptor's number."""
        self.inherited: set[str] = set()
        """Sockets that were referred to."""
        self.forms = forms
        self.problems: list[Problem] = []
        self.at_boot = False
        """Whether variables that are not set are none now, but when the node boots."""
        self.bad: set[Path] = set()
        """Where there is a problem, there or below: rules between fields keep silent about these."""

    def problem(self, path: Path, text: str) -> None:
        """Notes one."""
        self.problems.append(Problem(path, text))
        self.doubt(path)

    def doubt(self, path: Path) -> None:
        """Notes that nothing can be said of what is there, and so not of what is around it."""
        self.bad.update(path[:length] for length in range(1, len(path) + 1))

    def refuse(self, path: Path, text: str) -> Refused:
        """Notes a problem, for `raise reader.refuse(…)`."""
        self.problem(path, text)
        return Refused()

    def expected(self, path: Path, wanted: str, found: Any, hint: str = "") -> Refused:
        """Notes that something else was wanted."""
        return self.refuse(path, f"expected {wanted}, found {shown(found)}{hint}")

    def struct(self, cls: type[S], table: Any, path: Path, given: Mapping[str, Any] | None = None) -> S:
        """The struct that `table` describes; fields that are `given` are no keys of it.

        Raises:
            Refused: it is no table, or a required field is missing or wrong.
        """
        if not isinstance(table, dict):
            raise self.expected(path, "a table", table)
        values: dict[str, Any] = dict(given or {})
        fields = fields_of(cls)
        for name in table:
            if name not in fields or (given and name in given):
                self.unknown(name, [key for key in fields if not given or key not in given], path)
                continue
            try:
                values[name] = self.field(cls, fields[name], table[name], (*path, name))
            except Refused:
                continue
        for name in required_of(cls):
            if name not in table and name not in values:
                self.problem((*path, name), "not there, and it has no default")
        if any(name not in values for name in required_of(cls)):
            raise Refused
        return cls(**values)

    def known(self, table: Mapping[str, Any], keys: Collection[str], path: Path) -> None:
        """Notes the keys of `table` that are not among `keys`."""
        for key in table:
            if key not in keys:
                self.unknown(key, keys, path)

    def unknown(self, key: str, keys: Collection[str], path: Path) -> None:
        """Notes a key that is not among `keys`; the one that was meant counts as given and wrong."""
        meant = nearest(key, keys)
        if meant:
            self.bad.add((*path, meant))
        known = f'did you mean "{meant}"?' if meant else f"known are {', '.join(sorted(keys))}"
        self.problem((*path, key), f"unknown key; {known}")

    def field(self, cls: type[Struct], field: FieldInfo, value: Any, path: Path) -> Any:
        """The value of one field."""
        form = self.forms.get((cls, field.name))
        return form(self, value, path) if form else self.value(field.type, value, path)

    def value(self, kind: Any, value: Any, path: Path, wanted: str = "") -> Any:
        """`value` as the annotation `kind` says; `wanted` is that in words, where the kind's own do not do.

        Raises:
            Refused: it is not.
        """
        origin = get_origin(kind)
        if origin is Annotated:
            return self.annotated(kind, value, path)
        if origin in (Union, types.UnionType):
            return self.union(get_args(kind), value, path)
        if origin is tuple:
            return tuple(self.items(value, get_args(kind)[0], path))
        if origin is dict:
            return self.mapping(value, get_args(kind)[1], path)
        if origin is Literal:
            return self.choice(get_args(kind), value, path)
        if issubclass(kind, Struct):
            return self.struct(kind, value, path)
        if issubclass(kind, StrEnum):
            return kind(self.choice(tuple(kind), value, path))
        if issubclass(kind, Duration | Size):
            written = self.text(value, path) if isinstance(value, str) else value
            try:
                parsed = kind.parse(written)
            except (ValueError, OverflowError):
                raise self.expected(path, wanted or kind.wanted, value) from None
            if isinstance(parsed, int) and parsed >= _BEYOND:
                raise self.expected(path, f"{wanted or kind.wanted}, below 8 EiB", value)
            return parsed
        return self.scalar(kind, value, path, wanted or _WANTED[kind])

    def text(self, value: str, path: Path) -> str:
        """A string with its references replaced."""
        try:
            found = expand(value, self.environ, self.socket)
        except NotSet as error:
            if self.at_boot:
                self.doubt(path)
                raise Refused from None
            raise self.refuse(path, str(error)) from None
        except ValueError as error:
            raise self.refuse(path, str(error)) from None
        except RecursionError:
            raise self.refuse(path, "references are nested too deeply") from None
        if "\0" in found:
            raise self.refuse(path, "a NUL in a string: the operating system has no way to pass it on")
        try:
            found.encode()
        except UnicodeEncodeError:
            raise self.refuse(path, "what a variable stands for is not UTF-8") from None
        return found

    def socket(self, name: str) -> str:
        """The number of a socket's descriptor; that it was asked for is remembered.

        Raises:
            ValueError: there is no such socket.
        """
        if name not in self.sockets:
            meant = nearest(name, self.sockets)
            hint = f'; did you mean "{meant}"?' if meant else ""
            raise ValueError(f"${{sockets.{name}}}: no socket of that name{hint}")
        self.inherited.add(name)
        return self.sockets[name]

    def scalar(self, kind: Any, value: Any, path: Path, wanted: str) -> Any:
        """A string, boolean or number; the last two also as the text that a reference became."""
        if isinstance(value, str):
            text = self.text(value, path)
            if kind is str:
                return text
            if text != value:
                try:
                    value = _TRUTH[text.strip().lower()] if kind is bool else kind(text)
                except (KeyError, ValueError):
                    raise self.expected(path, wanted, text, f" in {shown(value)}") from None
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value) if abs(value) < _BEYOND else value
        if type(value) is not kind:
            raise self.expected(path, wanted, value)
        if kind is int and abs(value) >= _BEYOND:
            raise self.expected(path, f"{wanted} of at most 63 bits", value)
        if kind is float and math.isnan(value):
            raise self.expected(path, wanted, value)
        return value

    def annotated(self, kind: Any, value: Any, path: Path) -> Any:
        """A value with the bounds of a msgspec.Meta."""
        inner, *metas = get_args(kind)
        found = value
        for meta in metas:
            wanted = meta.description or ""
            found = self.value(inner, value, path, wanted)
            if not within(found, meta):
                raise self.expected(path, wanted, value)
        return found

    def union(self, kinds: tuple[Any, ...], value: Any, path: Path) -> Any:
        """One of several types: a table is for the struct among them."""
        kinds = tuple(kind for kind in kinds if kind is not types.NoneType)
        if len(kinds) == 1:
            return self.value(kinds[0], value, path)
        for kind in kinds:
            if isinstance(value, dict) == (isinstance(kind, type) and issubclass(kind, Struct)):
                return self.value(kind, value, path)
        raise self.expected(path, " or ".join(_WANTED.get(kind, "a table") for kind in kinds), value)

    def items(self, value: Any, kind: Any, path: Path) -> list[Any]:
        """A list, with every wrong item noted."""
        if not isinstance(value, list):
            raise self.expected(path, "a list", value)
        found = []
        wrong = False
        for index, item in enumerate(value):
            try:
                found.append(self.value(kind, item, (*path, index)))
            except Refused:
                wrong = True
        if wrong:
            raise Refused
        return found

    def mapping(self, value: Any, kind: Any, path: Path) -> dict[str, Any]:
        """A table with keys of the user's, with every wrong value noted."""
        if not isinstance(value, dict):
            raise self.expected(path, "a table", value)
        found = {}
        for key, item in value.items():
            try:
                found[key] = self.value(kind, item, (*path, key))
            except Refused:
                continue
        return found

    def choice(self, choices: tuple[Any, ...], value: Any, path: Path) -> Any:
        """One of a few words."""
        text = self.text(value, path) if isinstance(value, str) else value
        if isinstance(text, str) and text in choices:
            return text
        meant = nearest(text, choices) if isinstance(text, str) else None
        listed = ", ".join(f'"{choice}"' for choice in choices)
        raise self.expected(path, f"one of {listed}", value, f'; did you mean "{meant}"?' if meant else "")


@cache
def fields_of(cls: type[Struct]) -> dict[str, FieldInfo]:
    """The fields of a struct by name."""
    return {field.name: field for field in msgspec.structs.fields(cls)}


@cache
def required_of(cls: type[Struct]) -> tuple[str, ...]:
    """The fields of a struct that have no default."""
    return tuple(name for name, field in fields_of(cls).items() if required(field))


def required(field: FieldInfo) -> bool:
    """Whether it has no default."""
    return field.default is NODEFAULT and field.default_factory is NODEFAULT


def within(value: Any, meta: Meta) -> bool:
    """Whether a value keeps the bounds that the model uses: ge, le, pattern, and gt in `extra`."""
    if meta.pattern is not None:
        import re

        return re.search(meta.pattern, value) is not None and not value.endswith("\n")
    return not (
        (meta.ge is not None and value < meta.ge)
        or (meta.le is not None and value > meta.le)
        or (meta.extra is not None and value <= meta.extra["gt"])
    )
