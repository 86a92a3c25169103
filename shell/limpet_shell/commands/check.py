"""Validate the configuration, evaluate the runtime configuration, look for commands and entry points.

Entry points are imported in processes of their own; nothing is started. All problems are reported at once.
Exit code: 0, or 78.
"""

from argparse import ArgumentParser, Namespace

from limpet_shell import options, output, target
from limpet_supervisor.errors import ConfigError


def add_arguments(parser: ArgumentParser) -> None:
    """--json."""
    options.add_json(parser)


def run(arguments: Namespace) -> int:
    """Checks."""
    from limpet_shell import fresh
    from limpet_supervisor.model.spec import processes

    file = target.file_of(arguments)
    with output.Progress() as progress:
        progress(f"checking {file}")
        spec, configured, problems = fresh.check(file, arguments.release)
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigError(f"{spec.name} {spec.version} cannot run here", f"{count} found", problems=problems)
    facts = {
        "schema": 1,
        "name": spec.name,
        "version": spec.version,
        "file": file,
        "python": spec.python,
        "processes": [process.name for process in processes(spec.root)],
        "sockets": [socket.name for socket in spec.sockets],
        "configured": configured,
    }
    if arguments.json:
        output.write_json(facts)
        return 0
    names = ", ".join(process.name for process in processes(spec.root))
    output.write(f"{spec.name} {spec.version}: {file} is fine")
    output.write(f"  processes  {names or '-'}")
    output.write(f"  python     {spec.python}")
    for app, keys in configured.items():
        output.write(f"  config     {output.printable(app)}: {output.printable(', '.join(keys))}")
    return 0
