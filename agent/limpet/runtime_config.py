"""Evaluates config/runtime.py, in a process of its own: main([FILE, ENV, DESCRIPTOR]).

The result goes to the inherited descriptor as one JSON document: the values (see `limpet.values`), or
`{"error": …, "traceback": […]}` with the text of every secret replaced. Exit code 0, or 78.
"""

import os
from types import ModuleType
from typing import Any

from .values import BOOT, ConfigError, Secret, encoded

_LAST_LINES = 8
"""Lines of a traceback that are reported."""


def evaluate(file: str, environment: str) -> dict[str, dict[str, Any]]:
    """Runs `file` in this process: what it configures is what `limpet.config.get` gives from now on.

    Raises:
        Exception: whatever the file raises; ConfigError for what is missing or malformed.
    """
    values = BOOT.values = {}
    BOOT.environment = environment
    module = ModuleType("__limpet_runtime_config__")
    module.__file__ = file
    with open(file, "rb") as stream:
        code = compile(stream.read(), file, "exec", dont_inherit=True)
    exec(code, module.__dict__)  # noqa: S102 - this process exists to run the user's file
    return values


def main(arguments: list[str]) -> int:
    """Evaluates and reports; see the module's docstring."""
    file, environment, descriptor = arguments
    result = int(descriptor)
    # What the file starts has no business with it.
    os.set_inheritable(result, False)
    try:
        document = encoded(environment, evaluate(file, environment))
    except ConfigError as error:
        _write(result, _failure(str(error), []))
        return 78
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the file is the user's and may raise anything
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        _write(result, _failure(text, _traceback(error)))
        return 78
    _write(result, document)
    return 0


def _failure(error: str, traceback: list[str]) -> bytes:
    import json

    hidden = sorted(_secrets(BOOT.values), key=len, reverse=True)

    def hide(text: str) -> str:
        for secret in hidden:
            text = text.replace(secret, "***")
        return text

    return json.dumps({"error": hide(error), "traceback": [hide(line) for line in traceback]}).encode()


def _traceback(error: BaseException) -> list[str]:
    """Its last lines, without our own frames, files as seen from the working directory."""
    import traceback

    # The first two frames are main's and evaluate's.
    own = error.__traceback__
    for _ in range(2):
        own = own.tb_next if own is not None else None
    lines = "".join(traceback.format_exception(type(error), error, own)).splitlines()
    here = f'File "{os.getcwd()}/'
    return [line.replace(here, 'File "') for line in lines[-_LAST_LINES:]]


def _secrets(value: Any) -> set[str]:
    if isinstance(value, Secret):
        return {value.reveal()} - {""}
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return set().union(*map(_secrets, value))
    return set()


def _write(descriptor: int, document: bytes) -> None:
    while document:
        document = document[os.write(descriptor, document) :]
