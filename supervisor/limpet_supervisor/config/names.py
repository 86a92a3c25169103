"""Which file configures us, which of its releases is meant, and what that is called.

Clients ask this at every start, so nothing is imported here but tomllib. Problems raise ConfigError.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from limpet_supervisor.errors import ConfigError

STAND_ALONE: Final = "limpet.toml"
"""One release's keys at top level."""
BUILT: Final = "release.toml"
"""The same in a built release, in releases/VSN."""
PROJECT: Final = "pyproject.toml"
"""Has them below `[tool.limpet.releases.NAME]`."""
Path = tuple[str | int, ...]
"""Keys, and indices of arrays, from the top of a document."""
DEVELOPMENT_VERSION: Final = "0.0.0"
"""Of a release that says none, as long as it is not built."""

_RELEASE_NAME: Final = r"[a-z][a-z0-9_]*"
_WANTED_NAME: Final = "a name of lower-case letters, digits and underscores that begins with a letter"
_VERSION: Final = r"[0-9A-Za-z][0-9A-Za-z.+!_-]*"


class Problem(Exception):
    """One thing that is wrong, and where: keys and indices from the top of the file."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(text)
        self.path = path
        self.text = text


class Release(NamedTuple):
    """One release as the file has it."""

    name: str
    table: dict[str, Any]
    """Its keys and values."""
    path: tuple[str, ...]
    """Where in the file they stand: `tool.limpet.releases.NAME`, or nowhere."""
    document: dict[str, Any]
    """The whole file."""
    misnamed: Problem | None = None
    """What is wrong with its name: the rest of it can still be read."""


def find(directory: str) -> str:
    """Path of the nearest configuration: limpet.toml, or a pyproject.toml with `[tool.limpet]`, upwards.

    Raises:
        ConfigError: there is none, or one that cannot be read stands in the way.
    """
    start = place = os.path.abspath(directory)
    while True:
        if os.path.isfile(alone := os.path.join(place, STAND_ALONE)):
            return alone
        project = os.path.join(place, PROJECT)
        # A pyproject.toml that does not mention us may be as wrong as it likes.
        if os.path.isfile(project) and b"limpet" in _bytes(project) and _section(read(project)) is not None:
            return project
        above = os.path.dirname(place)
        if above == place:
            break
        place = above
    raise ConfigError(
        "No configuration found",
        f"neither {STAND_ALONE} nor a {PROJECT} with [tool.limpet] is in {start} or above it",
        f"run `limpet init`, or write a {STAND_ALONE}:\n\n"
        '  name = "myapp"\n\n  [processes.web]\n  command = ["python3", "-m", "http.server"]\n',
    )


def read(file: str) -> dict[str, Any]:
    """The TOML document in `file`.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    data = _bytes(file)
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _unreadable(file, str(line), "not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        found = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", str(error), re.DOTALL)
        text, line_text = found.groups() if found else (str(error), None)
        raise _unreadable(file, line_text, f"not TOML: {text[:1].lower()}{text[1:]}") from None
    except RecursionError:
        raise _unreadable(file, None, "nested too deeply") from None


def choose(file: str, release: str | None = None) -> Release:
    """The release that is meant: by name, by `default_release`, or the only one.

    Raises:
        ConfigError: the file cannot be read, which release is meant is not clear, or it cannot have its name.
    """
    chosen = look_up(file, release)
    if chosen.misnamed is not None:
        raise wrong(file, chosen.misnamed)
    return chosen


def look_up(file: str, release: str | None = None) -> Release:
    """As `choose`; a wrong name is a problem of the release, to be told with its others.

    Raises:
        ConfigError: the file cannot be read, or which release is meant is not clear.
    """
    document = read(file)
    try:
        section = _section(document)
        if os.path.basename(file) == PROJECT or section is not None:
            return _of_project(document, section, release)
        return _stand_alone(document, release)
    except Problem as problem:
        raise wrong(file, problem) from None


def node_name(file: str, release: str | None = None) -> tuple[str, str]:
    """Name and version of the release, without a look at the rest of it.

    Raises:
        ConfigError: the file cannot be read, which release is meant is not clear, or its version is none.
    """
    chosen = choose(file, release)
    try:
        return chosen.name, version(file, chosen)
    except Problem as problem:
        raise wrong(file, problem) from None


def version(file: str, chosen: Release, environ: Mapping[str, str] = os.environ) -> str:
    """The release's version: its own, an installed distribution's, the project's, or 0.0.0.

    Args:
        file: where it is configured.
        chosen: the release.
        environ: says which interpreter is the application's.

    Raises:
        Problem: it is not a version, or that distribution is not installed.
    """
    project = {} if chosen.table is chosen.document else chosen.document.get("project")
    if not isinstance(project, dict):
        project = {}
    written: Any = chosen.table.get("version")
    path = (*chosen.path, "version")
    match written:
        case {"from_package": str(package), **rest} if not rest:
            written = project.get("version") if _same(package, project.get("name")) else None
            if written is None and (written := _installed(package, file, environ)) is None:
                raise Problem((*path, "from_package"), f'"{package}" is not installed for the application')
        case None:
            path = ("project", "version")
            written = project.get("version")
            dynamic = project.get("dynamic")
            if written is None and isinstance(dynamic, list) and "version" in dynamic:
                written = _installed(str(project.get("name")), file, environ)
            if written is None:
                return DEVELOPMENT_VERSION
    if not isinstance(written, str) or not is_version(written):
        wanted = 'a version such as "1.0.0" or { from_package = "NAME" }'
        raise Problem(path, f"expected {wanted}, found {_shown(written)}")
    return written


def is_version(text: str) -> bool:
    """Whether it can be one: it becomes the name of a directory."""
    return re.fullmatch(_VERSION, text) is not None


def wrong(file: str, *problems: "Problem") -> ConfigError:
    """The error for these problems of a file, each with its place, in the order of the file."""
    from .lines import located

    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = located(file, [(problem.path, problem.text) for problem in problems])
    return ConfigError(f"The configuration in {file} cannot be used", f"{count} found", problems=lines)


def _of_project(document: dict[str, Any], section: Any, release: str | None) -> Release:
    path: tuple[str, ...] = ("tool", "limpet")
    if not isinstance(section, dict):
        found = "is not there" if section is None else "is not a table"
        raise Problem(path, f"{found}; write a table [tool.limpet.releases.NAME]")
    releases = section.get("releases", {})
    path = (*path, "releases")
    if not isinstance(releases, dict) or not releases:
        raise Problem(path, "there is no release; write a table [tool.limpet.releases.NAME]")
    named = ", ".join(releases)
    default = (*path[:-1], "default_release")
    name = release if release is not None else section.get("default_release")
    if name is None:
        if len(releases) > 1:
            raise Problem(
                default, f"not there, and there are several releases: {named}; set it to one, or name one"
            )
        name = next(iter(releases))
    if not isinstance(name, str) or name not in releases:
        at, why = (default, "expected one of the releases") if release is None else (path, "no such release")
        raise Problem(at, f"{why}, found {_shown(name)}; there is {named}")
    misnamed = None
    if not re.fullmatch(_RELEASE_NAME, name):
        misnamed = Problem((*path, name), f"expected {_WANTED_NAME}, found {_shown(name)}")
    if not isinstance(releases[name], dict):
        raise Problem((*path, name), "expected a table")
    return Release(name, releases[name], (*path, name), document, misnamed)


def _stand_alone(document: dict[str, Any], release: str | None) -> Release:
    name = document.get("name")
    if not isinstance(name, str) or not re.fullmatch(_RELEASE_NAME, name):
        text = f"expected {_WANTED_NAME}, found {_shown(name)}"
        if name is None:
            text = 'not there; write name = "myapp" at the top'
        return Release("", document, (), document, Problem(("name",), text))
    if release is not None and release != name:
        raise Problem(("name",), f'no such release, found "{release}"; there is {name}')
    return Release(name, document, (), document)


def _installed(package: str, file: str, environ: Mapping[str, str]) -> str | None:
    from .python import installed_version

    return installed_version(package, os.path.dirname(os.path.abspath(file)), environ)


def _shown(value: object) -> str:
    from .wording import shown

    return shown(value)


def _unreadable(file: str, line: str | None, text: str) -> ConfigError:
    place = os.path.basename(file) + (f":{line}" if line else "")
    return ConfigError(f"The configuration in {file} cannot be read", problems=(f"{place}: {text}",))


def _section(document: dict[str, Any]) -> Any:
    tool = document.get("tool")
    return tool.get("limpet") if isinstance(tool, dict) else None


def _same(package: str, other: object) -> bool:
    """Whether two distribution names mean the same one (PEP 503)."""
    return isinstance(other, str) and _normal(package) == _normal(other)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _bytes(file: str) -> bytes:
    try:
        with open(file, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read", str(error.strerror)) from None
