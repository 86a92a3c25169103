"""Per format, a row for each of its options: Limpet's equivalent, what differs, or why there is none."""

from enum import StrEnum
from typing import Final, NamedTuple


class Fate(StrEnum):
    """What becomes of an option."""

    SAME = "same"
    DIFFERS = "differs"
    NONE = "none"
    UNKNOWN = "unknown"
    """It is none of the format's options."""


class Option(NamedTuple):
    """One option of another supervisor."""

    name: str
    """As it is written; a `*` at its end stands for anything."""
    key: str
    """What it is here; empty: nothing."""
    fate: Fate
    text: str
    """What differs, or why there is no equivalent."""
    harmless: tuple[str, ...] = ()
    """Values (as lower-case text) with which nothing differs; `ANY`: the import itself says when it does."""


class Table(NamedTuple):
    """The options of one kind of section."""

    section: str
    """As a heading: `[program:x]`."""
    options: tuple[Option, ...]

    def find(self, name: str) -> Option | None:
        """The option of that name."""
        for option in self.options:
            if name == option.name or (option.name.endswith("*") and name.startswith(option.name[:-1])):
                return option
        return None


ANY: Final = ("*",)
OFF: Final = ("false", "no", "off", "0", "none", "")
ON: Final = ("true", "yes", "on", "1")


def same(name: str, key: str, text: str = "") -> Option:
    """An option that means the same here."""
    return Option(name, key, Fate.SAME, text)


def differs(name: str, key: str, text: str, harmless: tuple[str, ...] = ()) -> Option:
    """An option with an equivalent that is not quite the same."""
    return Option(name, key, Fate.DIFFERS, text, harmless)


def none(name: str, text: str, harmless: tuple[str, ...] = (), *, instead: str = "") -> Option:
    """An option without equivalent; `instead` is what serves the same end."""
    return Option(name, instead, Fate.NONE, text, harmless)
