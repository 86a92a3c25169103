"""Our own limits and memory."""

import ctypes
import errno
import gc
import resource
from typing import Final

SHORTAGES: Final = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC})
"""What a system is short of for a while: no fault of whom it hits."""


def raise_file_limit() -> tuple[int, int]:
    """Raises our soft limit of descriptors to the hard one; returns both as they were, for our children."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    return before


def give_back_memory() -> None:
    """Returns what the boot needed and a running node does not: about 1 MB (malloc_trim(3), where it is)."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
