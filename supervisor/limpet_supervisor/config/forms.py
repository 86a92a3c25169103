"""The fields whose TOML is not their struct's: commands, checks, signals, limits, environments, addresses."""

import json
import re
from typing import Any, Final, TypeVar, get_args

from msgspec import Struct
from msgspec.structs import FieldInfo

from limpet_supervisor.model.spec import (
    HealthSpec,
    Interval,
    Liveness,
    NodeSpec,
    OtlpSpec,
    ProcessSpec,
    Provider,
    Ready,
    ReleaseOptions,
    SocketSpec,
)
from limpet_supervisor.model.units import Duration, Shutdown, Size

from .names import Path
from .read import Form, Reader, Refused, fields_of
from .wording import nearest, shown

Check = TypeVar("Check", Ready, Liveness)

_HOST: Final = r"(?:\[[0-9A-Za-z:.%]+\]|[^\s:/?#\[\]@]+)"
_ADDRESS: Final = rf"unix:([/@].+)|{_HOST}:([0-9]{{1,5}})"
_URL: Final = rf"http://{_HOST}(?::([0-9]{{1,5}}))?(?:[/?][!-~]*)?"
_PUSHED: Final = rf"https?://(?:[^\s/?#@]+@)?{_HOST}(?::([0-9]{{1,5}}))?(?:/[!-~]*)?"
_LONGEST_PATH: Final = 107
"""Bytes of sun_path without its final zero, unix(7)."""
_FUNCTION: Final = r"[^\W\d][\w.]*:[^\W\d][\w.]*"
_STEP: Final = rf"assemble|tar|{_FUNCTION}"
_BUILT_IN_STEPS: Final = ("assemble", "tar")


def command(reader: Reader, value: Any, path: Path) -> tuple[str, ...]:
    """A list of arguments; or a string, split as a POSIX shell does before references are replaced."""
    if isinstance(value, str):
        import shlex

        try:
            value = shlex.split(value)
        except ValueError as error:
            raise reader.refuse(path, f"cannot be split into words: {str(error).lower()}") from None
    if not isinstance(value, list):
        raise reader.expected(path, "a list of strings, or a string", value)
    words: list[str] = reader.items(value, str, path)
    if not words or not words[0]:
        raise reader.refuse(path, "expected what to run, found nothing")
    return tuple(words)


def address(reader: Reader, value: Any, path: Path) -> str:
    """`host:port`, `[v6]:port`, `unix:/path` or, for an abstract one, `unix:@name`."""
    text: str = reader.value(str, value, path)
    match = re.fullmatch(_ADDRESS, text)
    if match and match[1] and len(match[1].encode()) > _LONGEST_PATH:
        raise reader.expected(path, f"a path of at most {_LONGEST_PATH} bytes", text)
    if not match or (match[2] and not _is_port(match[2])):
        hint = f" in {shown(value)}" if text != value else ""
        raise reader.expected(path, '"host:port", "[v6]:port" or "unix:/path"', text, hint)
    return text


def url(reader: Reader, value: Any, path: Path) -> str:
    """An http URL, in ASCII as it is sent."""
    text: str = reader.value(str, value, path)
    match = re.fullmatch(_URL, text)
    if not match or (match[1] and not _is_port(match[1])):
        # As it is written: what a reference stands for may be a password.
        raise reader.expected(path, '"http://host:port/path"', value)
    return text


def _is_port(text: str) -> bool:
    return 0 < int(text) < 65536


def pattern(reader: Reader, value: Any, path: Path) -> str:
    """A regular expression of Python's."""
    text: str = reader.value(str, value, path)
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise reader.refuse(path, f"not a regular expression: {error}") from None
    return text


def served(reader: Reader, value: Any, path: Path) -> str:
    """Where the node itself listens: an address that no resolver has to be asked for; empty for nowhere."""
    if reader.value(str, value, path) == "":
        return ""
    text = address(reader, value, path)
    host = text.rpartition(":")[0].strip("[]")
    if not text.startswith("unix:") and host != "localhost":
        from ipaddress import ip_address

        try:
            numeric = "%" not in str(ip_address(host))  # inet_pton(3) knows no zones
        except ValueError:
            numeric = False
        if not numeric:
            raise reader.expected(path, 'a numeric address or "localhost"', text)
    return text


def pushed(reader: Reader, value: Any, path: Path) -> str:
    """Where metrics are pushed to: an http or https URL, `on`, or empty for nowhere."""
    text: str = reader.value(str, value, path)
    match = re.fullmatch(_PUSHED, text)
    if text not in ("", "on") and (not match or (match[1] and not _is_port(match[1]))):
        # As it is written: what a reference stands for may be a password.
        raise reader.expected(path, '"http://host:port", "https://host" or "on"', value)
    return text


def headers(reader: Reader, value: Any, path: Path) -> dict[str, str]:
    """Fields of HTTP (RFC 9110). What a value is never appears in a message."""
    if not isinstance(value, dict):
        raise reader.expected(path, "a table of headers", value)
    found = {}
    for name, item in value.items():
        at = (*path, name)
        try:
            text = reader.text(item, at) if isinstance(item, str) else ""
        except Refused:
            continue
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            reader.problem(at, "not the name of a header")
        elif not re.fullmatch(r"[!-~](?:[ \t!-~]*[!-~])?", text):
            reader.problem(at, "expected a string of visible ASCII")
        else:
            found[name] = text
    return found


def check_name(reader: Reader, value: Any, path: Path) -> str:
    """The name of a check of limpet.health."""
    text: str = reader.value(str, value, path)
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", text):
        raise reader.expected(path, "the name of a check, as in @health.check(NAME)", text)
    return text


def interval(reader: Reader, value: Any, path: Path) -> str:
    """A duration above 0; as text, since it is what a check looks at."""
    return f"{float(reader.value(Interval, value, path)):g}s"


_TARGETS: Final = {
    "tcp": address,
    "http": url,
    "log": pattern,
    "health": check_name,
    "loop": interval,
}
"""The kinds of check that look at a target, and how it reads."""


def ready(reader: Reader, value: Any, path: Path) -> Ready:
    """`"notify"`, or a table with a kind of check as one of its keys."""
    return _check(reader, Ready, value, path)


def liveness(reader: Reader, value: Any, path: Path) -> Liveness:
    """A table with a kind of check as one of its keys."""
    return _check(reader, Liveness, value, path)


def _check(reader: Reader, cls: type[Check], value: Any, path: Path) -> Check:
    """A check: one key is its kind, with what it looks at as its value; the others are its options.

    A kind that looks at nothing is a plain string, or `KIND = true` beside options.
    """
    fields = fields_of(cls)
    kinds: tuple[str, ...] = get_args(fields["kind"].type)
    plain = tuple(kind for kind in kinds if kind not in _TARGETS and kind != "exec")
    if isinstance(value, str):
        text = reader.text(value, path)
        if text in plain:
            plainly: dict[str, Any] = {"kind": text}
            return cls(**plainly)
        if text in kinds:
            raise reader.refuse(path, f'"{text}" needs to know what to look at: {{ {text} = … }}')
        meant = nearest(text, kinds)
        listed = ", ".join(kinds)
        raise reader.expected(path, f"one of {listed}", value, f'; did you mean "{meant}"?' if meant else "")
    if not isinstance(value, dict):
        raise reader.expected(path, 'a table such as { http = "http://127.0.0.1:4000/health" }', value)
    options: dict[str, FieldInfo] = {
        name: field for name, field in fields.items() if name not in ("kind", "target", "command")
    }
    reader.known(value, (*kinds, *options), path)
    named = [key for key in value if key in kinds]
    found: dict[str, Any] = {"kind": named[0] if named else ""}
    wrong = len(named) != 1
    if wrong and not any((*path, kind) in reader.bad for kind in kinds):
        count = f"found {' and '.join(named)}" if named else "found none"
        reader.problem(path, f"expected one kind of check ({', '.join(kinds)}), {count}")
    for key in named:
        at = (*path, key)
        try:
            if key == "exec":
                found["command"] = command(reader, value[key], at)
            elif key in _TARGETS:
                found["target"] = _TARGETS[key](reader, value[key], at)
            elif value[key] is not True:
                reader.expected(at, "true", value[key])
                wrong = True
        except Refused:
            wrong = True
    for name, field in options.items():
        if name in value:
            try:
                found[name] = reader.field(cls, field, value[name], (*path, name))
            except Refused:
                wrong = True
    if wrong:
        raise Refused
    if found["kind"] == "loop":  # how long it may be blocked is said already; and it hears no stop signal
        found = {"every": Duration(1), "failures": 1, "shutdown": Shutdown(1), **found}
    return cls(**found)


def signal(reader: Reader, value: Any, path: Path) -> str:
    """A signal's name, with or without SIG."""
    from signal import Signals

    text: str = reader.value(str, value, path)
    name = text.removeprefix("SIG")
    known = [member.name.removeprefix("SIG") for member in Signals]
    if name not in known:
        meant = nearest(name.upper(), known)
        hint = f'; did you mean "{meant}"?' if meant else ""
        raise reader.expected(path, 'a signal such as "TERM"', value, hint)
    return name


def limits(reader: Reader, value: Any, path: Path) -> dict[str, int | str]:
    """Resource limits by ulimit's long names: a number, a size or "infinity"."""
    import resource

    prefix = "RLIMIT_"
    known = {name.removeprefix(prefix).lower() for name in dir(resource) if name.startswith(prefix)}
    known.discard("ofile")  # another name of nofile
    if not isinstance(value, dict):
        raise reader.expected(path, "a table such as { nofile = 65536 }", value)
    reader.known(value, known, path)
    found: dict[str, int | str] = {}
    for name, limit in value.items():
        if name in known:
            at = (*path, name)
            try:
                text = reader.text(limit, at) if isinstance(limit, str) else limit
                wanted = 'a number, a size such as "1GiB", or "infinity"'
                found[name] = "infinity" if text == "infinity" else int(reader.value(Size, text, at, wanted))
            except Refused:
                continue
    return found


def env(reader: Reader, value: Any, path: Path) -> dict[str, str]:
    """Environment variables; numbers are written as text. What a value is never appears in a message."""
    if not isinstance(value, dict):
        raise reader.expected(path, "a table of variables", value)
    found = {}
    for name, item in value.items():
        at = (*path, name)
        if not name or "=" in name or "\0" in name:
            reader.problem(at, "not a name of a variable")
        elif isinstance(item, str):
            try:
                found[name] = reader.text(item, at)
            except Refused:
                continue
        elif isinstance(item, int | float) and not isinstance(item, bool):
            found[name] = str(item)
        else:
            kind = "a boolean" if isinstance(item, bool) else "something else"
            reader.problem(at, f'expected a string, found {kind}; a boolean is written "1" or "true"')
    return found


def python(reader: Reader, value: Any, path: Path) -> str:
    """`bundle`, `host`, or an absolute path."""
    text: str = reader.value(str, value, path)
    if text not in ("bundle", "host") and not text.startswith("/"):
        raise reader.expected(path, '"bundle", "host" or an absolute path', value)
    return text


def steps(reader: Reader, value: Any, path: Path) -> tuple[str, ...]:
    """Built-in steps, each at most once and assemble among them, and functions."""
    names: list[str] = reader.items(value, str, path)
    wrong = False
    for index, name in enumerate(names):
        if not re.fullmatch(_STEP, name):
            meant = nearest(name, _BUILT_IN_STEPS)
            hint = f'; did you mean "{meant}"?' if meant else ""
            reader.expected((*path, index), '"assemble", "tar" or "module:function"', name, hint)
            wrong = True
    for name in _BUILT_IN_STEPS:
        if names.count(name) > 1:
            reader.problem(path, f'"{name}" stands there {names.count(name)} times; once is enough')
            wrong = True
    if not wrong and "assemble" not in names:
        raise reader.refuse(path, 'expected "assemble" among the steps')
    if not wrong and "tar" in names and names.index("tar") < names.index("assemble"):
        raise reader.refuse(path, '"tar" stands before "assemble", and there is nothing to pack yet')
    if wrong:
        raise Refused
    return tuple(names)


def providers(reader: Reader, value: Any, path: Path) -> tuple[Provider, ...]:
    """Tables that begin with a kind and its source: `{ json = "/etc/shop.json", optional = true }`."""
    if not isinstance(value, list):
        raise reader.expected(path, 'a list such as [{ json = "/etc/shop.json" }]', value)
    kinds: tuple[str, ...] = get_args(fields_of(Provider)["kind"].type)
    found = []
    wrong = False
    for index, table in enumerate(value):
        at = (*path, index)
        named = [kind for kind in kinds if isinstance(table, dict) and kind in table]
        if len(named) != 1:
            reader.problem(at, f"expected a table with one of {', '.join(kinds)}")
            wrong = True
            continue
        (kind,) = named
        allowed = {"object": ("arguments", "state")}.get(kind, ("optional",))
        reader.known(table, (kind, *allowed), at)
        try:
            source = reader.text(table[kind], (*at, kind)) if isinstance(table[kind], str) else ""
            if not source or (kind == "object" and not re.fullmatch(_FUNCTION, source)):
                wanted = (
                    '"module:name"'
                    if kind == "object"
                    else "an application"
                    if kind == "credentials"
                    else "a file"
                )
                raise reader.expected((*at, kind), wanted, table[kind])
            optional = reader.value(bool, table.get("optional", False), (*at, "optional"))
        except Refused:
            wrong = True
            continue
        found.append(
            Provider(
                kind=kind,  # type: ignore[arg-type]  # one of the kinds, as was just seen
                source=source,
                optional=optional,
                arguments=table.get("arguments", {}),
                state=json.loads(table["state"]) if "state" in table else None,
            )
        )
    if wrong:
        raise Refused
    return tuple(found)


FORMS: Final[dict[tuple[type[Struct], str], Form]] = {
    (ProcessSpec, "command"): command,
    (ProcessSpec, "ready"): ready,
    (ProcessSpec, "liveness"): liveness,
    (ProcessSpec, "stop_signal"): signal,
    (ProcessSpec, "limits"): limits,
    (ProcessSpec, "env"): env,
    (SocketSpec, "bind"): address,
    (HealthSpec, "bind"): served,
    (OtlpSpec, "endpoint"): pushed,
    (OtlpSpec, "headers"): headers,
    (NodeSpec, "providers"): providers,
    (ReleaseOptions, "python"): python,
    (ReleaseOptions, "steps"): steps,
}
