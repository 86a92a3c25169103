"""Configuration from elsewhere, as Elixir's Config.Provider: read at every boot, after config/runtime.py.

A provider of the project's is a class or object with two functions:

    init(arguments: dict) -> state            at build, where it can be checked; the state is JSON's
    load(values: dict, state) -> dict         at boot: the values by application and key, and those it adds

Built in: JSON and TOML files (an object of applications), files of NAME=value lines, which add to the
environment that config/runtime.py sees, and systemd's credentials (systemd.exec(5), LoadCredential=).
"""

import os
import sys
from typing import Any

from .values import ConfigError, Secret

BEFORE = frozenset({"env_file"})
"""Kinds that come before config/runtime.py."""


def load(provider: dict[str, Any], values: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The values that a provider adds.

    Raises:
        ConfigError: its file is not there or is malformed, or it gives what is no configuration.
    """
    kind = provider["kind"]
    if kind == "object":
        found = _object(provider["source"]).load(values, provider.get("state"))
    elif kind == "credentials":
        found = _credentials(provider["source"], optional=provider["optional"])
    else:
        text = _text(provider["source"], optional=provider["optional"])
        found = {} if text is None else _PARSERS[kind](text, provider["source"])
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise ConfigError(f"{provider['source']}: expected values by application and key")
    return found


def init(provider: dict[str, Any]) -> Any:
    """What a provider of the project's wants to know at boot; checks a built-in one as far as it can be.

    Raises:
        ConfigError: it has no such functions, or there is no such object.
    """
    return _object(provider["source"]).init(provider.get("arguments") or {})


def _object(name: str) -> Any:
    from importlib import import_module

    module, _, path = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"There is no provider {name}: {error}") from None
    if isinstance(found, type):
        found = found()
    for wanted in ("init", "load"):
        if not callable(getattr(found, wanted, None)):
            raise ConfigError(f"The provider {name} has no function {wanted}")
    return found


def _text(path: str, *, optional: bool) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        if optional:
            return None
        raise ConfigError(f"{path} is not there") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None


def _json(text: str, path: str) -> Any:
    import json

    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from None


def _toml(text: str, path: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None


def _env_file(text: str, path: str) -> dict[str, dict[str, Any]]:
    """Sets variables that are not set; there is nothing to add to the values."""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip().removeprefix("export ").lstrip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name.isidentifier():
            raise ConfigError(f"{path}:{number}: expected NAME=value")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        os.environ.setdefault(name, value)
    return {}


def _credentials(app: str, *, optional: bool) -> dict[str, dict[str, Any]]:
    """Each file is a secret of the application; dots in its name are levels: `repo.url`."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        if optional:
            return {}
        raise ConfigError("CREDENTIALS_DIRECTORY is not set: systemd sets it for a unit with LoadCredential=")
    values: dict[str, Any] = {}
    for name in sorted(os.listdir(directory)):
        text = _text(os.path.join(directory, name), optional=False)
        place = values
        *above, last = name.split(".")
        for level in above:
            place = place.setdefault(level, {})
        place[last] = Secret((text or "").rstrip("\n"))
    return {app: values}


_PARSERS = {"json": _json, "toml": _toml, "env_file": _env_file}
