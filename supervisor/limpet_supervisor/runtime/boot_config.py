"""config/runtime.py at boot: evaluated in a fresh process, written to a file that every process can read.

Its end in the application is `limpet.config`.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import Struct

from limpet_supervisor.errors import ConfigError
from limpet_supervisor.model.spec import NodeSpec, is_configured

from . import fresh

VARIABLE: Final = "LIMPET_CONFIG"
"""Where a process finds its values: the path of a file."""


class Values(Struct, frozen=True):
    """What config/runtime.py configured. It may hold secrets, so its repr shows none of it."""

    document: bytes
    """JSON, as `limpet.config` reads it."""

    def __repr__(self) -> str:
        return f"<values, {len(self.document)} bytes>"

    def names(self) -> dict[str, tuple[str, ...]]:
        """The keys by application: what may be shown."""
        return {app: tuple(keys) for app, keys in json.loads(self.document)["values"].items()}


def evaluate(
    spec: NodeSpec,
    agent_root: str,
    environ: Mapping[str, str],
    *,
    timeout: float = fresh.TIME,
    origins: bool = False,
    build: bool = False,
) -> Values:
    """Evaluates the configuration; blocks until it is done, so it is called before the loop runs.

    Args:
        spec: the node; without a configuration the values are empty.
        agent_root: the directory in which the package `limpet` is.
        environ: the environment that it reads.
        timeout: seconds that it may take.
        origins: whether the document also says where each value comes from.
        build: whether a release is built: what is evaluated at boot is left out, what was read is recorded.

    Raises:
        ConfigError: a variable is missing or malformed, the file raises, or the interpreter cannot run it.
    """
    if not is_configured(spec):
        return Values(json.dumps({"schema": 1, "env": spec.env, "values": {}}).encode())
    runtime = "" if build else spec.runtime_config
    plan = {
        "env": spec.env,
        "config": spec.config,
        "runtime": runtime,
        "providers": [msgspec.to_builtins(provider) for provider in spec.providers],
        "validate": spec.validate_compile_env,
        "origins": origins,
        "build": build,
    }
    with fresh.memory_file() as result:
        how = fresh.run(
            spec.python,
            "limpet.runtime_config",
            json.dumps(plan),
            str(result),
            agent_root=agent_root,
            cwd=spec.directory,
            environ=environ,
            descriptors=(result,),
            timeout=timeout,
        )
        document = fresh.content_of(result)
    files = filter(None, (spec.config, runtime))
    shown = " and ".join(os.path.relpath(file, spec.directory) for file in files) or "the configuration"
    if how is None:
        raise ConfigError(f"{shown} took longer than {timeout:g}s", "it was stopped", "see what it waits for")
    try:
        found = json.loads(document)
    except ValueError:
        raise ConfigError(f"{shown} was not evaluated to its end", f"it {fresh.ended(how)}") from None
    if "error" in found:
        raise ConfigError(found["error"], found["why"], problems=tuple(found["lines"]))
    return Values(document)


def write(values: Values, path: str, *, uid: int = -1, gid: int = -1) -> None:
    """Writes the file for LIMPET_CONFIG: complete or not at all, and readable by its owner only.

    Args:
        values: the values.
        path: where.
        uid: its owner, for processes that run as another user; -1: ours.
        gid: its group; -1: ours.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=".config-", dir=os.path.dirname(path) or ".")
    try:
        with open(descriptor, "wb") as stream:
            stream.write(values.document)
            os.fchown(descriptor, uid, gid)
        os.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def hand_over(values: Values, environ: dict[str, str]) -> None:
    """Makes the values those of the process that we are about to become by exec: nothing is on a disk.

    They are in a memory file that is inherited; it lives as long as that process does.
    """
    descriptor = os.memfd_create("limpet", 0)
    document = values.document
    while document:
        document = document[os.write(descriptor, document) :]
    environ[VARIABLE] = f"/proc/self/fd/{descriptor}"
