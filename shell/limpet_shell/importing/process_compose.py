"""process-compose.yaml -> Imported, with the expansions and defaults of Process Compose 1.122."""

import os
import re
from collections.abc import Mapping
from typing import Any, Final

from limpet_shell.importing import tables
from limpet_shell.importing.model import (
    Given,
    Imported,
    Process,
    Source,
    duration,
    literal,
    release_name,
    signal_name,
)
from limpet_shell.importing.tables.process_compose import PROCESS, PROJECT
from limpet_supervisor.errors import LimpetError

_TEMPLATE: Final = re.compile(r"\{\{\s*\.(\w+)\s*\}\}")
_VARIABLE: Final = re.compile(r"\$\$|\$\{([A-Za-z_]\w*)(?::?-([^{}]*))?\}")
_RESTART: Final = {
    "no": "temporary",
    "never": "temporary",
    "always": "permanent",
    "on_failure": "transient",
    "exit_on_failure": "transient",
}
_REPLICA: Final = "PC_REPLICA_NUM"
_PROBE_TIMEOUT: Final = 60.0
"""Default of ready.timeout, in seconds."""


def parse(source: Source) -> Imported:
    """The configuration in a process-compose.yaml and the one that it extends.

    Raises:
        LimpetError: it is none, or PyYAML is not installed.
    """
    project = _project(source)
    imported = Imported(release_name(str(project.get("name") or source.directory.rpartition("/")[2])))
    given = Given(imported, "the project", PROJECT, _flat(project, PROJECT))
    specs = project.get("processes") or {}
    if not isinstance(specs, dict):
        raise LimpetError(f"{source.path}: processes is no mapping")
    names: dict[str, list[Process]] = {}
    readers = []
    for name in specs:
        reader = _Reader(imported, given, str(name), _extended(specs, str(name), ()), source)
        readers.append(reader)
        names[str(name)] = reader.add()
    _Dependencies(imported, names, readers).resolve()
    if any(process.keys.get("significant") for process in imported.processes):
        imported.settings["auto_shutdown"] = "any_significant"
    imported.keep_isolated()
    return imported


def _project(source: Source) -> dict[str, Any]:
    try:
        import yaml
    except ImportError:
        raise LimpetError(
            f"{source.path} is YAML", "PyYAML is not installed", "pip install 'limpet[import]'"
        ) from None
    document: Any
    try:
        document = yaml.safe_load(source.text)
    except yaml.YAMLError as error:
        raise LimpetError(f"{source.path} is no YAML", " ".join(str(error).split())) from None
    if not isinstance(document, dict) or "processes" not in document:
        raise LimpetError(f"{source.path} is no process-compose.yaml", "it has no processes")
    project: dict[str, Any] = document
    if base := project.get("extends"):
        found = source.include(str(base))
        if not found:
            raise LimpetError(f"{source.path}: there is no {base}")
        project = _merged(_project(found[0]), project)
    name, _, suffix = os.path.basename(source.path).rpartition(".")
    if name == "process-compose":
        for over in source.include(f"{name}.override.{suffix}"):
            project = _merged(project, _project(over))
    return project


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged at every depth; anything else is replaced, but lists of variables are joined."""
    found = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(found.get(key), dict):
            found[key] = _merged(found[key], value)
        elif key == "environment" and isinstance(value, list) and isinstance(found.get(key), list):
            found[key] = [*found[key], *value]
        else:
            found[key] = value
    return found


def _extended(specs: Mapping[str, Any], name: str, seen: tuple[str, ...]) -> dict[str, Any]:
    spec = specs.get(name)
    if not isinstance(spec, dict):
        raise LimpetError(f"processes.{name} is no mapping")
    base = spec.get("extends")
    if base is None:
        return spec
    if base not in specs or base in (*seen, name):
        raise LimpetError(
            f"processes.{name} extends {base}", "there is no such process, or it extends itself"
        )
    return _merged(_extended(specs, base, (*seen, name)), spec)


def _flat(values: Mapping[str, Any], table: tables.Table, prefix: str = "") -> dict[str, Any]:
    """The options by their names with dots, as the table has them."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and not any(option.name == name for option in table.options):
            found |= _flat(value, table, f"{name}.")
        else:
            found[name] = value
    return found


class _Reader:
    """One process."""

    def __init__(
        self, imported: Imported, project: Given, name: str, spec: Mapping[str, Any], source: Source
    ) -> None:
        self.imported = imported
        self.project = project
        self.name = name
        self.source = source
        self.given = Given(imported, f"processes.{name}", PROCESS, _flat(spec, PROCESS))
        self.depends: dict[str, str] = {}
        for other, condition in (self.given.get("depends_on") or {}).items():
            self.depends[str(other)] = str((condition or {}).get("condition", "process_started"))
        self.templated = _REPLICA in str(spec)

    def add(self) -> list[Process]:
        """Adds its process; or one for each replica, if the number stands in what is run."""
        given = self.given
        count = int(given.number("replicas", 1))
        if count > 1 and self.templated:
            given.note("replicas", "the number stands in what is run: a process for each")
            return [
                self.imported.add(f"{self.name}-{number}", given.place, self.keys(number, 1), self.remark())
                for number in range(count)
            ]
        return [self.imported.add(self.name, given.place, self.keys(0, count), self.remark())]

    def remark(self) -> str:
        """Its description."""
        return self.given.text("description")

    def keys(self, number: int, instances: int) -> dict[str, Any]:
        """The process's keys."""
        given = self.given
        variables = {**(self.project.get("vars") or {}), **(given.get("vars") or {}), _REPLICA: number}

        def fill(value: Any) -> str:
            text = str(value).replace(f"{{{_REPLICA}}}", str(number))  # as log_location writes it
            return _TEMPLATE.sub(lambda found: str(variables.get(found[1], found[0])), text)

        off = any(given.flag(name) for name in ("disabled", "is_disabled", "is_foreground"))
        off = off or bool(given.get("schedule"))
        restart = _RESTART.get(given.text("availability.restart", "no").lower(), "temporary")
        if given.text("availability.restart") == "exit_on_failure":
            given.note("availability.restart", "exit_on_failure: the node ends only beyond `max_restarts`")
        signal = signal_name(given.get("shutdown.signal", 15), given.place)
        ends = given.flag("availability.exit_on_end") and restart != "permanent"
        codes = [int(code) for code in given.get("success_exit_codes") or []]
        delay = given.number("availability.backoff_seconds", 0)
        dotenv = ".env" if self.source.has(".env") and not given.flag("is_dotenv_disabled") else ""
        return {
            "command": self.command(fill),
            "instances": 0 if off else instances if instances != 1 else "",
            "restart": restart,
            "success_exit_codes": sorted({0, *codes}) if codes else "",
            "significant": True if ends else "",
            "stop_signal": "" if signal == "TERM" else signal,
            "shutdown": duration(wait)
            if (wait := given.number("shutdown.timeout_seconds", 10)) != 10
            else "",
            "ready": self.probe("readiness_probe", fill) or self.log_line(),
            "liveness": self.probe("liveness_probe", fill),
            "env": {
                **_environment(self.project.get("environment"), fill),
                **_environment(given.get("environment"), fill),
            },
            "env_file": literal(given.text("env_file", dotenv)),
            "cwd": _references(fill(given.text("working_dir"))),
            "backoff": {"base": duration(delay), "factor": 1} if delay else "",
            "log": self.log(fill),
        }

    def command(self, fill: Any) -> list[str]:
        """What is run: by the project's shell, or the entry point itself."""
        if text := self.given.text("command"):
            return self.shell(fill(text))
        entry = self.given.get("entrypoint") or []
        if not entry:
            raise LimpetError(f"{self.given.place} has no command")
        return [_references(fill(word)) for word in entry]

    def shell(self, text: str) -> list[str]:
        """A command line for the shell, which expands its variables itself; `$$` is a dollar."""
        words = (
            self.project.get("shell.shell_command", "bash"),
            self.project.get("shell.shell_argument", "-c"),
        )
        if _TEMPLATE.search(text):
            self.given.note("command", "a template in it is not known", tables.Fate.UNKNOWN)
        return [*map(str, words), literal(text.replace("$$", "$").strip())]

    def log_line(self) -> dict[str, Any]:
        """Ready by a line of output."""
        line = self.given.text("ready_log_line")
        return {"log": literal(re.escape(line).replace(r"\ ", " "))} if line else {}

    def probe(self, name: str, fill: Any) -> dict[str, Any]:
        """A check; none if there is none, or it cannot be made."""
        given = self.given
        every = given.number(f"{name}.period_seconds", 10)
        failures = int(given.number(f"{name}.failure_threshold", 3))
        delay = given.number(f"{name}.initial_delay_seconds", 0)
        if command := given.text(f"{name}.exec.command"):
            directory = given.text(f"{name}.exec.working_dir")
            text = f"cd {directory} && {command}" if directory else command
            check: dict[str, Any] = {"exec": self.shell(fill(text))}
        elif any(key.startswith(f"{name}.http_get") for key in given.values):
            if given.text(f"{name}.http_get.scheme", "http") != "http":
                return {}
            host = fill(given.text(f"{name}.http_get.host", "127.0.0.1"))
            port = fill(given.text(f"{name}.http_get.port", given.text(f"{name}.http_get.num_port")))
            path = fill(given.text(f"{name}.http_get.path", "/"))
            check = {"http": _references(f"http://{host}{f':{port}' if port else ''}{path}")}
        else:
            return {}
        if name == "readiness_probe":
            within = delay + every * failures
            return check | ({"timeout": duration(within)} if within > _PROBE_TIMEOUT else {})
        timeout = given.number(f"{name}.timeout_seconds", 1)
        return check | {"every": duration(every), "timeout": duration(timeout), "failures": failures}

    def log(self, fill: Any) -> dict[str, Any]:
        """Where its output goes."""
        given = self.given
        found: dict[str, Any] = {}
        if file := given.text("log_location"):
            found["file"] = _references(fill(file))
        if size := given.number("log_configuration.rotation.max_size_mb", 0):
            found["max_bytes"] = f"{size:g}MiB"
        if given.get("log_configuration.rotation.max_backups"):
            found["backups"] = int(given.number("log_configuration.rotation.max_backups", 5))
        if given.flag("log_configuration.rotation.compress"):
            found["compress"] = True
        if given.get("log_configuration.disable_json") is False:
            found["format"] = "json"
        elif given.flag("log_configuration.add_timestamp"):
            found["format"] = "prefix"
        return found


class _Dependencies:
    """`depends_on`: what is waited for is the other's readiness."""

    def __init__(
        self, imported: Imported, names: Mapping[str, list[Process]], readers: list[_Reader]
    ) -> None:
        self.imported = imported
        self.names = names
        self.readers = readers

    def resolve(self) -> None:
        """Sets `after`, and what the others' readiness means."""
        for reader in self.readers:
            after = []
            for other, condition in reader.depends.items():
                if other not in self.names:
                    raise LimpetError(f"{reader.given.place} depends on {other}", "there is no such process")
                for process in self.names[other]:
                    after.append(process.name)
                    self.condition(reader, process, condition)
            for process in self.names[reader.name]:
                if after:
                    process.keys["after"] = after

    def condition(self, reader: _Reader, process: Process, condition: str) -> None:
        """What `process` is for the one that depends on it."""
        ready = process.keys.get("ready")
        if condition in ("process_completed", "process_completed_successfully"):
            if process.keys.get("restart") == "permanent":
                process.keys["restart"] = "transient"
                reader.given.note(
                    "depends_on", f"{process.name} is restarted after a failure only: it is waited for"
                )
            process.keys["ready"] = "completed"
            if condition == "process_completed":
                reader.given.note("depends_on", f"waits for a success of {process.name}")
        elif condition == "process_started" and ready:
            reader.given.note("depends_on", f"waits until {process.name} is ready, not only started")
        elif condition == "process_healthy" and not ready:
            reader.given.note("depends_on", f"{process.name} has no check that says when it is healthy")


def _environment(value: Any, fill: Any) -> dict[str, str]:
    """A list of NAME=value, or a mapping."""
    pairs = (
        value.items() if isinstance(value, dict) else [str(item).partition("=")[::2] for item in value or []]
    )
    return {str(name): _references(fill(text)) for name, text in pairs}


def _references(text: str) -> str:
    """`${NAME}` as a reference, empty if the variable is not set; `$$` is a dollar."""
    out = []
    at = 0
    for match in _VARIABLE.finditer(text):
        out.append(literal(text[at : match.start()]))
        out.append(f"${{{match[1]}:-{match[2] or ''}}}" if match[1] else "$$")
        at = match.end()
    return "".join((*out, literal(text[at:])))
