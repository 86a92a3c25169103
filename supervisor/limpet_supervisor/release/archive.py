"""The step `tar`: NAME-VSN.tar.gz, the same bytes for the same input, whenever and wherever it is made."""

import gzip
import os
import tarfile

from .value import Release

_LEVEL = 6


def pack(release: Release, parts: tuple[str, ...], target: str) -> None:
    """Writes the parts of a release: files by name, owned by root, of one time (1980, as in zips).

    Raises:
        OSError: it cannot be written; then it is not there.
    """
    try:
        with (
            open(target, "wb") as file,
            gzip.GzipFile("", "wb", _LEVEL, fileobj=file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for part in sorted(parts):
                tar.add(release.at(part), part, filter=_plain)
    except BaseException:
        if os.path.exists(target):
            os.unlink(target)
        raise


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mtime = 315532800
    info.mode = 0o755 if info.isdir() or info.issym() or info.mode & 0o100 else 0o644
    return info
