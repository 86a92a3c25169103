"""Where each value comes from: noted while the configuration is evaluated.

For `config`, which shows it, and for the comparison of a boot with its build.

A value that `env()` gave is known again by its identity, or by being set on the line on which it was read.
"""

import hashlib
import os
from typing import Any, NamedTuple

from .values import Secret, encoded


class Read(NamedTuple):
    """A variable that was asked for."""

    name: str
    value: Any
    default: bool
    """Whether it was not set."""
    place: str


class Trace:
    """What happens while the files are evaluated."""

    def __init__(self) -> None:
        self.reads: list[Read] = []
        self.origins: dict[str, tuple[str, str]] = {}
        """By dotted path: file and line, and the variable, if it is one's."""
        self.kept: list[tuple[str, str]] = []
        """Applications and keys that compile_env() read."""

    def read(self, name: str, value: Any, *, default: bool, place: str) -> Any:
        """Notes what `env()` gives; returns it, as an object of its own if it is text."""
        if type(value) is str and len(value) > 1:
            value = (value + " ")[:-1]
        self.reads.append(Read(name, value, default, place))
        return value

    def hide(self, value: Any, secret: Any) -> None:
        """`secret(value)` is the same as `value`."""
        for read in [read for read in self.reads if read.value is value]:
            self.reads.append(read._replace(value=secret))

    def set(self, path: str, value: Any, place: str) -> None:
        """Notes a value, and what is below it."""
        if isinstance(value, dict) and value:
            self.origins.pop(path, None)
            for key, item in value.items():
                self.set(f"{path}.{key}", item, place)
            return
        for other in [other for other in self.origins if other.startswith(f"{path}.")]:
            del self.origins[other]
        self.origins[path] = (place, self._source(value, place))

    def _source(self, value: Any, place: str) -> str:
        for read in reversed(self.reads):
            own = isinstance(value, str) and len(value) > 1 and read.value is value
            if own or (read.place == place and type(read.value) is type(value) and read.value == value):
                return f"default of {read.name}" if read.default else read.name
        return ""

    def recorded(self, values: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """What a boot compares: the variables that were read, and the values that compile_env() gave."""
        secrets = {read.name for read in self.reads if isinstance(read.value, Secret)}
        variables = {
            read.name: _fact(os.environ.get(read.name), read.place, hide=read.name in secrets)
            for read in self.reads
        }
        keys = {f"{app}.{key}": _fact(values.get(app, {}).get(key), "") for app, key in self.kept}
        return {"environment": variables, "keys": keys}


def digest(value: Any) -> str:
    """Equal for equal values."""
    return hashlib.sha256(encoded("", {"": {"": value}})).hexdigest()


def shown(value: Any, *, hide: bool = False) -> str:
    """A value for a person."""
    return "***" if hide else "not set" if value is None else repr(value)


def differences(recorded: dict[str, Any], environ: dict[str, str]) -> list[str]:
    """The variables that were something else at build; one that is not set now keeps what it was then."""
    found = []
    for name, fact in recorded["environment"].items():
        if name in environ and digest(environ[name]) != fact["digest"]:
            found += _difference(name, fact, shown(environ[name], hide=fact["shown"] == "***"))
    return found


def changed(recorded: dict[str, Any], values: dict[str, dict[str, Any]]) -> list[str]:
    """The values that compile_env() gave at build, and that are others now."""
    found = []
    for path, fact in recorded["keys"].items():
        app, _, key = path.partition(".")
        value = values.get(app, {}).get(key)
        if digest(value) != fact["digest"]:
            found += _difference(path, fact, shown(value))
    return found


def _fact(value: Any, place: str, *, hide: bool = False) -> dict[str, Any]:
    return {"digest": digest(value), "shown": shown(value, hide=hide), "place": place}


def _difference(name: str, fact: dict[str, Any], now: str) -> list[str]:
    place = f"  ({fact['place']})" if fact["place"] else ""
    return [f"{name}{place}", f"  - at build: {fact['shown']}", f"  + now:      {now}"]
