"""Evaluates the configuration, in a process of its own: main([PLAN, DESCRIPTOR]).

PLAN is JSON: `env` is what config_env() says; `config` a file evaluated first, or what a build made of it
(.json); `runtime` the file of every boot; `providers` those of `limpet.providers`; `build` says that this is
the build, which records what was read; `origins` asks where each value comes from; `validate` compares with
the build.

The result goes to the inherited descriptor as one JSON document: the values (see `limpet.values`), or
`{"error": …, "why": …, "lines": […]}` with the text of every secret replaced. Exit code 0, or 78.
"""

import json
import os
from types import ModuleType
from typing import Any

from . import origins, providers
from .values import BOOT, ConfigError, Secret, decoded, encoded, impossible, merge

_LAST_LINES = 8
"""Lines of a traceback that are reported."""


class Refused(ConfigError):
    """A file raised, or a boot differs from its build; with the lines that say so."""

    def __init__(self, what: str, why: str, lines: list[str]) -> None:
        super().__init__(what)
        self.why = why
        self.lines = lines


def evaluate(plan: dict[str, Any]) -> dict[str, Any]:
    """What the plan's files, in their order, make; `limpet.config.get` gives it from now on, in this process.

    Raises:
        ConfigError: something is missing or malformed, a file raises, or the boot differs from the build.
    """
    values: dict[str, dict[str, Any]] = {}
    BOOT.values = values
    BOOT.environment = plan["env"]
    trace = BOOT.trace = origins.Trace()
    recorded = None
    config = plan.get("config")
    if config and config.endswith(".json"):
        with open(config, "rb") as stream:
            built = json.load(stream)
        merge(values, decoded(built["values"]))
        trace.origins |= {path: (place, source) for path, (place, source) in built["origins"].items()}
        recorded = built["recorded"] if plan.get("validate") else None
        if recorded and (lines := origins.differences(recorded, dict(os.environ))):
            raise _differs(lines)
    elif config:
        _run(config)
    if plan.get("build"):
        states = [providers.init(each) if each["kind"] == "object" else None for each in plan["providers"]]
        return _document(plan, values) | {"recorded": trace.recorded(values), "states": states}
    for provider in plan["providers"]:
        if provider["kind"] in providers.BEFORE:
            _provide(provider, values, trace)
    if plan.get("runtime"):
        _run(plan["runtime"])
    for provider in plan["providers"]:
        if provider["kind"] not in providers.BEFORE:
            _provide(provider, values, trace)
    if recorded and (lines := origins.changed(recorded, values)):
        raise _differs(lines)
    return _document(plan, values)


def main(arguments: list[str]) -> int:
    """Evaluates and reports; see the module's docstring."""
    plan, descriptor = json.loads(arguments[0]), int(arguments[1])
    # What the files start has no business with it.
    os.set_inheritable(descriptor, False)
    try:
        document = json.dumps(evaluate(plan)).encode()
    except Refused as error:
        _write(descriptor, _failure(str(error), error.why, error.lines))
        return 78
    except ConfigError as error:
        _write(descriptor, _failure(str(error), "", []))
        return 78
    _write(descriptor, document)
    return 0


def _run(file: str) -> None:
    module = ModuleType("__limpet_runtime_config__")
    module.__file__ = file
    try:
        with open(file, "rb") as stream:
            code = compile(stream.read(), file, "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 - this process exists to run the user's file
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the file is the user's and may raise anything
        raise _raised(_shown(file), error) from None


def _provide(provider: dict[str, Any], values: dict[str, dict[str, Any]], trace: origins.Trace) -> None:
    source = provider["source"]
    try:
        found = providers.load(provider, values)
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the provider is the user's and may raise anything
        raise _raised(source, error) from None
    for app, keys in found.items():
        if wrong := impossible(keys, app):
            raise ConfigError(f"{source}: {wrong}")
        merge(values.setdefault(app, {}), keys)
        place = f"credential of {app}" if provider["kind"] == "credentials" else source
        for key, value in keys.items():
            trace.set(f"{app}.{key}", value, place)


def _document(plan: dict[str, Any], values: dict[str, dict[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(encoded(plan["env"], values))
    if (plan.get("origins") or plan.get("build")) and BOOT.trace is not None:
        document["origins"] = BOOT.trace.origins
    return document


def _differs(lines: list[str]) -> Refused:
    return Refused(
        "This boot's configuration differs from the build's",
        "set what it was, build again, or set validate_compile_env = false",
        lines,
    )


def _raised(where: str, error: BaseException) -> Refused:
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Refused(f"{where} cannot be evaluated", text, _traceback(error))


def _failure(error: str, why: str, lines: list[str]) -> bytes:
    hidden = sorted(_secrets(BOOT.values), key=len, reverse=True)

    def hide(text: str) -> str:
        for secret in hidden:
            text = text.replace(secret, "***")
        return text

    return json.dumps(
        {"error": hide(error), "why": hide(why), "lines": [hide(line) for line in lines]}
    ).encode()


def _traceback(error: BaseException) -> list[str]:
    """Its last lines, without our own first frame, files as seen from the working directory."""
    import traceback

    own = error.__traceback__.tb_next if error.__traceback__ is not None else None
    lines = "".join(traceback.format_exception(type(error), error, own)).splitlines()
    return [line.replace(f'File "{os.getcwd()}/', 'File "') for line in lines[-_LAST_LINES:]]


def _shown(file: str) -> str:
    return file.removeprefix(os.getcwd() + os.sep)


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
