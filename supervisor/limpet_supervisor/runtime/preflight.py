"""Whether this machine has what a node needs, found out without starting any of it: `limpet check`."""

import os
from collections.abc import Mapping

from limpet_supervisor.errors import ConfigError
from limpet_supervisor.model.spec import NodeSpec, ProcessSpec, processes

from . import fresh, otlp_target, spawn
from .boot_config import VARIABLE, Values


def problems(
    spec: NodeSpec,
    agent_root: str,
    environ: Mapping[str, str],
    values: Values,
    *,
    timeout: float = fresh.TIME,
) -> tuple[str, ...]:
    """One line for each directory, user or command that is not there and each entry that cannot be imported.

    Args:
        spec: the node.
        agent_root: the directory in which the package `limpet` is.
        environ: the environment that the node would have.
        values: what its runtime configuration gave: modules may read it when they are imported.
        timeout: seconds that the import of one entry may take.

    Raises:
        ConfigError: the application's interpreter cannot be run.
    """
    around = spawn.inherited(environ, spec)
    found = _pushed(spec, environ)
    with fresh.memory_file(values.document) as config:
        for process in processes(spec.root):
            environment = {**around, **process.env}
            absent = _absent(process, process.cwd or spec.directory, environment)
            if not absent and process.entry:
                environment[VARIABLE] = f"/proc/self/fd/{config}"
                with fresh.memory_file() as result:
                    how = fresh.run(
                        spec.python,
                        "limpet.entry_check",
                        process.entry,
                        str(result),
                        agent_root=agent_root,
                        cwd=process.cwd or spec.directory,
                        environ=environment,
                        descriptors=(result, config),
                        timeout=timeout,
                    )
                    absent = _verdict(process.entry, how, fresh.content_of(result).decode(), timeout)
            if absent:
                found.append(f"{process.name}: {absent}")
    return tuple(found)


def _pushed(spec: NodeSpec, environ: Mapping[str, str]) -> list[str]:
    """What is wrong with where metrics shall be pushed to; a node boots without."""
    try:
        otlp_target.target(spec, environ, spec.directory)
    except ConfigError as error:
        return list(error.problems)
    return []


def _absent(process: ProcessSpec, directory: str, environ: Mapping[str, str]) -> str:
    """What of the process is not on this machine; empty if all is."""
    if not os.path.isdir(directory):
        return f"cwd: there is no directory {directory}"
    try:
        spawn.owner(process)
        if process.command:
            spawn.find_command(process.command[0], environ.get("PATH", os.defpath), directory)
    except OSError as error:
        return str(error.strerror)
    return ""


def _verdict(entry: str, how: int | None, text: str, timeout: float) -> str:
    """What is wrong with an entry, by how its check ended and what it wrote; empty if nothing is."""
    if how is None:
        text = f"its import took longer than {timeout:g}s"
    elif how and not text:
        text = f"its import {fresh.ended(how)}"
    return f"entry {entry}: {text}" if text else ""
