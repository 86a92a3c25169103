"""The tables of docs/configuration.md, from the model: `python -m limpet_supervisor.config.reference FILE`.

A table stands between `<!-- options: NAME -->` and `<!-- end -->`; the command rewrites what is between them.
Key, type, default and meaning are the struct's own, so no option can be documented wrongly, or not at all.
"""

import ast
import inspect
import re
import sys
import types
from collections.abc import Callable, Iterable
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo

from limpet_supervisor.model import spec
from limpet_supervisor.model.units import Duration, Shutdown, Size, format_duration, format_size

from .load import BUILD_KEYS, NODE_KEYS, ROOT_KEYS
from .read import fields_of, required

TABLES: Final[dict[str, tuple[tuple[type[Struct], tuple[str, ...]], ...]]] = {
    "release": ((spec.NodeSpec, NODE_KEYS), (spec.SupervisorSpec, ROOT_KEYS)),
    "build": ((spec.ReleaseOptions, BUILD_KEYS),),
    "socket": ((spec.SocketSpec, tuple(key for key in fields_of(spec.SocketSpec) if key != "name")),),
    "process": (
        (
            spec.ProcessSpec,
            tuple(key for key in fields_of(spec.ProcessSpec) if key not in ("name", "names_sockets")),
        ),
    ),
    "supervisor": ((spec.SupervisorSpec, tuple(fields_of(spec.SupervisorSpec))),),
    "ready": ((spec.Ready, ("timeout", "every")),),
    "liveness": ((spec.Liveness, ("every", "timeout", "failures", "shutdown")),),
    "health": ((spec.HealthSpec, tuple(fields_of(spec.HealthSpec))),),
    "otlp": ((spec.OtlpSpec, tuple(fields_of(spec.OtlpSpec))),),
    "backoff": ((spec.Backoff, tuple(fields_of(spec.Backoff))),),
    "log": ((spec.Log, tuple(fields_of(spec.Log))),),
    "strip": ((spec.Strip, tuple(fields_of(spec.Strip))),),
}
"""The tables: the structs that they show, and which of their fields."""

_MARK: Final = re.compile(r"(<!-- options: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rewritten(text: str) -> str:
    """The document with every table as the model has it now."""
    return _MARK.sub(lambda match: f"{match[1]}{table(match[2])}{match[3]}", text)


def table(name: str) -> str:
    """One table, in Markdown."""
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for struct, keys in TABLES[name]:
        meanings = docstrings(struct)
        for key in keys:
            field = fields_of(struct)[key]
            # A release's own keys are all optional: what the node must have is found out.
            usual = "" if struct is spec.NodeSpec and required(field) else default(field)
            cells = (f"`{key}`", value(field.type), usual, meanings[key])
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def docstrings(struct: type[Struct]) -> dict[str, str]:
    """The string below each field, in one line."""
    tree = ast.parse(inspect.getsource(struct))
    body = next(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)).body
    found = {}
    for node, following in pairwise(body):
        match node, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found


def value(kind: Any) -> str:
    """What a field takes, in words."""
    origin = get_origin(kind)
    arguments = get_args(kind)
    if origin is Annotated:
        return next((meta.description for meta in arguments[1:] if meta.description), value(arguments[0]))
    if origin in (Union, types.UnionType):
        return " or ".join(value(inner) for inner in arguments if inner is not types.NoneType)
    if origin is tuple:
        inner = arguments[0]
        if isinstance(inner, type) and issubclass(inner, Struct):
            return "tables"
        return "list" if inner is str else f"list of {_plural(inner)}"
    if origin is dict:
        return "table"
    if origin is Literal:
        return _either(arguments)
    if issubclass(kind, StrEnum):
        return _either(kind)
    if issubclass(kind, Struct):
        return "table"
    if kind is Shutdown:
        return "duration, `brutal_kill`, `infinity`"
    names = {str: "string", bool: "true or false", int: "number", float: "number", Size: "size"}
    return names.get(kind, "duration")


def _plural(kind: Any) -> str:
    return "exit codes" if get_origin(kind) is Annotated else value(kind)


def _either(choices: Iterable[str]) -> str:
    return ", ".join(f"`{choice}`" for choice in choices)


def default(field: FieldInfo) -> str:
    """What a field is when nothing is said."""
    if required(field):
        return "required"
    found = field.default_factory() if field.default is NODEFAULT else field.default
    match found:
        case bool():
            return str(found).lower()
        case Shutdown():
            return str(found)
        case Duration():
            return format_duration(found)
        case Size():
            return format_size(found)
        case tuple():
            return ", ".join(map(str, found))
        case spec.Ready():
            return f"`{found.kind}`"
        case Struct() | dict() | None | "":
            return ""
        case StrEnum() | str():
            return f"`{found}`"
    return f"{found:g}"


def rewrite(files: list[str], rewritten: Callable[[str], str]) -> None:
    """Replaces the text of each file by what `rewritten` makes of it."""
    for file in files:
        with open(file, encoding="utf-8") as stream:
            text = stream.read()
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(rewritten(text))


if __name__ == "__main__":
    rewrite(sys.argv[1:], rewritten)
