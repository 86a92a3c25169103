"""`env`: environment variables with a type; what is missing or malformed ends the boot, naming its line."""

import os
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from . import durations
from .values import BOOT, ConfigError, caller

T = TypeVar("T")
D = TypeVar("D")

_MISSING: Any = object()
_TRUTH = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


class Reader(Generic[T]):
    """Reads a variable as one type.

    A variable that is set to nothing counts as missing; a default in text is read as a value would be.
    """

    def __init__(self, parse: Callable[[str], T], wanted: str) -> None:
        self._parse = parse
        self._wanted = wanted

    @overload
    def __call__(self, name: str) -> T: ...
    @overload
    def __call__(self, name: str, default: str) -> T: ...
    @overload
    def __call__(self, name: str, default: D) -> T | D: ...
    def __call__(self, name: str, default: Any = _MISSING) -> Any:
        """The value of the variable `name`, or `default`.

        Raises:
            ConfigError: there is none, or it is not of the type.
        """
        text = os.environ.get(name) or default
        if text is _MISSING:
            raise missing(name)
        unset = not os.environ.get(name)
        if not isinstance(text, str):
            return _noted(name, text, default=unset)
        try:
            return _noted(name, self._parse(text), default=unset)
        except (ValueError, OverflowError):
            found = f"{name}: expected {self._wanted}, found {text!r}"
            raise ConfigError(f"{found} ({caller()})") from None


class Env:
    """`env(name)` reads text; `env.int`, `.float`, `.bool`, `.duration` (seconds) and `.list` read more."""

    def __init__(self) -> None:
        self.int = Reader(int, "a whole number")
        self.float = Reader(float, "a number")
        self.bool = Reader(_truth, "true or false")
        self.duration = Reader(durations.seconds, durations.WANTED)
        self.list = Reader(_parts, "a list")

    @overload
    def __call__(self, name: str) -> str: ...
    @overload
    def __call__(self, name: str, default: D) -> str | D: ...
    def __call__(self, name: str, default: Any = _MISSING) -> Any:
        """The text of the variable `name`, or `default` if it is not set; without one it may not be empty.

        Raises:
            ConfigError: there is none.
        """
        text = os.environ.get(name)
        if default is not _MISSING:
            return _noted(name, default if text is None else text, default=text is None)
        if not text:
            raise missing(name)
        return _noted(name, text, default=False)


def _noted(name: str, value: Any, *, default: bool) -> Any:
    """The value, after it was noted where it comes from, if someone wants to know."""
    if BOOT.trace is None:
        return value
    return BOOT.trace.read(name, value, default=default, place=caller())


def missing(name: str) -> ConfigError:
    """The error for a variable that is needed: `DATABASE_URL is not set (config/runtime.py:7)`."""
    return ConfigError(f"{name} is {'empty' if name in os.environ else 'not set'} ({caller()})")


def _truth(text: str) -> bool:
    if (word := text.strip().lower()) not in _TRUTH:
        raise ValueError
    return _TRUTH[word]


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


env = Env()
