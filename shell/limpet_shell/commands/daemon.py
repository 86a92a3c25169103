"""Start the node in the background. Returns when every process is ready.

If one does not get ready, nothing is left running, and the reason and the last log lines are shown.
"""

from argparse import ArgumentParser, Namespace

from limpet_shell import options, output, target


def add_arguments(parser: ArgumentParser) -> None:
    """--timeout."""
    options.add_timeout(parser, 300.0, "give up, and stop everything, after this time (5m)")


def run(arguments: Namespace) -> int:
    """Starts it."""
    from limpet_supervisor.daemon.background import detached

    timeout = float("inf") if arguments.timeout is None else arguments.timeout
    with output.Progress() as progress:
        pid = detached(target.file_of(arguments), arguments.release, timeout=timeout, progress=progress)
    output.write(f"{target.resolve(arguments).node} runs in the background as pid {pid}")
    return 0
