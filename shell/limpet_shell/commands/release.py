"""Build a release: application, locked dependencies, Python and Limpet, in one directory that runs anywhere.

  release                 the default release, into _build/prod/rel/NAME; LIMPET_ENV=staging: _build/staging/…
  release NAME            one of several

What is built, how, and what it holds is said in [tool.limpet.releases.NAME]. Nothing half-built is ever left.
"""

import os
import signal
import sys
from argparse import ArgumentParser, Namespace

from limpet_shell import output, target
from limpet_supervisor.errors import LimpetError, UsageError


def add_arguments(parser: ArgumentParser) -> None:
    """NAME, --path, --version, --overwrite, --quiet."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="which release; default: default_release")
    parser.add_argument("--path", metavar="DIR", help="where to; default: _build/ENV/rel/NAME")
    parser.add_argument("--version", metavar="VSN", help="in place of the configured version")
    parser.add_argument("--overwrite", action="store_true", help="do not ask before a version is replaced")
    parser.add_argument("--quiet", action="store_true", help="say nothing but what fails")


def run(arguments: Namespace) -> int:
    """Builds it."""
    from limpet_supervisor.config.load import built_root
    from limpet_supervisor.release import build, place

    file = target.file_of(arguments)
    if root := built_root(file):
        raise UsageError(
            "A release cannot build itself", f"{root} is one", "run limpet release in the project"
        )
    # What ends us ends the build in order, so that nothing is left of it.
    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGHUP, _terminated)
    if arguments.name and arguments.release and arguments.name != arguments.release:
        raise UsageError("Two releases are named", f"{arguments.name} and --release {arguments.release}")
    with output.Progress() as progress:
        progress("reading the configuration")
        release = build.plan(
            file,
            arguments.name or arguments.release,
            path=arguments.path,
            version=arguments.version,
        )
    if place.exists(release) and not arguments.overwrite and not _agreed(release.name, release.version):
        return 1
    say = _nothing if arguments.quiet else output.write
    with output.Progress() as progress:

        def tell(text: str) -> None:
            progress("")
            say(text)
            output.flush()

        done = build.build(release, say=tell, progress=progress)
    if not arguments.quiet:
        output.write(_next_steps(done.name, os.path.relpath(done.path)))
    return 0


def _terminated(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _nothing(_text: str) -> None:
    """--quiet."""


def _agreed(name: str, version: str) -> bool:
    """Whether a version that is there may be replaced."""
    question = f"Release {name}-{version} already exists. Overwrite?"
    if not output.stdin_is_terminal():
        raise LimpetError(question, "nobody is there to answer", "use --overwrite")
    output.write(f"{question} [Yn] ", end="")
    output.flush()
    return sys.stdin.readline().strip().lower() in ("", "y", "yes")


def _next_steps(name: str, path: str) -> str:
    """As mix release ends."""
    script = f"{path}/bin/{name}"
    return f"""
Release created at {path}

    # To start it
    {script} start

Once it is running:

    # To connect to it
    {script} remote

    # To stop it gracefully (you may also send it INT or TERM)
    {script} stop

To list all commands:

    {script}"""
