"""Compare a release with its manifest, and name each file that is changed, missing or added.

In a release: the version that it would boot. In a project: what was last built. Exit code: 0, or 1.
"""

import os
from argparse import ArgumentParser, Namespace

from limpet_shell import built, options, output
from limpet_supervisor.errors import LimpetError


def add_arguments(parser: ArgumentParser) -> None:
    """--path, --json."""
    parser.add_argument("--path", metavar="DIR", help="the release's root")
    options.add_json(parser)


def run(arguments: Namespace) -> int:
    """Compares."""
    from limpet_supervisor.release import manifest

    where = built.find(arguments)
    file = os.path.join(where.root, "releases", where.version, manifest.NAME)
    with output.Progress() as progress:
        progress(f"reading {where.root}")
        try:
            differences = manifest.verify(where.root, where.version)
            files = len(manifest.read(file))
        except FileNotFoundError:
            raise LimpetError(f"There is no {file}", todo="build it again, or look at --path") from None
    if arguments.json:
        output.write_json(
            {
                "schema": 1,
                "name": where.name,
                "version": where.version,
                "files": files,
                "problems": differences,
            }
        )
    else:
        for line in differences:
            output.write(output.printable(line))
        if not differences:
            output.write(f"{where.name} {where.version}: {files} files are as they were built")
    return 1 if differences else 0
