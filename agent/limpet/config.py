"""Configuration of the application, as in Elixir's Config: written in config/runtime.py, read everywhere.

In config/runtime.py, evaluated once at every boot, before any process starts:

    from limpet.config import config, config_env, env, secret

    config("bookshop", "repo", url=secret(env("DATABASE_URL")), pool_size=env.int("POOL_SIZE", 5))

In the application, in any of its processes:

    from limpet import config

    config.get("bookshop", "repo")["url"]

Without Limpet around it, every `get` gives its default: there is no configuration.
"""

from __future__ import annotations

import os

from .values import BOOT, ConfigError, Secret, caller, copied, impossible, merge, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` would cost each process that reads its configuration five milliseconds
    from typing import Any

    from .environment import Env, env

__all__ = ["ConfigError", "Secret", "compile_env", "config", "config_env", "env", "get", "secret"]

_NOTHING: Any = object()


def config(app: str, key: str | None = None, value: Any = _NOTHING, /, **values: Any) -> None:
    """Sets values of an application.

    `config("shop", "port", 4000)` and `config("shop", port=4000)` set one; `config("shop", "repo", url=…,
    pool_size=5)` sets what is below a key. Repeated calls are merged: dicts key by key at every depth,
    anything else is replaced.

    Raises:
        ConfigError: a value that cannot be passed to another process: what is not None, a boolean, a number,
            text, bytes, a path, a secret, or a list, tuple or dict (with text as keys) of such.
        TypeError: both a value and values, or neither.
    """
    given = value is not _NOTHING
    if given == bool(values) or (given and key is None):
        raise TypeError("config() takes an application, and a key with its value or values by name")
    found = values if key is None else {key: value if given else values}
    if wrong := impossible(found, app):
        raise ConfigError(f"{wrong} ({caller()})")
    merge(_values().setdefault(app, {}), copied(found))
    if BOOT.trace is not None:
        for name, item in found.items():
            BOOT.trace.set(f"{app}.{name}", item, caller())


def get(app: str, key: str | None = None, default: Any = None) -> Any:
    """The value of an application's key, or `default`; without a key, a dict of all its values.

    A dict or list is the caller's own copy. A secret is a `str` in every way but its repr.

    Raises:
        ConfigError: the values of this boot cannot be read.
    """
    values = _values().get(app, {})
    if key is None:
        return copied(values)
    return copied(values[key]) if key in values else default


def secret(value: str) -> Secret:
    """Marks text as never to be shown: its repr is `secret(***)`, here and in every process that gets it."""
    if not isinstance(value, str):
        raise TypeError(f"secret() takes a str, not {type(value).__name__}")
    hidden = Secret(value)
    if BOOT.trace is not None:
        BOOT.trace.hide(value, hidden)
    return hidden


def compile_env(app: str, key: str, default: Any = None) -> Any:
    """The value of an application's key, for config/config.py: what is built depends on it.

    A boot at which it is another one is refused (`validate_compile_env`).
    """
    if BOOT.trace is not None:
        BOOT.trace.kept.append((app, key))
    return get(app, key, default)


def config_env() -> str:
    """`dev` in a project, `prod` in a release, or what LIMPET_ENV said at boot."""
    _values()
    release = "prod" if os.environ.get("RELEASE_ROOT") else "dev"
    return BOOT.environment or os.environ.get("LIMPET_ENV") or release


def __getattr__(name: str) -> Env:
    """`env`, which config/runtime.py needs and the processes do not."""
    if name != "env":
        raise AttributeError(f"module 'limpet.config' has no attribute {name!r}")
    from .environment import env

    return env


def _values() -> dict[str, dict[str, Any]]:
    """All values; those of this boot are read when first asked for."""
    if BOOT.values is None:
        path = os.environ.get("LIMPET_CONFIG")
        environment, values = read_file(path) if path else (None, {})
        # Race: two threads may both have read the file; the first one's values count.
        if BOOT.values is None:
            BOOT.environment = environment
            BOOT.values = values
    return BOOT.values
