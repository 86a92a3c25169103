"""The tables of docs/migrating.md: `python -m limpet_shell.importing.reference FILE`.

A format's tables stand between `<!-- format: NAME -->` and `<!-- end -->`; the command rewrites what is
between them.
"""

import re
import sys
from typing import Final

from limpet_shell.importing.tables import (
    Fate,
    Option,
    Table,
    circus,
    pm2,
    process_compose,
    procfile,
    supervisord,
)
from limpet_supervisor.config.reference import rewrite

TABLES: Final[dict[str, tuple[Table, ...]]] = {
    "supervisord": supervisord.TABLES,
    "circus": circus.TABLES,
    "procfile": procfile.TABLES,
    "process-compose": process_compose.TABLES,
    "pm2": pm2.TABLES,
}
_MARK: Final = re.compile(r"(<!-- format: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rewritten(text: str) -> str:
    """The document with every table as it is now."""
    return _MARK.sub(lambda match: f"{match[1]}{tables(match[2])}{match[3]}", text)


def tables(name: str) -> str:
    """The tables of a format, in Markdown."""
    return "\n".join(_table(table) for table in TABLES[name])


def _table(table: Table) -> str:
    section = table.section if " " in table.section else f"`{table.section}`"
    lines = [f"{section}:", "", "| option | here | |", "|---|---|---|", *map(_row, table.options)]
    return "\n".join(lines) + "\n"


def _row(option: Option) -> str:
    here = f"`{option.key}`" if option.key else "-"
    if option.fate is Fate.NONE:
        text = f"no equivalent: {option.text}"
        here = f"see {here}" if option.key else "-"
    else:
        text = option.text
    cells = (f"`{option.name}`", here, text)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    rewrite(sys.argv[1:], rewritten)
