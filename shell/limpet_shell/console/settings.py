"""What a person has set for all consoles: `$XDG_CONFIG_HOME/limpet/console.toml` (`~/.config`).

A mistake in it keeps nobody from a console: it is told, and the default holds.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from limpet_supervisor.model.units import Duration

TERMINAL: Final = "terminal"
"""The theme that uses the terminal's own colours."""


class Settings(NamedTuple):
    """The settings, with their defaults."""

    theme: str = TERMINAL
    """Name of a Pygments style, or `terminal`."""
    status_bar: bool = True
    completion: str = "menu"
    """`menu`, or `readline`: the common part is inserted, a second Tab lists."""
    editing: str = "emacs"
    """`emacs` or `vi`."""
    history_size: int = 10_000
    """Inputs that are kept; 0: none."""
    timeout: str = "30s"
    """Time that an evaluation may take, or `infinity`."""
    startup: tuple[str, ...] = ("~/.limpet.py", ".limpet.py")
    """Files that are evaluated where a session comes; relative to the project."""

    @property
    def seconds(self) -> float | None:
        """That time; None: any."""
        return None if self.timeout == "infinity" else float(Duration.parse(self.timeout))


def _is_duration(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return value == "infinity" or float(Duration.parse(value)) > 0
    except ValueError:
        return False


class _Form(NamedTuple):
    """What a value has to be."""

    text: str
    fits: Callable[[Any], bool]


_FORMS: Final[dict[str, _Form]] = {
    "theme": _Form('the name of a Pygments style, or "terminal"', lambda value: isinstance(value, str)),
    "status_bar": _Form("true or false", lambda value: isinstance(value, bool)),
    "completion": _Form('"menu" or "readline"', lambda value: value in ("menu", "readline")),
    "editing": _Form('"emacs" or "vi"', lambda value: value in ("emacs", "vi")),
    "history_size": _Form("a number from 0", lambda value: type(value) is int and value >= 0),
    "timeout": _Form('a duration like "5m", or "infinity"', _is_duration),
    "startup": _Form(
        "a list of paths",
        lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
    ),
}


def path_of(environ: Mapping[str, str]) -> str:
    """Path of the file (XDG base directory specification)."""
    place = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME") or "/nonexistent", ".config")
    return os.path.join(place, "limpet", "console.toml")


def load(path: str) -> tuple[Settings, list[str]]:
    """The settings in a file, which need not exist, and what is wrong with it."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        return Settings(), []
    except OSError as error:
        return Settings(), [f"{path} cannot be read: {error.strerror}"]
    import tomllib

    try:
        values = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return Settings(), [f"{path} is no TOML: {error}"]
    problems = []
    chosen: dict[str, Any] = {}
    for key, value in values.items():
        form = _FORMS.get(key)
        if form is None:
            problems.append(f"{path}: there is no setting {key}; {_meant(key)}")
        elif not form.fits(value):
            problems.append(f"{path}: {key}: expected {form.text}, found {value!r}")
        else:
            chosen[key] = tuple(value) if isinstance(value, list) else value
    return Settings(**chosen), problems


def _meant(key: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, _FORMS, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(_FORMS)}"


def startup_files(settings: Settings, project: str) -> tuple[str, ...]:
    """Paths of the start-up files; of those that are relative none without a project."""
    paths = [os.path.expanduser(path) for path in settings.startup]
    return tuple(
        dict.fromkeys(os.path.join(project, path) for path in paths if project or os.path.isabs(path))
    )
