"""releases/VSN/manifest: the sha256 of every file of a version, as sha256sum(1) writes and checks it.

A link is listed by its target: `link TARGET  PATH`.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from typing import Final

NAME: Final = "manifest"
_NOT_LISTED: Final = frozenset({"releases/COOKIE", "releases/start_limpet.data"})
"""What several versions share and none of them owns."""


def write(root: str, version: str, parts: Iterable[str]) -> None:
    """Writes the manifest of a version.

    Args:
        root: the release's root.
        version: which.
        parts: files and directories below the root that belong to it.
    """
    own = f"releases/{version}/{NAME}"
    lines = [f"{digest(root, path)}  {path}\n" for path in listed(root, parts) if path != own]
    with open(os.path.join(root, own), "w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(lines)


def verify(root: str, version: str) -> list[str]:
    """What differs from the manifest of a version: `changed: PATH`, `missing: PATH`, `added: PATH`.

    Raises:
        FileNotFoundError: there is no manifest.
    """
    own = f"releases/{version}/{NAME}"
    wanted = read(os.path.join(root, own))
    found = []
    for path, expected in wanted.items():
        try:
            actual = digest(root, path)
        except FileNotFoundError:
            found.append(f"missing: {path}")
            continue
        except OSError as error:
            found.append(f"unreadable: {path}: {error.strerror}")
            continue
        if actual != expected:
            found.append(f"changed: {path}")
    parts = {
        "/".join(path.split("/")[: 2 if path.startswith(("lib/", "releases/")) else 1]) for path in wanted
    }
    directories = [part for part in sorted(parts - {"bin", own}) if os.path.isdir(os.path.join(root, part))]
    known = wanted.keys() | {own}
    found += [f"added: {path}" for path in listed(root, directories) if path not in known]
    return found


def read(file: str) -> dict[str, str]:
    """Digest by path."""
    with open(file, encoding="utf-8", errors="surrogateescape") as stream:
        pairs = (line.rstrip("\n").split("  ", 1) for line in stream)
        return {path: found for found, path in pairs}


def digest(root: str, path: str) -> str:
    """What stands in the manifest for a file."""
    full = os.path.join(root, path)
    if os.path.islink(full):
        return f"link {os.readlink(full)}"
    with open(full, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listed(root: str, parts: Iterable[str]) -> Iterator[str]:
    """Every file and link below the parts, in order, relative to the root."""
    for part in sorted(set(parts)):
        full = os.path.join(root, part)
        if os.path.islink(full) or not os.path.isdir(full):
            if part not in _NOT_LISTED and os.path.lexists(full):
                yield part
            continue
        for place, directories, files in os.walk(full):
            directories.sort()
            links = [name for name in directories if os.path.islink(os.path.join(place, name))]
            below = os.path.relpath(place, root)
            for name in sorted([*files, *links]):
                path = f"{below}/{name}"
                if path not in _NOT_LISTED:
                    yield path
