"""The scripts of a release: bin/NAME and its shortcuts, and the commands that its packages bring.

None of them knows where it lies.
"""

import configparser
import glob
import os
import re
import shutil
from typing import Final

from limpet_supervisor.errors import LimpetError

from .value import Release

TEMPLATES: Final = os.path.join(os.path.dirname(__file__), "templates")
_PLACE: Final = re.compile(r"@([A-Z_]+)@")
_HEAD: Final = """\
#!/bin/sh
'''true'; d=${0%/*}; [ -h "$0" ] && d=$(dirname -- "$(readlink -f -- "$0")"); exec "$d/python" "$0" "$@"
'''
"""
"""A command is found beside its interpreter; for Python, all this is a string."""
_COMMAND: Final = """\
import sys

from {module} import {first}

if __name__ == "__main__":
    sys.exit({function}())
"""


def write_boot_scripts(release: Release) -> None:
    """bin/NAME, bin/server and, if the application has `NAME.release.migrate()`, bin/migrate."""
    _script(release, "boot.sh", f"bin/{release.name}")
    _script(release, "shortcut.sh", "bin/server", COMMAND="start")
    module = os.path.join(release.at(release.application), release.name, "release.py")
    if os.path.isfile(module) and re.search(r"^(async )?def migrate\(", _text(module), re.MULTILINE):
        _script(release, "shortcut.sh", "bin/migrate", COMMAND=f"eval '{release.name}.release.migrate()'")


def write_env_script(release: Release) -> None:
    """releases/VSN/env.sh: the project's rel/env.sh, in which `@NAME@` and such are filled in, or ours."""
    own = os.path.join(release.project, "rel", "env.sh")
    template = own if os.path.isfile(own) else os.path.join(TEMPLATES, "env.sh")
    path = release.at(release.version_path, "env.sh")
    with open(path, "w", encoding="utf-8") as file:
        file.write(_fill(_text(template), release))
    os.chmod(path, 0o644)


def write_commands(release: Release) -> None:
    """lib/NAME-VSN/bin: the interpreter, and the commands of the packages, found from their own place.

    Raises:
        LimpetError: an entry point is malformed.
    """
    directory = release.at(release.application)
    commands = os.path.join(directory, "bin")
    brought = {name: os.path.join(commands, name) for name in _listed(commands)}
    for name, entry in _entry_points(directory).items():
        module, _, function = entry.partition(":")
        text = _COMMAND.format(module=module, first=function.partition(".")[0], function=function)
        _write(os.path.join(commands, name), _HEAD + text)
        brought.pop(name, None)
    for path in brought.values():
        with open(path, "rb") as file:
            first, _, rest = file.read().partition(b"\n")
        if first.startswith(b"#!") and b"python" in first:
            _write(path, _HEAD + _body(rest.decode()))
    link_interpreter(release)


def link_interpreter(release: Release) -> None:
    """lib/NAME-VSN/bin/python: the interpreter, entered so that it knows this version's packages."""
    commands = release.at(release.application, "bin")
    os.makedirs(commands, exist_ok=True)
    minor = f"python{release.python.minor}"
    target = f"../../../{release.runtime}/bin/{minor}" if release.bundles else release.python.executable
    for name, what in ((minor, target), ("python3", minor), ("python", minor)):
        path = os.path.join(commands, name)
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink(what, path)


def _entry_points(directory: str) -> dict[str, str]:
    """`module:function` by command: the console_scripts of all packages there."""
    found = {}
    for file in sorted(glob.glob(f"{glob.escape(directory)}/*.dist-info/entry_points.txt")):
        parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # names are as they are written
        try:
            parser.read(file, encoding="utf-8")
            scripts = dict(parser.items("console_scripts")) if parser.has_section("console_scripts") else {}
        except configparser.Error as error:
            raise LimpetError(f"{os.path.relpath(file, directory)} cannot be read", str(error)) from None
        for name, entry in scripts.items():
            match = re.fullmatch(r"\s*([\w.]+)\s*:\s*([\w.]+)\s*(\[.*\])?\s*", entry)
            if match is None or "/" in name:
                raise LimpetError(f"{os.path.relpath(file, directory)}: {name} = {entry} is no entry point")
            found[name] = f"{match[1]}:{match[2]}"
    return found


def _body(text: str) -> str:
    """A script without the shell's part that an installer may have put before it."""
    return re.sub(r"\A'''exec'.*?\n'''\s*\n|\A' '''\n", "", text, count=1, flags=re.DOTALL)


def _listed(directory: str) -> list[str]:
    return sorted(os.listdir(directory)) if os.path.isdir(directory) else []


def _script(release: Release, template: str, path: str, **places: str) -> None:
    _write(release.at(path), _fill(_text(os.path.join(TEMPLATES, template)), release, **places))


def _fill(text: str, release: Release, **places: str) -> str:
    known = {
        "NAME": release.name,
        "VERSION": release.version,
        "ENV": release.env,
        "LIMPET": release.limpet,
        **places,
    }
    return _PLACE.sub(lambda match: known.get(match[1], match[0]), text)


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)  # noqa: S103 - a command, for whoever may read it


def copy_overlays(release: Release) -> tuple[str, ...]:
    """Copies rel/overlays and those of the configuration over the root; what they brought, by name.

    Raises:
        LimpetError: a directory of the configuration is not there.
    """
    found = []
    usual = os.path.join(release.project, "rel", "overlays")
    named = [os.path.join(release.project, path) for path in release.options.overlays]
    for directory in dict.fromkeys(
        map(os.path.normpath, [*([usual] if os.path.isdir(usual) else []), *named])
    ):
        if not os.path.isdir(directory):
            raise LimpetError(f"There is no directory {directory}", "overlays names it")
        found += _listed(directory)
        shutil.copytree(directory, release.root, symlinks=True, dirs_exist_ok=True)
    return tuple(dict.fromkeys(found))
