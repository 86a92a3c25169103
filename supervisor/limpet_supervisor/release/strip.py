"""What packages bring that does not run, taken out again."""

import os
import shutil
from collections.abc import Callable
from typing import Final

_SUFFIXES: Final = {
    "types": (".pyi",),
    "sources": (".c", ".cc", ".cpp", ".h", ".hpp", ".pxd", ".pyx", ".a", ".la"),
    "docs": (".rst",),
}
_DIRECTORIES: Final = {"tests": ("tests",)}
_ALWAYS: Final = ("__pycache__", ".ruff_cache", ".mypy_cache", ".pytest_cache")
_OF_THE_MACHINE: Final = frozenset(
    {"direct_url.json", "INSTALLER", "REQUESTED", "uv_cache.json", "uv_build.json"}
)
"""In a .dist-info: what tells where and how it was installed, and nothing of what is."""


def strip(directory: str, keeps: Callable[[str], bool]) -> None:
    """Removes from installed packages what `keeps` (docs, tests, sources, types) says no to.

    Only directories of the plural `tests` that are no package of their own go: `django.test` is imported.
    """
    suffixes = tuple(suffix for kind, of_kind in _SUFFIXES.items() if not keeps(kind) for suffix in of_kind)
    names = {name for kind, of_kind in _DIRECTORIES.items() if not keeps(kind) for name in of_kind}
    for place, directories, files in os.walk(directory):
        for name in list(directories):
            if name in _ALWAYS or (name in names and place != directory):
                shutil.rmtree(os.path.join(place, name))
                directories.remove(name)
        if place.endswith(".dist-info"):
            continue
        for name in files:
            if name == ".lock" or name.endswith(suffixes):
                os.unlink(os.path.join(place, name))


def forget_installation(directory: str) -> None:
    """Removes from each .dist-info what tells of the machine and the moment of its installation."""
    for entry in sorted(os.listdir(directory)):
        if not entry.endswith(".dist-info"):
            continue
        info = os.path.join(directory, entry)
        for name in _OF_THE_MACHINE:
            if os.path.exists(path := os.path.join(info, name)):
                os.unlink(path)
        record = os.path.join(info, "RECORD")
        if os.path.isfile(record):
            _keep_what_is_there(record, directory)


def _keep_what_is_there(record: str, directory: str) -> None:
    """Leaves the lines of a RECORD whose files are installed packages' own, not what was made around them."""
    with open(record, encoding="utf-8") as file:
        lines = file.readlines()
    kept = []
    for line in lines:
        path = line.partition(",")[0].strip('"')
        if not path.startswith(("..", "bin/", "/")) and os.path.exists(os.path.join(directory, path)):
            kept.append(line)
    with open(record, "w", encoding="utf-8") as file:
        file.writelines(sorted(kept))
