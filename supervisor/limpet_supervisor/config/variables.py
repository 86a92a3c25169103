"""`${NAME}`, `${NAME:-default}`, `${sockets.NAME}` and `$$` in a string; and files of NAME=value lines."""

import re
from collections.abc import Callable, Mapping
from typing import Final

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*"
_SOCKET: Final = r"sockets\.([A-Za-z0-9_-]+)"
_LINE: Final = r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)"
_QUOTED: Final = r"""'([^']*)'\s*(?:\#.*)?|"((?:[^"\\]|\\.)*)"\s*(?:\#.*)?"""
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t"}


class NotSet(ValueError):
    """A variable that is not set, and has no default."""


def expand(text: str, environ: Mapping[str, str], socket: Callable[[str], str]) -> str:
    """`text` with its references replaced; `$$` is a dollar, and a dollar before anything else is itself.

    As in a shell, the default of `${NAME:-default}` serves if NAME is not set or empty, and may itself hold
    references.

    Args:
        text: what is written.
        environ: the variables.
        socket: the number of a socket's descriptor, by name; ValueError if there is none.

    Raises:
        NotSet: a variable that is not set and has no default.
        ValueError: an unknown socket, a malformed reference.
    """
    out = []
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        out.append(text[at:dollar])
        following = text[dollar + 1 : dollar + 2]
        if following == "{":
            end = _closing(text, dollar + 2)
            out.append(_value(text[dollar + 2 : end], environ, socket))
            at = end + 1
        else:
            out.append("$")
            at = dollar + (2 if following == "$" else 1)
    out.append(text[at:])
    return "".join(out)


def _closing(text: str, start: int) -> int:
    """Index of the brace that closes the reference whose inside begins at `start`."""
    depth = 1
    at = start
    while at < len(text):
        if text.startswith("${", at):
            depth += 1
            at += 1
        elif text[at] == "}":
            depth -= 1
            if not depth:
                return at
        at += 1
    raise ValueError("${ without its }; write $$ for a dollar")


def _value(inside: str, environ: Mapping[str, str], socket: Callable[[str], str]) -> str:
    if named := re.fullmatch(_SOCKET, inside):
        return socket(named[1])
    name, marker, default = inside.partition(":-")
    if not re.fullmatch(_NAME, name):
        raise ValueError(
            f"${{{inside}}} is not ${{NAME}}, ${{NAME:-default}} or ${{sockets.NAME}}; write $$ for a dollar"
        )
    if marker:
        return environ.get(name) or expand(default, environ, socket)
    if name not in environ:
        raise NotSet(f"{name} is not set; set it, or give a default with ${{{name}:-…}}")
    return environ[name]


def read_env_file(text: str) -> dict[str, str]:
    r"""The variables of an env file: `NAME=value` lines, `export` before and `# comments` after allowed.

    A value in single quotes is literal; in double quotes \n, \t, \" and such are escapes; either may span
    lines. Nothing is expanded.

    Raises:
        ValueError: a line that is none of these; the message begins with its number.
    """
    variables: dict[str, str] = {}
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        number = at + 1
        line = lines[at].strip()
        at += 1
        if not line or line.startswith("#"):
            continue
        if not (match := re.fullmatch(_LINE, line, re.DOTALL)):
            raise ValueError(f"{number}: expected NAME=value")
        name, value = match.groups()
        if value[:1] in ("'", '"'):
            while not (quoted := re.fullmatch(_QUOTED, value, re.DOTALL)):
                if at == len(lines) or _has_closed(value):
                    raise ValueError(
                        f"{number}: expected the closing quote of {name} at the end of its value"
                    )
                value += "\n" + lines[at]
                at += 1
            literal, escaped = quoted.groups()
            value = literal if literal is not None else re.sub(r"\\(.)", _unescape, escaped, flags=re.DOTALL)
        else:
            value = re.split(r"(?:^|\s)#", value, maxsplit=1)[0].rstrip()
        if "\0" in value:
            raise ValueError(f"{number}: a NUL in {name}")
        variables[name] = value
    return variables


def _has_closed(value: str) -> bool:
    """Whether a quoted value has its closing quote, and so something wrong after it."""
    return bool(re.match(r"""'[^']*'|"(?:[^"\\]|\\.)*\"""", value, re.DOTALL))


def _unescape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[1])
