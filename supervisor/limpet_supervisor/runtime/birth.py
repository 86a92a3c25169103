"""When a file was made: statx(2), which Python has from 3.15 on."""

import ctypes
import os
import struct
from typing import Final

_AT_FDCWD: Final = -100
_STATX_BTIME: Final = 0x800
_SIZE: Final = 256
_MASK: Final = struct.Struct("=I")
_BIRTH: Final = struct.Struct("=qI")
_BIRTH_AT: Final = 80
_libc: Final = ctypes.CDLL(None, use_errno=True)


def made_at(path: str) -> float | None:
    """Unix seconds; None: the file system does not know, or there is no such file."""
    call = getattr(_libc, "statx", None)
    if call is None:
        return None
    found = ctypes.create_string_buffer(_SIZE)
    if call(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, found) != 0:
        return None
    (mask,) = _MASK.unpack_from(found)
    if not mask & _STATX_BTIME:
        return None
    seconds, nanoseconds = _BIRTH.unpack_from(found, _BIRTH_AT)
    return float(seconds + nanoseconds / 1e9)
