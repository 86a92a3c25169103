"""Building a release: from what a project says to a tree in its place, or to nothing at all."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from limpet_supervisor import __version__
from limpet_supervisor.config.load import RUNTIME_CONFIG, load_for_build
from limpet_supervisor.config.names import DEVELOPMENT_VERSION, is_version
from limpet_supervisor.config.python import find_python
from limpet_supervisor.errors import ConfigError, LimpetError

from . import archive, assemble, interpreter, manifest, place, steps
from .dependencies import load_document
from .value import START_DATA, Release

_WORDS: Final = {"assemble": "assembling", "tar": "building"}


def plan(
    file: str,
    name: str | None,
    *,
    path: str | None = None,
    version: str | None = None,
    environ: dict[str, str] | None = None,
) -> Release:
    """What would be built; nothing is written.

    Args:
        file: the project's configuration.
        name: which of its releases; None: the default.
        path: where to; None: _build/ENV/rel/NAME in the project.
        version: in place of the configured one.
        environ: the variables; None: the process's.

    Raises:
        ConfigError: the configuration is wrong.
        LimpetError: a step or the interpreter is not there.
    """
    environ = dict(os.environ) if environ is None else environ
    environ.setdefault("LIMPET_ENV", "prod")
    chosen, node = load_for_build(file, release=name, environ=environ)
    options, configured = node.release, node.version
    project = os.path.dirname(file)
    if (
        version is None
        and configured == DEVELOPMENT_VERSION
        and not _says_version(chosen.table, chosen.document)
    ):
        raise ConfigError(
            f"No version found for {chosen.name}", "neither the release nor the project says one",
            'write version = "1.0.0", or use --version',
        )  # fmt: skip
    version = configured if version is None else version
    if not is_version(version):
        raise ConfigError(f'The version "{version}" cannot be used', todo='use one such as "1.0.0"')
    env = node.env
    where = os.path.abspath(path) if path else os.path.join(project, "_build", env, "rel", chosen.name)
    python = (
        interpreter.find(options.python) if options.python.startswith("/") else find_python(project, environ)
    )
    release = Release(
        name=chosen.name,
        version=version,
        env=env,
        project=project,
        source=file,
        path=where,
        root="",
        python=interpreter.inspect(python),
        table=chosen.table,
        document=load_document(project) if chosen.table is chosen.document else chosen.document,
        node=node,
        options=options,
        steps=options.steps,
        limpet=__version__,
        archive=os.path.join(
            os.path.dirname(where) if path else os.path.join(project, "_build", env),
            f"{chosen.name}-{version}.tar.gz",
        ),
    )
    return steps.resolve(release)


def build(release: Release, *, say: Callable[[str], None], progress: Callable[[str], None]) -> Release:
    """Takes the steps in a fresh directory and puts the result into its place.

    Args:
        release: what `plan` gave.
        say: told what is done.
        progress: told what is waited for.

    Raises:
        LimpetError: it cannot be built; nothing half-built is left, and what was there before is untouched.
    """
    try:
        return _build(release, say, progress)
    except OSError as error:
        why = str(error.strerror or error)
        todo = "make room, or use --path" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        where = f": {error.filename}" if error.filename else ""
        raise LimpetError(
            f"{release.name} {release.version} cannot be built", f"{why}{where}", todo
        ) from None


def _build(release: Release, say: Callable[[str], None], progress: Callable[[str], None]) -> Release:
    # A rename does not leave a file system, and the place may be one of its own.
    above = release.path if os.path.isdir(release.path) else os.path.dirname(release.path)
    os.makedirs(above, exist_ok=True)
    root = tempfile.mkdtemp(prefix=f".{release.name}-", dir=above)
    scratch = tempfile.mkdtemp(prefix="limpet-release-")
    packed = f"{release.archive}.{os.getpid()}"
    try:
        release = release.replace(root=root)
        while release.steps:
            step, rest = release.steps[0], release.steps[1:]
            release = release.replace(steps=rest)
            if step == "assemble":
                say(f"* assembling {release.name}-{release.version} on LIMPET_ENV={release.env}")
                say(_configured(release))
                release = assemble.assemble(release, scratch, progress)
            elif step == "tar":
                say(f"* building {release.archive}")
                progress("packing")
                _finish(release)
                archive.pack(release, _contents(release), packed)
            else:
                progress(f"step {getattr(step, '__qualname__', step)}")
                release = steps.call(step, release)
        _finish(release)
        place.put(release)
        if os.path.exists(packed):
            os.replace(packed, release.archive)
        return release
    finally:
        progress("")
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(root, ignore_errors=True)
        with suppress(OSError):
            os.unlink(packed)


def _configured(release: Release) -> str:
    """What of the configuration goes in, as mix release says it."""
    if file := release.node.runtime_config:
        return f"* using {os.path.relpath(file, release.project)} to configure the release at runtime"
    said = release.table.get("runtime_config") is False
    return f"* skipping runtime configuration ({'it is false' if said else f'{RUNTIME_CONFIG} not found'})"


def _finish(release: Release) -> None:
    """What is known only when nothing changes any more."""
    with open(release.at(START_DATA), "w", encoding="ascii") as file:
        file.write(f"{release.python.version} {release.version}\n")
    manifest.write(release.root, release.version, ("bin", *release.parts, *release.overlays))


def _contents(release: Release) -> tuple[str, ...]:
    """What the archive holds: everything but the cookie, which is each installation's own."""
    return tuple(dict.fromkeys(("bin", *release.parts, START_DATA, *release.overlays)))


def _says_version(table: dict[str, Any], document: dict[str, Any]) -> bool:
    project = document.get("project")
    return "version" in table or (isinstance(project, dict) and "version" in project)
