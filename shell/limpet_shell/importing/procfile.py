"""Procfile -> Imported, as foreman and Heroku read it."""

import re
import shlex
from typing import Final

from limpet_shell.importing.model import Imported, Process, Source, literal, release_name
from limpet_shell.importing.tables.procfile import PROCFILE
from limpet_supervisor.errors import LimpetError

_LINE: Final = re.compile(r"([A-Za-z0-9_-]+):\s*(.+)")
_VARIABLE: Final = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")
_ASSIGNMENT: Final = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_OF_A_SHELL: Final = set("|&;<>()`*?[]#~!\n")
FIRST_PORT: Final = 5000
"""Of foreman, for the first process; each further one has a hundred more."""


def parse(source: Source) -> Imported:
    """The configuration in a Procfile.

    Raises:
        LimpetError: it is none.
    """
    imported = Imported(release_name(source.directory.rpartition("/")[2]))
    released: Process | None = None
    ports = FIRST_PORT
    for number, line in enumerate(source.text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not (match := _LINE.fullmatch(line.strip())):
            raise LimpetError(f"{source.path}:{number} is no line of a Procfile", "NAME: COMMAND is expected")
        name, written = match.groups()
        words, env = command(written)
        used = re.search(r"\bPORT\b", written)
        if used or name == "web":
            env = {"PORT": f"${{PORT:-{ports}}}" if ports == FIRST_PORT else str(ports), **env}
            words = [word.replace("${PORT}", env["PORT"]) for word in words]
            ports += 100
        keys = {"command": words, "env": env, "env_file": ".env" if source.has(".env") else ""}
        process = imported.add(name, f"{name}:", keys)
        if name == "release":
            released = process
    if released is not None:
        released.keys |= {"restart": "transient", "ready": "completed"}
        for process in imported.processes:
            if process is not released:
                process.keys["after"] = [released.name]
        imported.note(released.place, "release", _text("release"))
    if not imported.processes:
        raise LimpetError(f"{source.path} has no processes", todo="NAME: COMMAND is expected")
    imported.note("Procfile", "restarts", _text("any"))
    imported.keep_isolated()
    return imported


def _text(name: str) -> str:
    option = PROCFILE.find(name)
    assert option
    return option.text


def command(text: str) -> tuple[list[str], dict[str, str]]:
    """The words of a command line and the variables set before it; a shell's words if it needs a shell."""
    try:
        words = shlex.split(text)
    except ValueError:
        words = []
    env = {}
    while words and (assigned := _ASSIGNMENT.fullmatch(words[0])):
        env[assigned[1]] = literal(assigned[2])
        words = words[1:]
    plain = _VARIABLE.sub("", text)
    if not words or _OF_A_SHELL & set(plain) or "$" in plain or "'" in text or (env and "$" in text):
        return ["/bin/sh", "-c", literal(text)], {}
    return [_VARIABLE.sub(lambda match: f"${{{match[1] or match[2]}}}", word) for word in words], env
