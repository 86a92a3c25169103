"""supervisord.conf -> Imported, with the expansions and defaults of Supervisor 4."""

import re
import shlex
import socket
from collections.abc import Callable, Mapping
from configparser import Error, RawConfigParser
from typing import Any, Final, NamedTuple

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
from limpet_shell.importing.tables import supervisord as table
from limpet_supervisor.errors import LimpetError

_EXPANSION: Final = re.compile(r"%\((\w+)\)([-+ 0#\d.]*[a-zA-Z])|%(%)?")
_NUMBER: Final = re.compile(r"[-_.:]?%\(process_num\)[-+ 0#\d.]*[a-zA-Z]")
_LISTS: Final = {
    "program": table.PROGRAM,
    "fcgi-program": table.FCGI,
    "eventlistener": table.EVENTLISTENER,
    "group": table.GROUP,
    "rpcinterface": table.RPCINTERFACE,
}
_ONCE: Final = {found.section.strip("[]"): found for found in table.TABLES if ":" not in found.section}
_RESTART: Final = {"unexpected": "transient", "true": "permanent", "false": "temporary"}


class _Section(NamedTuple):
    """A section that describes processes."""

    kind: str
    name: str
    given: Given
    here: str
    """The directory of the file that it stands in."""
    group: str


def parse(source: Source) -> Imported:
    """The configuration in a supervisord.conf and the files that it includes.

    Raises:
        LimpetError: it is none, or cannot be understood.
    """
    imported = Imported(release_name(source.directory.rpartition("/")[2]))
    sections = _read(source)
    includes = sections.get("include", ({}, ""))[0].get("files", "").split()
    for pattern in includes:
        files = source.include(pattern)
        if not files:
            imported.note("[include]", "files", f"no file matches {pattern}", tables.Fate.UNKNOWN)
        for included in files:
            for name, (values, here) in _read(included).items():
                known = sections.setdefault(name, ({}, here))
                known[0].update(values)
    given = _given(imported, sections)
    glob = given.get("supervisord")
    # What [supervisord] sets is known to the expansions below it.
    shared = (
        _pairs(glob.text("environment"), lambda text: _expand(text, {}, {}), "[supervisord]") if glob else {}
    )
    groups = {
        member.strip(): section.partition(":")[2]
        for section, found in given.items()
        if section.startswith("group:")
        for member in found.text("programs").split(",")
    }
    ordered: list[tuple[float, int, _Section]] = []
    for number, (section, found) in enumerate(given.items()):
        kind, _, name = section.partition(":")
        if kind in ("program", "fcgi-program"):
            group = groups.get(name, name)
            priority = found.number("priority", 999)
            if group != name:
                priority = given[f"group:{group}"].number("priority", 999)
            ordered.append((priority, number, _Section(kind, name, found, sections[section][1], group)))
    for _, _, one in sorted(ordered, key=lambda item: item[:2]):
        _Reader(imported, one, shared, glob).add()
    imported.keep_isolated()
    return imported


def _read(source: Source) -> dict[str, tuple[dict[str, str], str]]:
    parser = RawConfigParser(strict=False, inline_comment_prefixes=(";", "#"), interpolation=None)
    try:
        parser.read_string(source.text, source.path)
    except Error as error:
        raise LimpetError(f"{source.path} is no supervisord.conf", " ".join(str(error).split())) from None
    return {name: (dict(parser.items(name)), source.directory) for name in parser.sections()}


def _given(imported: Imported, sections: Mapping[str, tuple[dict[str, str], str]]) -> dict[str, Given]:
    found = {}
    for section, (values, _) in sections.items():
        kind, colon, _ = section.partition(":")
        known = _LISTS.get(kind) if colon else _ONCE.get(section)
        place = f"[{section}]"
        if known is None:
            imported.note(place, "", "no section of supervisord's", tables.Fate.UNKNOWN)
            continue
        found[section] = Given(imported, place, known, values)
        if kind == "eventlistener":
            text = f"left out: {values.get('command', '')}; `limpet events -f --json` is the stream of events"
            imported.note(place, "command", text, tables.Fate.NONE)
    return found


class _Reader:
    """One [program:x] or [fcgi-program:x]."""

    def __init__(
        self, imported: Imported, section: _Section, shared: Mapping[str, str], glob: Given | None
    ) -> None:
        self.imported = imported
        self.section = section
        self.given = section.given
        self.shared = shared
        self.glob = glob
        self.count = int(self.given.number("numprocs", 1))

    def add(self) -> None:
        """Adds its process; or one for each number, if the number stands in what is run."""
        given = self.given
        if not given.text("command"):
            raise LimpetError(f"{given.place} has no command")
        if self.count > 1 and any("%(process_num)" in given.text(name) for name in _PER_NUMBER):
            start = int(given.number("numprocs_start", 0))
            given.note("numprocs", "the number stands in what is run: a process for each")
            for number in range(start, start + self.count):
                expansions = self.expansions(number)
                name = _expand(given.text("process_name", "%(program_name)s"), expansions, {})
                if name == self.section.name:
                    name = f"{name}-{number}"
                self.imported.add(name, given.place, self.keys(expansions, 1))
            return
        if given.text("process_name", "%(program_name)s") != "%(program_name)s" and self.count > 1:
            given.note("process_name", "instances are named NAME.1, NAME.2, …")
        start = int(given.number("numprocs_start", 0))
        self.imported.add(self.section.name, given.place, self.keys(self.expansions(start), self.count))

    def expansions(self, number: int) -> dict[str, object]:
        """What `%(…)s` means."""
        return {
            "here": self.section.here,
            "program_name": self.section.name,
            "group_name": self.section.group,
            "host_node_name": socket.gethostname(),
            "process_num": number,
            "numprocs": self.count,
        }

    def keys(self, expansions: Mapping[str, object], instances: int) -> dict[str, Any]:
        """The process's keys."""
        given = self.given
        known = dict(self.shared)

        def expand(text: str) -> str:
            return _expand(text, expansions, known)

        own = _pairs(given.text("environment"), expand, given.place)
        known |= own
        words = _split(expand(given.text("command")), given.place)
        if self.section.kind == "fcgi-program":
            words = with_stdin(words, self.socket(expand))
        restart = given.text("autorestart", "unexpected").lower()
        codes = [int(code) for code in given.text("exitcodes", "0").split(",") if code.strip()]
        return {
            "command": words,
            "instances": (instances if instances != 1 else "")
            if given.flag("autostart", default=True)
            else 0,
            "restart": _RESTART.get(restart, "permanent" if restart in tables.ON else "temporary"),
            "success_exit_codes": codes if codes != [0] and restart == "unexpected" else "",
            "stop_signal": ""
            if (name := signal_name(given.get("stopsignal", "TERM"), given.place)) == "TERM"
            else name,
            "shutdown": "" if (wait := given.number("stopwaitsecs", 10)) == 10 else duration(wait),
            "user": literal(self.of_all("user")),
            "umask": _octal(self.of_all("umask")),
            "cwd": expand(self.of_all("directory")),
            "env": {**self.shared, **own},
            "backoff": {"reset": duration(up)} if (up := given.number("startsecs", 1)) not in (0, 1) else "",
            "log": self.log(expand, instances),
        }

    def of_all(self, name: str) -> str:
        """Its own value, or that of [supervisord]."""
        default = self.glob.text(name) if self.glob else ""
        return self.given.text(name, "" if (name, default) == ("umask", "022") else default)

    def log(self, expand: Callable[[str], str], instances: int) -> dict[str, Any]:
        """Where its output goes: both streams to one file."""
        given = self.given
        found: dict[str, Any] = {}
        file = given.text("stdout_logfile", "AUTO")
        error = given.text("stderr_logfile", "AUTO")
        if instances > 1 and "%(process_num)" in file:
            file = _NUMBER.sub("", file)
            given.note("stdout_logfile", "all instances write to one file; each line says which")
            found["format"] = "prefix"
        if file.upper() == "NONE" or file in (
            "/dev/stdout",
            "/dev/stderr",
            "/dev/fd/1",
            "/dev/fd/2",
            "/dev/null",
        ):
            found["file"] = "none"
        elif file.upper() not in ("AUTO", "SYSLOG"):
            found["file"] = expand(file)
        aside = error.upper() in ("AUTO", "NONE") or error.startswith("/dev/") or error == file
        if not aside and not given.flag("redirect_stderr"):
            given.note("stderr_logfile", "standard error goes to the process's one log")
        if found.get("file") != "none":
            if size := given.text("stdout_logfile_maxbytes"):
                found["max_bytes"] = _size(size, given.place)
            if backups := given.text("stdout_logfile_backups"):
                found["backups"] = int(backups)
        return found

    def socket(self, expand: Callable[[str], str]) -> str:
        """The socket of an fcgi-program."""
        given = self.given
        url = expand(given.text("socket"))
        kind, _, address = url.partition("://")
        if kind not in ("tcp", "unix") or not address:
            raise LimpetError(
                f"{given.place} socket is {url!r}", "tcp://HOST:PORT or unix:///PATH is expected"
            )
        keys = {
            "bind": address if kind == "tcp" else f"unix:{address}",
            "backlog": int(given.number("socket_backlog", 0)) or "",
            "mode": _octal(given.text("socket_mode", "0700")) if kind == "unix" else "",
        }
        for name, found in self.imported.sockets.items():
            if found["bind"] == keys["bind"]:
                return name
        return self.imported.add_socket(self.section.name, given.place, keys)


_PER_NUMBER: Final = ("command", "environment", "directory")


def _expand(text: str, expansions: Mapping[str, object], known: Mapping[str, str]) -> str:
    """`%(…)s` replaced; a variable of the environment becomes a reference, the rest is literal.

    Args:
        text: as supervisord reads it.
        expansions: names and their values.
        known: variables with their values, written as in a limpet.toml.
    """
    out = []
    at = 0
    for match in _EXPANSION.finditer(text):
        out.append(literal(text[at : match.start()]))
        at = match.end()
        name, form, percent = match.groups()
        if name is None:
            if not percent:
                raise LimpetError(f"{text!r} has a % that begins nothing", todo="write %% for a percent sign")
            out.append("%")
        elif name.startswith("ENV_"):
            variable = name.removeprefix("ENV_")
            out.append(known.get(variable, f"${{{variable}}}"))
        elif name in expansions:
            out.append(literal(f"%{form}" % expansions[name]))
        else:
            raise LimpetError(f"%({name}){form} is not known here", f"in {text!r}")
    return "".join((*out, literal(text[at:])))


def _pairs(text: str, expand: Callable[[str], str], place: str) -> dict[str, str]:
    """KEY="value",KEY2=value: quotes are shlex's, as in supervisord."""
    lexer = shlex.shlex(expand(text))
    lexer.wordchars += "/.+-():$%{}@!?&*^~"
    try:
        tokens = list(lexer)
    except ValueError as error:
        raise LimpetError(f"{place} environment cannot be read", str(error)) from None
    found = {}
    while tokens:
        name, equals, value, *tokens = [*tokens, "", ""]
        if equals != "=" or not name:
            raise LimpetError(f"{place} environment is {text!r}", 'KEY="value",KEY2="value2" is expected')
        found[name] = value[1:-1] if value[:1] in ("'", '"') else value
        tokens = [token for token in tokens if token]
        if tokens and tokens[0] == ",":
            tokens = tokens[1:]
    return found


def _split(text: str, place: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise LimpetError(f"{place} command cannot be split into words", str(error)) from None


def _octal(text: str) -> str:
    return text.strip().lower().removeprefix("0o").zfill(3) if text.strip() else ""


def _size(text: str, place: str) -> str | int:
    """KB, MB and GB are powers of 1024 in supervisord."""
    match = re.fullmatch(r"(\d+)\s*([KMG]B)?", text.strip().upper())
    if not match:
        raise LimpetError(f"{place}: {text!r} is no size")
    return f"{match[1]}{match[2][0]}iB" if match[2] else int(match[1])
