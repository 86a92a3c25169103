"""A configuration file and a release -> NodeSpec; or a ConfigError with everything that is wrong."""

import contextlib
import os
from collections.abc import Collection, Mapping
from typing import Any, Final

from msgspec.structs import replace

from limpet_supervisor.errors import ConfigError
from limpet_supervisor.model.spec import (
    NodeSpec,
    ProcessSpec,
    ReleaseOptions,
    SocketSpec,
    SupervisorSpec,
    processes,
)

from . import names, rules
from .forms import FORMS
from .names import Path, Problem, find, node_name
from .python import find_python
from .read import Reader, Refused, fields_of
from .variables import read_env_file
from .wording import dotted

__all__ = ["find", "find_python", "load", "load_process", "node_name"]

ROOT: Final = "root"
"""Name of the supervisor that a release's own keys describe."""
FIRST_SOCKET: Final = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3)."""
BUILD_CONFIG: Final = "config/config.py"
"""Evaluated at build if it is there and nothing else is said."""
RUNTIME_CONFIG: Final = "config/runtime.py"
"""Evaluated at boot if it is there and nothing else is said."""

NODE_KEYS: Final = (
    "version",
    "sockets",
    "config",
    "validate_compile_env",
    "runtime_config",
    "providers",
    "health",
    "otlp",
    "max_logs",
    "on_supervisor_death",
)
"""The fields of NodeSpec that a release's table sets; the others are found out."""
ROOT_KEYS: Final = tuple(
    key for key in fields_of(SupervisorSpec) if key not in ("name", "restart", "significant")
)
"""The fields of SupervisorSpec that it sets: it has no supervisor above it."""
BUILD_KEYS: Final = tuple(fields_of(ReleaseOptions))


def load(file: str, *, release: str | None = None, environ: Mapping[str, str] | None = None) -> NodeSpec:
    """The release that `file` describes.

    Args:
        file: a limpet.toml or pyproject.toml.
        release: which of its releases; default: default_release, or the only one.
        environ: what `${NAME}` means; default: the process's environment.

    Raises:
        ConfigError: it cannot be used; `problems` has all the reasons.
    """
    file = os.path.abspath(file)
    chosen = names.look_up(file, release)
    root = built_root(file)
    directory = (
        os.path.join(root, "lib", f"{chosen.name}-{chosen.table['version']}")
        if root
        else os.path.dirname(file)
    )
    loading = _Loading(directory, os.environ if environ is None else environ)
    spec = loading.node(file, chosen)
    if loading.reader.problems or spec is None:
        raise names.wrong(file, *loading.reader.problems)
    return replace(spec, release_root=root, python=os.path.join(directory, "bin", "python")) if root else spec


def built_root(file: str) -> str:
    """The root of the built release that `file`, ROOT/releases/VSN/release.toml, configures; else nothing."""
    directory, name = os.path.split(file)
    return os.path.dirname(os.path.dirname(directory)) if name == names.BUILT else ""


def load_for_build(
    file: str, *, release: str | None = None, environ: Mapping[str, str] | None = None
) -> tuple[names.Release, NodeSpec]:
    """The release as the file has it, and what can be said of its node before it boots.

    All of it is read, so that what is wrong is found before the build; but a variable that is not set may be
    set when it boots.

    Args:
        file: a limpet.toml or pyproject.toml.
        release: which of its releases; default: default_release, or the only one.
        environ: what `${NAME}` means; default: the process's environment.

    Raises:
        ConfigError: it cannot be used; `problems` has all the reasons.
    """
    file = os.path.abspath(file)
    chosen = names.look_up(file, release)
    loading = _Loading(os.path.dirname(file), os.environ if environ is None else environ)
    loading.reader.at_boot = True
    spec = loading.node(file, chosen)
    if loading.reader.problems:
        raise names.wrong(file, *loading.reader.problems)
    return chosen, spec or NodeSpec(root=SupervisorSpec(name=ROOT), **loading.found)


def load_process(
    name: str,
    table: Mapping[str, Any],
    node: NodeSpec,
    *,
    supervisor: SupervisorSpec | None = None,
    present: Collection[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> ProcessSpec:
    """A process that is added to a running node, from the same keys as in its configuration.

    Args:
        name: its name.
        table: its keys and values.
        node: what runs: its directory, sockets, processes and supervisors.
        supervisor: where it is added; default: the root.
        present: the names of all processes now; default: the node's as it was configured.
        environ: what `${NAME}` means; default: the process's environment.

    Raises:
        ConfigError: it cannot be used; `problems` has all the reasons.
    """
    loading = _Loading(node.directory, os.environ if environ is None else environ)
    reader = loading.reader
    reader.sockets.update(_numbered([socket.name for socket in node.sockets]))
    if present is None:
        present = [process.name for process in processes(node.root)]
    loading.taken |= {other: ("processes", other) for other in present}
    _take_supervisors(node.root, loading.taken)
    path: Path = ("processes", name)
    try:
        spec = loading.process(name, dict(table), path)
        rules.check_significant(reader, path, spec, supervisor or node.root)
        rules.check_after(reader, {spec.name: (path, spec)}, present)
    except Refused:
        pass
    if reader.problems:
        lines = tuple(f"{dotted(problem.path)}: {problem.text}" for problem in reader.problems)
        raise ConfigError(f"The process {name} cannot be added", problems=lines)
    return spec


def _take_supervisors(supervisor: SupervisorSpec, taken: dict[str, Path]) -> None:
    taken[supervisor.name] = ("supervisors", supervisor.name)
    for nested in supervisor.supervisors:
        _take_supervisors(nested, taken)


def _numbered(sockets: list[str]) -> dict[str, str]:
    return {name: str(FIRST_SOCKET + index) for index, name in enumerate(sockets)}


class _Loading:
    """One release on its way to a NodeSpec; what is wrong is among its reader's problems."""

    def __init__(self, directory: str, environ: Mapping[str, str]) -> None:
        self.directory = directory
        self.environ = environ
        self.reader = Reader(
            environ,
            {
                **FORMS,
                (NodeSpec, "sockets"): self.sockets,
                (NodeSpec, "config"): self.build_config,
                (NodeSpec, "runtime_config"): self.runtime_config,
                (SupervisorSpec, "processes"): self.processes,
                (SupervisorSpec, "supervisors"): self.supervisors,
            },
        )
        self.taken: dict[str, Path] = {ROOT: (ROOT,)}
        """Names of processes and supervisors, and where they are given."""
        self.places: dict[str, tuple[Path, ProcessSpec]] = {}
        self.found: dict[str, Any] = {}
        """All of a NodeSpec but its root."""
        self.nested: dict[str, Path] = {}
        """Where each nested supervisor stands."""

    def node(self, file: str, chosen: names.Release) -> NodeSpec | None:
        """The whole; None, or one with holes, if there are problems."""
        reader, path, table = self.reader, chosen.path, chosen.table
        if chosen.misnamed is not None:
            reader.problem(chosen.misnamed.path, chosen.misnamed.text)
        self.outside(chosen)
        known = (*NODE_KEYS, *ROOT_KEYS, *BUILD_KEYS, *(() if path else ("name",)))
        reader.known(table, known, path)
        given = self.found = {
            "name": chosen.name,
            "directory": self.directory,
            "source": file,
            "python": find_python(self.directory, self.environ),
            "env": environment(self.environ),
        }
        try:
            given["version"] = names.version(file, chosen, self.environ)
        except Problem as problem:
            reader.problem(problem.path, problem.text)
            given["version"] = names.DEVELOPMENT_VERSION
        # First, since processes refer to them.
        for key in NODE_KEYS[1:]:
            try:
                if key in table or key in ("config", "runtime_config"):
                    field = fields_of(NodeSpec)[key]
                    given[key] = reader.field(NodeSpec, field, table.get(key), (*path, key))
            except Refused:
                continue
        try:
            given["release"] = reader.struct(ReleaseOptions, _part(table, BUILD_KEYS), path)
            outer = {
                "name": ROOT,
                "restart": fields_of(SupervisorSpec)["restart"].default,
                "significant": False,
            }
            root = reader.struct(SupervisorSpec, _part(table, ROOT_KEYS), path, outer)
        except Refused:
            return None
        self.significant(root)
        rules.check_after(reader, self.places)
        return NodeSpec(root=root, **given)

    def outside(self, chosen: names.Release) -> None:
        """Notes unknown keys beside the releases."""
        if chosen.path:
            section = chosen.document["tool"]["limpet"]
            self.reader.known(section, ("default_release", "releases"), chosen.path[:2])

    def sockets(self, reader: Reader, value: Any, path: Path) -> tuple[SocketSpec, ...]:
        """Tables by name; each gets the next descriptor's number."""
        if not isinstance(value, dict):
            raise reader.expected(path, "tables [….sockets.NAME]", value)
        reader.sockets.update(_numbered(list(value)))
        found = []
        for name, table in value.items():
            at = (*path, name)
            try:
                found.append(reader.struct(SocketSpec, table, at, {"name": self.name(SocketSpec, name, at)}))
            except Refused:
                continue
        return tuple(found)

    def processes(self, reader: Reader, value: Any, path: Path) -> tuple[ProcessSpec, ...]:
        """Tables by name."""
        if not isinstance(value, dict):
            raise reader.expected(path, "tables [….processes.NAME]", value)
        found = []
        for name, table in value.items():
            try:
                found.append(self.process(name, table, (*path, name)))
            except Refused:
                continue
        return tuple(found)

    def process(self, name: str, table: Any, path: Path) -> ProcessSpec:
        """One process, with its env file read and its paths absolute."""
        reader = self.reader
        if isinstance(table, dict) and "watch" in table:
            reader.problem((*path, "watch"), "is left for a later version: leave it out")
            table = {key: value for key, value in table.items() if key != "watch"}
        reader.inherited.clear()
        # A wrong name hides no problem below it.
        with contextlib.suppress(Refused):
            self.take(self.name(ProcessSpec, name, path), path)
        spec = reader.struct(ProcessSpec, table, path, {"name": name, "names_sockets": False})
        rules.check_process(reader, path, spec)
        rules.check_sockets(reader, path, spec)
        changes: dict[str, Any] = {}
        if reader.inherited:
            changes["names_sockets"] = True
        if spec.env_file:
            changes["env"] = {**self.env_file(spec.env_file, (*path, "env_file")), **spec.env}
            changes["env_file"] = self.absolute(spec.env_file)
        if spec.cwd:
            changes["cwd"] = self.absolute(spec.cwd)
        if changes:
            spec = replace(spec, **changes)
        self.places.setdefault(name, (path, spec))
        return spec

    def supervisors(self, reader: Reader, value: Any, path: Path) -> tuple[SupervisorSpec, ...]:
        """Tables of an array, each with its name."""
        if not isinstance(value, list):
            raise reader.expected(path, "tables [[….supervisors]]", value)
        found = []
        for index, table in enumerate(value):
            at = (*path, index)
            try:
                spec = reader.struct(SupervisorSpec, table, at)
                self.nested[self.take(spec.name, at)] = at
                found.append(spec)
            except Refused:
                continue
        return tuple(found)

    def build_config(self, reader: Reader, value: Any, path: Path) -> str:
        """The file for the build, or what it has made of it."""
        return self.file(reader, value, path, BUILD_CONFIG)

    def runtime_config(self, reader: Reader, value: Any, path: Path) -> str:
        """The file for each boot."""
        return self.file(reader, value, path, RUNTIME_CONFIG)

    def file(self, reader: Reader, value: Any, path: Path, usual: str) -> str:
        """An absolute path; empty for none."""
        if value is False:
            return ""
        if value is None:
            default = self.absolute(usual)
            return default if os.path.isfile(default) else ""
        if not isinstance(value, str):
            raise reader.expected(path, f'a file such as "{usual}", or false', value)
        file = self.absolute(reader.text(value, path))
        if not os.path.isfile(file):
            raise reader.refuse(path, f"no such file: {file}")
        return file

    def env_file(self, name: str, path: Path) -> dict[str, str]:
        """The variables of an env file."""
        file = self.absolute(name)
        try:
            with open(file, encoding="utf-8") as stream:
                return read_env_file(stream.read())
        except OSError as error:
            self.reader.problem(path, f"{file} cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            self.reader.problem(path, f"{file} is not UTF-8")
        except ValueError as error:
            self.reader.problem(path, f"{file}:{error}")
        return {}

    def significant(self, supervisor: SupervisorSpec) -> None:
        """OTP's bad combinations, at every level."""
        for process in supervisor.processes:
            rules.check_significant(self.reader, self.places[process.name][0], process, supervisor)
        for nested in supervisor.supervisors:
            rules.check_significant(self.reader, self.nested[nested.name], nested, supervisor)
            self.significant(nested)

    def name(self, cls: type[SocketSpec | ProcessSpec], name: str, path: Path) -> str:
        """A name that is the key of a table."""
        found: str = self.reader.value(fields_of(cls)["name"].type, name, path)
        return found

    def take(self, name: str, path: Path) -> str:
        """A name that nothing else below this node has."""
        if name == ROOT:
            raise self.reader.refuse(path, f'"{name}" is the name of the supervisor of all; choose another')
        if name in self.taken:
            raise self.reader.refuse(path, f'the name "{name}" is taken by {dotted(self.taken[name])}')
        self.taken[name] = path
        return name

    def absolute(self, path: str) -> str:
        """A path of the configuration, which is below the project's directory if relative."""
        return os.path.normpath(os.path.join(self.directory, path))


def environment(environ: Mapping[str, str]) -> str:
    """What config_env() says: LIMPET_ENV, or prod in a release, or dev."""
    return environ.get("LIMPET_ENV") or ("prod" if environ.get("RELEASE_ROOT") else "dev")


def _part(table: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key in keys}
