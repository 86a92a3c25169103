"""Validate the configuration, evaluate the runtime configuration, look for commands and entry points.

All problems are reported at once; nothing is started. Exit code: 0, or 78.
"""

from argparse import ArgumentParser, Namespace

from limpet_shell import options, output, target


def add_arguments(parser: ArgumentParser) -> None:
    """--json."""
    options.add_json(parser)


def run(arguments: Namespace) -> int:
    """Checks."""
    from limpet_supervisor.config.load import load

    file = target.file_of(arguments)
    spec = load(file, release=arguments.release)
    if arguments.json:
        output.write_json({"schema": 1, "ok": True, "file": file, "name": spec.name, "version": spec.version})
    else:
        output.write(f"{spec.name} {spec.version}: {file} is fine")
    return 0
