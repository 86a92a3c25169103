"""Which node is meant: by --node, in a release by RELEASE_*, in a project by the nearest configuration."""

import os
from argparse import Namespace
from typing import NamedTuple

from limpet_supervisor.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from limpet_supervisor.client import Client


class Target(NamedTuple):
    """A node by its name, and where it is configured (empty if only its name is known)."""

    node: str
    version: str
    file: str
    release: str | None


def resolve(arguments: Namespace) -> Target:
    """The node that these arguments and the environment mean.

    Raises:
        ConfigError: no configuration, or no usable one.
    """
    environ = os.environ
    if arguments.node:
        return Target(arguments.node, "", "", None)
    named = environ.get("RELEASE_NODE") or environ.get("RELEASE_NAME")
    if named and not (arguments.file or arguments.directory):
        return Target(named.partition("@")[0], environ.get("RELEASE_VSN", ""), "", arguments.release)
    from limpet_supervisor.config import names

    file = file_of(arguments)
    name, version = names.node_name(file, arguments.release)
    return Target(environ.get("RELEASE_NODE", "").partition("@")[0] or name, version, file, arguments.release)


def file_of(arguments: Namespace) -> str:
    """Absolute path of the configuration: --file, a release's own, or the nearest to --directory or here.

    Raises:
        ConfigError: there is none.
        UsageError: --node names a node and no configuration, which this verb needs.
    """
    if arguments.node:
        raise UsageError("--node is for a node that runs", todo="say --file or --directory here")
    directory = arguments.directory or "."
    if not (arguments.file or arguments.directory) and (root := os.environ.get("RELEASE_ROOT")):
        return f"{root}/releases/{os.environ.get('RELEASE_VSN', '')}/release.toml"
    if arguments.file:
        return os.path.abspath(os.path.join(directory, arguments.file))
    from limpet_supervisor.config import names

    return names.find(directory)


def connect(arguments: Namespace) -> "Client":
    """A client of that node.

    Raises:
        NodeUnreachable: it does not run.
    """
    from limpet_supervisor.client import Client

    return Client.of_node(resolve(arguments).node)
