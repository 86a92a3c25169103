"""Where the node's sockets, state and logs are, what else was considered, and why."""

import os
from argparse import ArgumentParser, Namespace
from typing import Any

from limpet_shell import options, output, target
from limpet_supervisor.client import directory


def add_arguments(parser: ArgumentParser) -> None:
    """--json."""
    options.add_json(parser)


def run(arguments: Namespace) -> int:
    """Prints them."""
    where = target.resolve(arguments)
    found, places = directory.find(where.node)
    chosen = found or directory.RunDirectory(*places[0])
    facts: dict[str, Any] = {
        "node": where.node,
        "configuration": where.file or None,
        "running": found is not None,
        "directory": chosen.path,
        "why": chosen.why,
        "control": chosen.control,
        "agents": chosen.agents,
        "pid_file": chosen.pid_file,
        "logs": chosen.logs,
        "candidates": [
            {"path": place.path, "why": place.why, "exists": os.path.isdir(place.path)} for place in places
        ],
    }
    if arguments.json:
        output.write_json({"schema": 1, **facts})
        return 0
    paint = output.painter()
    state = "the node runs here" if facts["running"] else "the node does not run; it would be here"
    rows = [
        ("node", where.node),
        ("configuration", where.file or "-"),
        ("directory", f"{chosen.path}  ({chosen.why}; {state})"),
        ("control socket", chosen.control),
        ("agents' socket", chosen.agents),
        ("pid file", chosen.pid_file),
        ("logs", chosen.logs),
    ]
    for name, value in rows:
        output.write(f"{paint(name.ljust(15), 'dim')} {output.printable(value)}")
    output.write("\nConsidered, best first:")
    for place in facts["candidates"]:
        mark = "is there" if place["exists"] else "is not there"
        output.write(f"  {output.printable(place['path'])}  ({place['why']}; {mark})")
    return 0
