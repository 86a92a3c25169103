"""Which format a file has, by its name; and the reader of each."""

import os
import re
from collections.abc import Callable
from typing import Final

from limpet_shell.importing import circus, pm2, process_compose, procfile, supervisord
from limpet_shell.importing.model import Imported, Source
from limpet_supervisor.errors import UsageError

FORMATS: Final[dict[str, Callable[[Source], Imported]]] = {
    "supervisord": supervisord.parse,
    "circus": circus.parse,
    "procfile": procfile.parse,
    "process-compose": process_compose.parse,
    "pm2": pm2.parse,
}


def of(source: Source) -> str:
    """The format of a file: by its name, or by the sections of an ini file.

    Raises:
        UsageError: it is none that is known.
    """
    name = os.path.basename(source.path).lower()
    suffix = os.path.splitext(name)[1]
    if name.startswith("procfile"):
        return "procfile"
    if suffix in (".yaml", ".yml"):
        return "process-compose"
    if suffix in (".json", ".js", ".cjs", ".mjs"):
        return "pm2"
    if re.search(r"^\[(watcher:|circus\])", source.text, re.MULTILINE):
        return "circus"
    if re.search(r"^\[(program:|fcgi-program:|eventlistener:|supervisord\])", source.text, re.MULTILINE):
        return "supervisord"
    raise UsageError(
        f"{source.path} is of no format that is known by its name",
        todo=f"say --format {' or '.join(FORMATS)}",
    )
