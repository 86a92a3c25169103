"""The built release that a verb is about: the one it was called in, the one at --path, or the project's."""

import os
from argparse import Namespace
from typing import NamedTuple

from limpet_shell import target
from limpet_supervisor.errors import LimpetError


class Built(NamedTuple):
    """A release on a disk."""

    root: str
    name: str
    version: str
    """The one that boots by default, or RELEASE_VSN."""


def find(arguments: Namespace) -> Built:
    """That release.

    Raises:
        LimpetError: there is none.
        ConfigError: it is the project's, whose configuration is wrong.
    """
    environ = os.environ
    if arguments.path:
        root = os.path.abspath(arguments.path)
        name = ""
    elif root := environ.get("RELEASE_ROOT", ""):
        return Built(root, environ["RELEASE_NAME"], environ["RELEASE_VSN"])
    else:
        from limpet_supervisor.config import names

        file = target.file_of(arguments)
        name, _ = names.node_name(file, arguments.release)
        root = os.path.join(os.path.dirname(file), "_build", environ.get("LIMPET_ENV") or "prod", "rel", name)
    try:
        with open(os.path.join(root, "releases", "start_limpet.data"), encoding="ascii") as data:
            version = data.read().split()[1]
        if not name:
            applications = os.listdir(os.path.join(root, "lib"))
            name = next(each for each in applications if each.endswith(f"-{version}")).removesuffix(
                f"-{version}"
            )
    except (OSError, IndexError, StopIteration):
        raise LimpetError(f"There is no release at {root}", todo="build one: limpet release") from None
    return Built(root, name, version)
