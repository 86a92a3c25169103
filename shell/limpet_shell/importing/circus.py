"""circus.ini -> Imported, with the expansions and defaults of Circus 0.19."""

import re
import shlex
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
    sockets = _Sockets(imported)
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

    def __init__(self, imported: Imported) -> None:
        self.imported = imported
        self.names: dict[str, str] = {}

    def add(self, name: str, given: Given) -> None:
        """One [socket:x]."""
        path = given.text("path")
        host = given.text("host", "localhost").replace("*", "0.0.0.0")  # noqa: S104 - as it is written
        umask = given.text("umask")
        keys = {
            "bind": f"unix:{literal(path)}" if path else f"{literal(host)}:{int(given.number('port', 8080))}",
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
        count = 1 if given.flag("singleton") else int(given.number("numprocesses", 1))
        written = given.text("cmd") + given.text("args")
        if not written:
            given.note("cmd", "left out: it has none", tables.Fate.NONE)
            return
        if count > 1 and any(
            (found[1] or found[2] or "wid").lower() == "wid" for found in _CIRCUS.finditer(written)
        ):
            given.note("numprocesses", "$(circus.wid) stands in what is run: a process for each")
            for number in range(1, count + 1):
                self.imported.add(f"{self.name}-{number}", given.place, self.keys(number, 1, umask))
        else:
            self.imported.add(self.name, given.place, self.keys(1, count, umask))

    def keys(self, number: int, instances: int, umask: str) -> dict[str, Any]:
        """The process's keys."""
        given = self.given
        words = self.command(number)
        if name := given.text("stdin_socket"):
            words = with_stdin(words, self.sockets.find(name, given.place))
        env = dict(self.env)
        if path := given.text("virtualenv"):
            env = {"VIRTUAL_ENV": literal(path), "PATH": f"{literal(path)}/bin:${{PATH}}", **env}
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
        out = []
        at = 0
        for match in _CIRCUS.finditer(text):
            out.append(literal(text[at : match.start()]))
            at = match.end()
            option = (match[1] or match[2] or "wid").lower()
            kind, _, name = option.partition(".")
            if option == "wid":
                out.append(str(number))
            elif kind == "sockets" and name:
                out.append(f"${{sockets.{self.sockets.find(name, self.given.place)}}}")
            elif kind == "env" and name:
                known = {key.lower(): value for key, value in self.env.items()}
                out.append(known.get(name, f"${{{name.upper()}:-}}"))
            elif table.WATCHER.find(option):
                out.append(literal(self.given.text(option)))
            else:
                out.append(literal(match[0]))
                self.given.note("cmd", f"{match[0]} is not known", tables.Fate.UNKNOWN)
        return "".join((*out, literal(text[at:])))

    def log(self, number: int) -> dict[str, Any]:
        """Where its output goes: both streams to one file."""
        given = self.given
        found: dict[str, Any] = {}
        for stream in ("stdout_stream", "stderr_stream"):
            kind = given.text(f"{stream}.class").rpartition(".")[2]
            if file := given.text(f"{stream}.filename"):
                if "file" in found and found["file"] != literal(file):
                    given.note(f"{stream}.filename", "standard error goes to the process's one log")
                found.setdefault("file", self.expand(file, number))
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
