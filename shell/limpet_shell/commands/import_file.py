"""Make a limpet.toml of another supervisor's configuration, and say what became of each option.

limpet import supervisord.conf
limpet import circus.ini | Procfile | process-compose.yaml | ecosystem.json

What has no equivalent, or another meaning here, is reported, and stands as a comment above the process.
Nothing is started; the other supervisor's file stays as it is.
"""

import os
from argparse import ArgumentParser, Namespace

from limpet_shell import options, output, writing
from limpet_shell.importing.model import Note

HEADINGS = {
    "none": "left out, since nothing here does the same",
    "unknown": "not understood",
    "differs": "kept, with a difference",
}
"""Fate of an option -> the heading of the report."""


def add_arguments(parser: ArgumentParser) -> None:
    """What to read and what to write."""
    parser.add_argument("source", metavar="FILE", help="the other supervisor's configuration")
    parser.add_argument(
        "--format",
        metavar="FORMAT",
        choices=["supervisord", "circus", "procfile", "process-compose", "pm2"],
        help="supervisord, circus, procfile, process-compose or pm2; default: by its name",
    )
    parser.add_argument(
        "--output",
        metavar="PATH",
        help="the file to write, or - for standard output; default: limpet.toml beside it",
    )
    parser.add_argument("--force", action="store_true", help="write over a file that exists")
    options.add_json(parser)


def run(arguments: Namespace) -> int:
    """Imports."""
    from limpet_shell.importing import formats, toml
    from limpet_shell.importing.model import read

    source = read(os.path.join(arguments.directory or ".", arguments.source))
    imported = formats.FORMATS[arguments.format or formats.of(source)](source)
    text = toml.text(imported, os.path.basename(source.path))
    if arguments.output == "-":
        output.write(text, end="")
        output.write_error("\n".join(report(imported.notes)))
        return 0
    path = os.path.abspath(arguments.output or os.path.join(source.directory, "limpet.toml"))
    writing.write({path: text}, force=arguments.force)
    problems = problems_of(path)
    if arguments.json:
        output.write_json(
            {
                "schema": 1,
                "file": path,
                "processes": [process.name for process in imported.processes],
                "notes": [note._asdict() for note in imported.notes],
                "problems": problems,
            }
        )
        return 0
    count = len(imported.processes)
    output.write(f"wrote {os.path.relpath(path)}: {count} {'process' if count == 1 else 'processes'}")
    lines = report(imported.notes)
    if problems:
        lines += ["", "before it can run:", *(f"  {problem}" for problem in problems)]
    output.write("\n".join([*lines, "", "Read it, then: limpet check && limpet start"]))
    return 0


def problems_of(path: str) -> tuple[str, ...]:
    """What `limpet check` would say of the file, such as variables that are not set here."""
    from limpet_supervisor.config.load import load
    from limpet_supervisor.errors import ConfigError

    try:
        load(path)
    except ConfigError as error:
        return error.problems or (str(error),)
    return ()


def report(notes: list[Note]) -> list[str]:
    """What became of the options that are not simply the same."""
    lines = []
    for fate, heading in HEADINGS.items():
        found = [note for note in notes if note.fate == fate]
        if found:
            lines += ["", f"{heading}:"]
            lines += [f"  {note.place} {note.option}: {note.text}".replace(" : ", ": ") for note in found]
    return lines
