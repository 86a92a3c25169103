"""Several versions below one root: one is put there, old ones are pruned.

Everything is renamed into its place, so a file that has left the project leaves the release, too.
"""

import base64
import glob
import os
import re
import secrets
import shutil
import tempfile
from contextlib import suppress

from . import manifest
from .value import COOKIE, START_DATA, Release

_ROOT_FILES = ("bin",)


def exists(release: Release) -> bool:
    """Whether this version is there already."""
    return os.path.isdir(os.path.join(release.path, release.version_path))


def put(release: Release) -> None:
    """Renames what was assembled into its place; other versions stay, and boot as before when named.

    Raises:
        OSError: it cannot be; then everything is where it was.
    """
    os.makedirs(release.at("tmp"), exist_ok=True)
    os.chmod(release.root, 0o755)  # noqa: S103 - whoever runs it must be able to enter
    if not os.path.isdir(release.path):
        _make_cookie(release.root)
        os.rename(release.root, release.path)
        return
    trash = tempfile.mkdtemp(prefix=".replaced-", dir=release.path)
    moved: list[tuple[str, str]] = []
    try:
        for part in release.parts:
            if not _is_the_same(release, part):
                _swap(release.at(part), os.path.join(release.path, part), trash, moved)
        shared = [*_files(release.root, (*_ROOT_FILES, *release.overlays))]
        for path in [*shared, START_DATA]:
            _swap(release.at(path), os.path.join(release.path, path), trash, moved)
    except BaseException:
        for new, old in reversed(moved):
            os.rename(old, new)
        raise
    finally:
        shutil.rmtree(trash, ignore_errors=True)
    _make_cookie(release.path)
    _refresh_manifests(release, shared)
    _sweep(release.path)
    shutil.rmtree(release.root, ignore_errors=True)


def prune(root: str, name: str, keep: int) -> tuple[list[str], list[str]]:
    """Removes all but the newest versions, and what only they needed.

    The version that boots by default stays, whatever its age, and so does one that processes run from.

    Returns:
        The directories that were removed; and a line for each version that is still in use.
    """
    releases = os.path.join(root, "releases")
    root = os.path.realpath(root)
    current = _read(os.path.join(root, START_DATA)).split()[1]
    versions = [entry for entry in os.listdir(releases) if os.path.isdir(os.path.join(releases, entry))]
    by_age = sorted(
        versions, key=lambda version: os.stat(os.path.join(releases, version)).st_mtime, reverse=True
    )
    by_age.sort(key=lambda version: version != current)
    used = {version: _user_of(os.path.join(root, "lib", f"{name}-{version}")) for version in by_age[keep:]}
    in_use = [version for version, pid in used.items() if pid]
    old = [version for version in by_age[keep:] if version not in in_use]
    removed = []
    for version in old:
        for part in (f"lib/{name}-{version}", f"releases/{version}"):
            shutil.rmtree(os.path.join(root, part), ignore_errors=True)
            removed.append(part)
    return [*removed, *_sweep(root)], [f"{version} is in use by pid {used[version]}" for version in in_use]


def _user_of(directory: str) -> int:
    """The pid of a process that works in there, as a release's processes do; 0: none is to be seen."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError):
                if f"{os.readlink(f'/proc/{entry}/cwd')}/".startswith(f"{directory}/"):
                    return int(entry)
    return 0


def _sweep(root: str) -> list[str]:
    """Removes the interpreters and supervisors that no version names any more; returns which."""
    wanted = set()
    for file in glob.glob(f"{glob.escape(root)}/releases/*/boot.data"):
        runtime, limpet, *_ = _read(file).split()
        wanted |= {f"limpet-{limpet}", f"runtime-{runtime}"}
    removed = []
    for entry in sorted(os.listdir(root)):
        if entry.startswith(("runtime-", "limpet-")) and entry not in wanted:
            shutil.rmtree(os.path.join(root, entry))
            removed.append(entry)
    return removed


def _is_the_same(release: Release, part: str) -> bool:
    """Whether other versions use this very part already: then theirs stays, for the nodes that run on it."""
    there = os.path.join(release.path, part)
    if part not in (release.runtime, release.supervisor) or not os.path.isdir(there):
        return False
    old = {path: manifest.digest(release.path, path) for path in manifest.listed(release.path, [part])}
    return old == {
        path: manifest.digest(release.root, path) for path in manifest.listed(release.root, [part])
    }


def _swap(new: str, place: str, trash: str, moved: list[tuple[str, str]]) -> None:
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if os.path.lexists(place):
        aside = os.path.join(trash, str(len(moved)))
        os.rename(place, aside)
        moved.append((place, aside))
    os.rename(new, place)
    moved.append((new, place))


def _files(root: str, parts: tuple[str, ...]) -> list[str]:
    return [
        path
        for path in manifest.listed(root, parts)
        if not re.match(r"(lib|releases|runtime-|limpet-)/", path)
    ]


def _refresh_manifests(release: Release, paths: list[str]) -> None:
    """Other versions share the root's own files: their manifests tell of them as they are now."""
    releases = os.path.join(release.path, "releases")
    for version in os.listdir(releases):
        file = os.path.join(releases, version, manifest.NAME)
        if version == release.version or not os.path.isfile(file):
            continue
        known = manifest.read(file)
        shared = [
            part for part in (release.runtime, release.supervisor) if any(p.startswith(part) for p in known)
        ]
        for path in known:
            if path in paths or path.split("/")[0] in shared:
                full = os.path.join(release.path, path)
                known[path] = manifest.digest(release.path, path) if os.path.lexists(full) else known[path]
        with open(file, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.writelines(f"{found}  {path}\n" for path, found in known.items())


def _make_cookie(root: str) -> None:
    """32 random bytes, made when a release is first put there and kept ever after, as mix release does."""
    path = os.path.join(root, COOKIE)
    if not os.path.exists(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with open(descriptor, "wb") as file:
            file.write(base64.b32encode(secrets.token_bytes(32)) + b"\n")


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()
