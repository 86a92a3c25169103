"""What is imported: processes, sockets and settings in limpet.toml's own keys, and notes on what differs."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from limpet_shell.importing.tables import ANY, Fate, Table
from limpet_supervisor.errors import LimpetError

RESTARTS_EACH: Final = 10
"""More restarts than an instance makes in max_seconds with the default backoff, however fast it dies."""
WINDOW: Final = 5.0
"""Default of max_seconds, in seconds."""


class Source(NamedTuple):
    """A configuration file of another supervisor."""

    path: str
    text: str

    @property
    def directory(self) -> str:
        """Its directory, absolute."""
        return os.path.dirname(os.path.abspath(self.path))

    def include(self, pattern: str) -> "list[Source]":
        """The files that match, sorted; relative patterns are below its directory."""
        import glob

        return [read(path) for path in sorted(glob.glob(os.path.join(self.directory, pattern)))]

    def has(self, name: str) -> bool:
        """Whether there is such a file beside it."""
        return os.path.isfile(os.path.join(self.directory, name))


def read(path: str) -> Source:
    """A file.

    Raises:
        LimpetError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return Source(path, file.read())
    except OSError as error:
        raise LimpetError(f"{path} cannot be read", str(error.strerror)) from None
    except UnicodeDecodeError:
        raise LimpetError(f"{path} cannot be read", "it is not UTF-8") from None


class Note(NamedTuple):
    """What became of an option that has no equivalent, or another meaning here."""

    place: str
    """Where it stands: `[program:web]`."""
    option: str
    fate: Fate
    text: str


@dataclass
class Process:
    """A process, in limpet.toml's keys."""

    name: str
    place: str
    keys: dict[str, Any]
    remark: str = ""
    """A comment above its table."""


@dataclass
class Imported:
    """A configuration on its way to a limpet.toml."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    sockets: dict[str, dict[str, Any]] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def note(self, place: str, option: str, text: str, fate: Fate = Fate.DIFFERS) -> None:
        """Says once what became of an option."""
        note = Note(place, option, fate, text)
        if note not in self.notes:
            self.notes.append(note)

    def add(self, name: str, place: str, keys: Mapping[str, Any], remark: str = "") -> Process:
        """Adds a process under a name that is allowed and free; empty values are left out."""
        taken = {process.name for process in self.processes}
        chosen = free_name(name, taken)
        if chosen != name:
            self.note(place, "name", f'"{name}" is named {chosen} here')
        process = Process(
            chosen, place, {key: value for key, value in keys.items() if not _is_empty(value)}, remark
        )
        self.processes.append(process)
        return process

    def add_socket(self, name: str, place: str, keys: Mapping[str, Any]) -> str:
        """Adds a socket under a name that is allowed and free, and returns it."""
        chosen = free_name(name, set(self.sockets))
        if chosen != name:
            self.note(place, "name", f'"{name}" is named {chosen} here')
        self.sockets[chosen] = {key: value for key, value in keys.items() if not _is_empty(value)}
        return chosen

    def keep_isolated(self) -> None:
        """Lets no single process end the node by its restarts, as no other supervisor does."""
        restarts = 0
        for process in self.processes:
            reset = _seconds(process.keys.get("backoff", {}).get("reset", "1s"))
            each = max(RESTARTS_EACH, math.ceil(WINDOW / reset) + 3 if reset else RESTARTS_EACH)
            instances = process.keys.get("instances", 1)
            restarts += each * (instances if isinstance(instances, int) and instances else 1)
        self.settings.setdefault("max_restarts", max(restarts, RESTARTS_EACH))


class Given:
    """The options of one section, as they are read: what has no equivalent is noted at once."""

    def __init__(self, imported: Imported, place: str, table: Table, values: Mapping[str, Any]) -> None:
        self.imported = imported
        self.place = place
        self.table = table
        self.values = values
        for name, value in values.items():
            option = table.find(name)
            if option is None:
                imported.note(place, name, f"no option of {table.section}", Fate.UNKNOWN)
            elif option.fate is not Fate.SAME and not _harmless(option.harmless, value):
                imported.note(place, name, option.text, option.fate)

    def get(self, name: str, default: Any = None) -> Any:
        """An option's value. Only what the table has can be asked for."""
        assert self.table.find(name), f"{name} is not in the table of {self.table.section}"
        value = self.values.get(name)
        return default if value is None else value

    def text(self, name: str, default: str = "") -> str:
        """An option's value as text."""
        return str(self.get(name, default))

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A yes or no."""
        value = self.get(name, default)
        return (
            value
            if isinstance(value, bool)
            else str(value).strip().lower() in ("true", "yes", "on", "1", "t")
        )

    def number(self, name: str, default: float) -> float:
        """A number.

        Raises:
            LimpetError: it is none.
        """
        value = self.get(name, default)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise LimpetError(f"{self.place} {name} is {value!r}", "a number is expected") from None

    def note(self, option: str, text: str, fate: Fate = Fate.DIFFERS) -> None:
        """Says what becomes of one of its options."""
        self.imported.note(self.place, option, text, fate)


def _harmless(harmless: tuple[str, ...], value: object) -> bool:
    return harmless == ANY or str(value).strip().lower() in harmless


def _is_empty(value: object) -> bool:
    return value is None or value in ("", [], {})


def _seconds(text: object) -> float:
    from limpet_supervisor.model.units import Duration

    return Duration.parse(text)


def free_name(name: str, taken: set[str]) -> str:
    """A name that a limpet.toml allows and that none of `taken` is: lower-case letters, digits, `_`, `-`."""
    chosen = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_") or "process"
    if not chosen[0].isalpha():
        chosen = f"p{chosen}"
    if chosen == "root":
        chosen = "root-process"  # the supervisor of all has that name
    base, number = chosen, 2
    while chosen in taken:
        chosen, number = f"{base}-{number}", number + 1
    return chosen


def release_name(text: str) -> str:
    """A name for the release: lower-case letters, digits and underscores."""
    name = re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_")
    return name if name and name[0].isalpha() else f"node_{name}".rstrip("_")


def literal(text: str) -> str:
    """`text` as a limpet.toml writes it: dollars that would begin a reference are doubled."""
    return re.sub(r"\$(?=[{$]|\Z)", "$$", text)


def duration(seconds: float) -> str:
    """A duration as a limpet.toml writes it."""
    return f"{seconds:g}s" if seconds >= 1 or not seconds else f"{seconds * 1000:g}ms"


def signal_name(value: object, place: str) -> str:
    """A signal's name without SIG, from a name or number.

    Raises:
        LimpetError: there is no such signal.
    """
    import signal

    text = str(value).strip().upper().removeprefix("SIG")
    try:
        number = signal.Signals(int(text)) if text.isdigit() else signal.Signals[f"SIG{text}"]
    except (KeyError, ValueError):
        raise LimpetError(f"{place}: there is no signal {value}") from None
    return number.name.removeprefix("SIG")


def with_stdin(words: list[str], socket: str) -> list[str]:
    """A command whose standard input is that socket, which is inherited as a descriptor of another number."""
    return ["/bin/sh", "-c", f'exec "$@" 0<&${{sockets.{socket}}}', "sh", *words]
