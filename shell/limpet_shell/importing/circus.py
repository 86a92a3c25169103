"""circus.ini -> Imported, with the expansions and defaults of Circus 0.19."""

import re
import shlex
from collections.abc import Callable, Mapping
from configparser import Error, RawConfigParser
from fnmatch import fnmatch
from typing import Any, Final

from limpet_shell.importing import tables
from limpet_shell.importing.model import (
    Given,
    Imported,
    Source,
    duration,
    literal,
    release_name,
    signal_name,
    with_stdin,
)
from limpet_shell.importing.tables import circus as table
from limpet_supervisor.errors import LimpetError

_CIRCUS: Final = re.compile(r"\$\(circus\.([\w.-]+)\)|\(\(circus\.([\w.-]+)\)\)|(\$WID\b)", re.IGNORECASE)
_VARIABLE: Final = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")
_KINDS: Final = {"watcher": table.WATCHER, "socket": table.SOCKET, "plugin": table.PLUGIN}
_FILES: Final = ("FileStream", "WatchedFileStream", "TimedRotatingFileStream")


def parse(source: Source) -> Imported:
    """The configuration in a circus.ini and the files that it includes.

    Raises:
        LimpetError: it is none, or cannot be understood.
    """
    imported = Imported(release_name(source.directory.rpartition("/")[2]))
    parser = _parser(source)
    patterns = parser.get("circus", "include", fallback="").split()
    patterns += [f"{name}/*.ini" for name in parser.get("circus", "include_dir", fallback="").split()]
    for pattern in patterns:
        found = source.include(pattern)
        if not found:
            imported.note("[circus]", "include", f"no file matches {pattern}", tables.Fate.UNKNOWN)
        for included in found:
            parser = _parser(included, parser)
    sections = {name: dict(parser.items(name)) for name in parser.sections()}
    circus = Given(imported, "[circus]", table.CIRCUS, sections.get("circus", {}))
    sockets = _Sockets(imported, _environment(sections, ""))
    watchers: list[tuple[str, Given]] = []
    for section, values in sections.items():
        kind, _, name = section.partition(":")
        place = f"[{section}]"
        if kind == "socket" and values:
            sockets.add(name, Given(imported, place, table.SOCKET, values))
        elif kind == "plugin" and values:
            _plugin(Given(imported, place, table.PLUGIN, values))
        elif kind == "watcher" and values:
            watchers.append((name, Given(imported, place, table.WATCHER, values)))
        elif kind not in ("circus", "env", *_KINDS):
            imported.note(place, "", "no section of circus's", tables.Fate.UNKNOWN)
    for name, given in sorted(watchers, key=lambda item: -item[1].number("priority", 0)):
        _Watcher(imported, name, given, sockets, _environment(sections, name)).add(circus.text("umask"))
    imported.keep_isolated()
    return imported


def _parser(source: Source, parser: RawConfigParser | None = None) -> RawConfigParser:
    if parser is None:
        parser = RawConfigParser(strict=False, inline_comment_prefixes=(";",), interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign] # variables' names keep their case
    try:
        parser.read_string(source.text, source.path)
    except Error as error:
        raise LimpetError(f"{source.path} is no circus.ini", " ".join(str(error).split())) from None
    return parser


def _environment(sections: dict[str, dict[str, str]], name: str) -> dict[str, str]:
    """What [env] and each [env:pattern] that matches sets, as a limpet.toml writes it."""
    env: dict[str, str] = {}
    for section, values in sections.items():
        kind, colon, patterns = section.partition(":")
        if kind == "env" and (
            not colon or any(fnmatch(name, pattern.strip()) for pattern in patterns.split(","))
        ):
            # A variable that is set before is known, as is the environment.
            env |= {key: _references(value, env) for key, value in values.items()}
    return env


def _references(text: str, known: dict[str, str]) -> str:
    out = []
    at = 0
    for match in _VARIABLE.finditer(text):
        name = match[1] or match[2]
        out += [literal(text[at : match.start()]), known.get(name, f"${{{name}:-}}")]
        at = match.end()
    return "".join((*out, literal(text[at:])))


def _expand(text: str, value: Callable[[str, str], str]) -> str:
    """`$(circus.…)` replaced by what `value` makes of an option's kind and name; the rest is literal."""
    out = []
    at = 0
    for match in _CIRCUS.finditer(text):
        out.append(literal(text[at : match.start()]))
        at = match.end()
        kind, _, name = (match[1] or match[2] or "wid").partition(".")
        out.append(value(kind.lower(), name) or literal(match[0]))
    return "".join((*out, literal(text[at:])))


def _variable(name: str, env: Mapping[str, str]) -> str:
    """A variable by its name in any case, as Circus looks for it: of `env`, or of the environment."""
    known = {key.lower(): value for key, value in env.items()}
    return known.get(name.lower(), f"${{{name.upper() if name.islower() else name}:-}}")


def _plugin(given: Given) -> None:
    use = given.text("use")
    known = table.PLUGINS.find(use)
    if known is None:
        text = "it is loaded into Circus, and nothing is into the node"
    else:
        text = f"{known.text}: see `{known.key}`" if known.key else known.text
    given.note("use", f"{use} is left out: {text}", tables.Fate.NONE)


class _Sockets:
    """The sockets: their names in Circus and here."""

    def __init__(self, imported: Imported, env: dict[str, str]) -> None:
        self.imported = imported
        self.env = env
        self.names: dict[str, str] = {}

    def add(self, name: str, given: Given) -> None:
        """One [socket:x]."""
        path, host, port = (
            _expand(given.text(option, default), lambda _, known: _variable(known, self.env))
            for option, default in (("path", ""), ("host", "localhost"), ("port", "8080"))
        )
        umask = given.text("umask")
        keys = {
            "bind": f"unix:{path}" if path else f"{'0.0.0.0' if host == '*' else host}:{port}",  # noqa: S104
            "backlog": int(given.number("backlog", 0)) or "",
            "mode": f"{0o777 & ~int(umask, 8):04o}" if path and umask else "",
        }
        self.names[name.lower()] = self.imported.add_socket(name, given.place, keys)

    def find(self, name: str, place: str) -> str:
        """A socket's name here.

        Raises:
            LimpetError: there is none.
        """
        try:
            return self.names[name.lower()]
        except KeyError:
            raise LimpetError(f"{place}: there is no [socket:{name}]") from None


class _Watcher:
    """One [watcher:x]."""

    def __init__(
        self, imported: Imported, name: str, given: Given, sockets: _Sockets, env: dict[str, str]
    ) -> None:
        self.imported = imported
        self.name = name
        self.given = given
        self.sockets = sockets
        self.env = env

    def add(self, umask: str) -> None:
        """Adds its process; or one for each number, if $(circus.wid) stands in what is run."""
        given = self.given
        count = self.count()
        written = given.text("cmd") + given.text("args")
        if not written:
            given.note("cmd", "left out: it has none", tables.Fate.NONE)
            return
        if (
            isinstance(count, int)
            and count > 1
            and any((found[1] or found[2] or "wid").lower() == "wid" for found in _CIRCUS.finditer(written))
        ):
            given.note("numprocesses", "$(circus.wid) stands in what is run: a process for each")
            for number in range(1, count + 1):
                self.imported.add(f"{self.name}-{number}", given.place, self.keys(number, 1, umask))
        else:
            self.imported.add(self.name, given.place, self.keys(1, count, umask))

    def count(self) -> int | str:
        """How many there are, or the reference that says it."""
        if self.given.flag("singleton"):
            return 1
        text = self.expand(self.given.text("numprocesses", "1"), 1)
        return text if "${" in text else int(self.given.number("numprocesses", 1))

    def keys(self, number: int, instances: int | str, umask: str) -> dict[str, Any]:
        """The process's keys."""
        given = self.given
        words = self.command(number)
        if name := given.text("stdin_socket"):
            words = with_stdin(words, self.sockets.find(name, given.place))
        env = dict(self.env)
        if path := self.expand(given.text("virtualenv"), number):
            env = {"VIRTUAL_ENV": path, "PATH": f"{path}/bin:${{PATH}}", **env}
        signal = signal_name(given.get("stop_signal", "TERM"), given.place)
        every = given.flag("use_sockets") and not any("${sockets." in word for word in words)
        return {
            "command": words,
            "instances": (instances if instances != 1 else "")
            if given.flag("autostart", default=True)
            else 0,
            "restart": "" if given.flag("respawn", default=True) else "temporary",
            "stop_signal": "" if signal == "TERM" else signal,
            "shutdown": duration(given.number("graceful_timeout", 30)),
            "sockets": list(self.imported.sockets) if every else "",
            "env": env,
            "cwd": self.expand(given.text("working_dir"), number),
            "user": self.expand(given.text("uid"), number),
            "group": self.expand(given.text("gid"), number),
            "umask": umask.strip().zfill(3) if umask else "",
            "limits": {
                name.lower().removeprefix("rlimit_"): int(value) if value else "infinity"
                for name, value in given.values.items()
                if name.lower().startswith("rlimit_")
            },
            "max_age": duration(given.number("max_age", 0)) if given.get("max_age") else "",
            "log": self.log(number),
        }

    def command(self, number: int) -> list[str]:
        """What is run."""
        given = self.given
        try:
            words = shlex.split(self.expand(given.text("cmd"), number))
            words += shlex.split(self.expand(given.text("args"), number))
            more = shlex.split(self.expand(given.text("shell_args"), number))
        except ValueError as error:
            raise LimpetError(f"{given.place} cmd cannot be split into words", str(error)) from None
        if executable := given.text("executable"):
            words[:1] = [literal(executable)]
        if given.flag("shell"):
            # As Circus does: what is quoted stays a word of the shell's, and no more of it is expanded.
            return ["/bin/sh", "-c", " ".join(map(shlex.quote, words)), *more]
        return words

    def expand(self, text: str, number: int) -> str:
        """`$(circus.…)` replaced; what is of the environment becomes a reference, the rest is literal."""

        def value(kind: str, name: str) -> str:
            if kind == "wid":
                return str(number)
            if kind == "sockets" and name:
                return f"${{sockets.{self.sockets.find(name, self.given.place)}}}"
            if kind == "env" and name:
                return _variable(name, self.env)
            if not name and table.WATCHER.find(kind):
                return literal(self.given.text(kind))
            self.given.note("cmd", f"circus.{kind} is not known", tables.Fate.UNKNOWN)
            return ""

        return _expand(text, value)

    def log(self, number: int) -> dict[str, Any]:
        """Where its output goes: both streams to one file."""
        given = self.given
        found: dict[str, Any] = {}
        for stream in ("stdout_stream", "stderr_stream"):
            kind = given.text(f"{stream}.class").rpartition(".")[2]
            if file := self.expand(given.text(f"{stream}.filename"), number):
                if found.setdefault("file", file) != file:
                    given.note(f"{stream}.filename", "standard error goes to the process's one log")
            elif kind not in ("", "StdoutStream", "FancyStdoutStream", *_FILES):
                given.note(f"{stream}.class", f"{kind}: {_NO_CLASS}", tables.Fate.NONE)
            if size := given.get(f"{stream}.max_bytes"):
                found.setdefault("max_bytes", int(size))
            if given.get(f"{stream}.backup_count"):
                found.setdefault("backups", int(given.number(f"{stream}.backup_count", 5)))
            if given.get(f"{stream}.time_format") or kind == "FancyStdoutStream":
                found["format"] = "prefix"
        if given.flag("close_child_stdout"):
            found = {"file": "none"}
        return found


_NO_CLASS: Final = "no class is loaded into the node"
