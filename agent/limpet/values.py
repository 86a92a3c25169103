"""Configuration values: what they may be, who asked for them, and how they travel to the processes, as JSON.

A value that JSON has no word for is an object with two keys: `{"$": "secret", "=": "…"}`.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # see limpet.config
    from typing import Any

    from .origins import Trace

SCHEMA = 1

_HERE = os.path.dirname(__file__) + os.sep


class ConfigError(Exception):
    """The configuration is wrong: in config/runtime.py this ends the boot with exit code 78."""


class Secret(str):
    """Text that its repr does not show; `str()`, formatting and every operation give the text itself.

    So it works wherever text does, and stays out of tracebacks, the reprs of what holds it, and the console.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "secret(***)"

    def reveal(self) -> str:
        """The text as a plain `str`."""
        return str.__str__(self)


class Boot:
    """The configuration of this boot."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, Any]] | None = None
        """By application and key; None until they are asked for."""
        self.environment: str | None = None
        self.trace: Trace | None = None
        """Where values come from, while the configuration is evaluated."""


BOOT = Boot()


def impossible(value: Any, where: str) -> str:
    """Empty if `value` can travel; otherwise what cannot, and where it is: `shop.repo: expected …`."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                return f"{where}: expected text as key, found {type(key).__name__}"
            if wrong := impossible(item, f"{where}.{key}"):
                return wrong
        return ""
    if isinstance(value, list | tuple):
        wrongs = (impossible(item, f"{where}[{index}]") for index, item in enumerate(value))
        return next(filter(None, wrongs), "")
    if value is None or isinstance(value, bool | int | float | str | bytes | os.PathLike):
        return ""
    wanted = "None, a boolean, a number, text, bytes, a path, a secret, or a list, tuple or dict of such"
    return f"{where}: expected {wanted}, found {type(value).__name__}"


def copied(value: Any) -> Any:
    """A value with dicts, lists and tuples of its own."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    if isinstance(value, tuple):
        return tuple(copied(item) for item in value)
    return value


def merge(into: dict[str, Any], values: dict[str, Any]) -> None:
    """Adds values: dicts key by key at every depth, anything else is replaced."""
    for key, value in values.items():
        present = into.get(key)
        if isinstance(present, dict) and isinstance(value, dict):
            merge(present, value)
        else:
            into[key] = value


def caller() -> str:
    """`config/runtime.py:7`: the line outside of this package that is being executed.

    Its file is as seen from the working directory, which is the project's at boot.
    """
    frame = sys._getframe(1)  # noqa: SLF001 - CPython's own way to ask, as in logging and warnings
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename.removeprefix(os.getcwd() + os.sep)}:{frame.f_lineno}"


def encoded(environment: str, values: dict[str, dict[str, Any]]) -> bytes:
    """The document that the processes of this boot read."""
    import json

    return json.dumps({"schema": SCHEMA, "env": environment, "values": _to_json(values)}).encode()


def read_file(path: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """Environment and values of such a document in a file.

    Raises:
        ConfigError: there is none.
    """
    import json

    try:
        with open(path, "rb") as stream:
            found = json.loads(stream.read())
        if isinstance(found, dict) and found.get("schema") == SCHEMA:
            return found["env"], decoded(found["values"])
        why = "written by another version"
    except OSError as error:
        why = str(error.strerror)
    except ValueError as error:
        why = str(error)
    raise ConfigError(f"The configuration of this boot cannot be read: {path}: {why}")


def decoded(values: Any) -> dict[str, dict[str, Any]]:
    """The values of such a document."""
    found: dict[str, dict[str, Any]] = _from_json(values)
    return found


def _to_json(value: Any) -> Any:
    if isinstance(value, dict):
        if "$" in value:
            return {"$": "dict", "=": [[key, _to_json(item)] for key, item in value.items()]}
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    if isinstance(value, tuple):
        return {"$": "tuple", "=": [_to_json(item) for item in value]}
    if isinstance(value, Secret):
        return {"$": "secret", "=": value.reveal()}
    if isinstance(value, bytes):
        return {"$": "bytes", "=": value.hex()}
    if isinstance(value, os.PathLike):
        return {"$": "path", "=": os.fsdecode(value)}
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    content: Any = value.get("=")
    match value.get("$"):
        case None:
            return {key: _from_json(item) for key, item in value.items()}
        case "dict":
            return {key: _from_json(item) for key, item in content}
        case "tuple":
            return tuple(_from_json(item) for item in content)
        case "secret":
            return Secret(content)
        case "bytes":
            return bytes.fromhex(content)
        case "path":
            from pathlib import Path

            return Path(content)
        case kind:
            raise ValueError(f"a value of an unknown kind, {kind}")
