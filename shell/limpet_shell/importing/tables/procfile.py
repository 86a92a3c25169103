"""Procfile: the process types of foreman, honcho and Heroku."""

from typing import Final

from limpet_shell.importing.tables import ANY, Table, differs

PROCFILE: Final = Table(
    "Procfile",
    (
        differs(
            "release",
            "ready",
            'done before the others start: `ready = "completed"`, which they are `after`',
            ANY,
        ),
        differs(
            "*",
            "command",
            "restarted when it ends, as on Heroku; foreman ends all (so do `significant`, `auto_shutdown`)",
            ANY,
        ),
        differs(
            "$PORT",
            "env",
            "`${PORT:-5000}`, 100 more for each further process that uses it",
            ANY,
        ),
        differs(".env", "env_file", "read when the node boots; nothing in it is expanded", ANY),
    ),
)
TABLES: Final = (PROCFILE,)
