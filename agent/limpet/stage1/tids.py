"""Which number the kernel has for a thread that Python knows by its ident, which is pthread's.

Asking pthread (pthread_getcpuclockid(3)) is a crash if the thread has just ended.
"""

import contextlib
import os
import sys
from collections.abc import Iterable
from typing import Any, Final

from . import threads
from .natives import agent_thread, main_thread

_DEEP: Final = 512 * 1024
"""Bytes of its stack that a thread uses at most, to be found by it: less than any whole stack has."""
_MOST: Final = 256
"""Threads that are looked at."""


def known_tids() -> dict[int, int]:
    """Numbers by ident, of the threads that `threading` knows, the main one and ours; no lock is taken."""
    module: Any = sys.modules.get("threading")
    known = getattr(module, "_active", None)
    found = {}
    for ident, thread in list(known.items()) if type(known) is dict else ():
        tid = getattr(thread, "_native_id", None)
        if type(tid) is int:
            found[ident] = tid
    found.update({ident: tid for ident, (_name, tid) in list(threads.ours.items())})
    found.update((agent_thread, (main_thread(), os.getpid())))
    return found


def tids_by_stacks(idents: Iterable[int], without: set[int]) -> dict[int, int]:
    """Numbers by ident, of those whose threads wait at present.

    An ident is an address at the upper end of the thread's stack (glibc, musl), and the kernel tells a
    waiting thread's stack pointer (/proc/PID/task/TID/syscall, proc(5)).

    Args:
        idents: for which they are wanted.
        without: numbers that are no candidates.
    """
    found: dict[int, int] = {}
    pointers: dict[int, int] = {}
    # It may have ended meanwhile, or no descriptor be left.
    with contextlib.suppress(OSError):
        for tid in [each for each in map(int, os.listdir("/proc/self/task")) if each not in without][:_MOST]:
            with contextlib.suppress(OSError), open(f"/proc/self/task/{tid}/syscall", "rb") as file:
                fields = file.read().split()
                if len(fields) > 2:  # else it is `running`
                    pointers[int(fields[-2], 16)] = tid
    for ident in idents:
        below = max((pointer for pointer in pointers if pointer < ident), default=0)
        if ident - below < _DEEP:
            found[ident] = pointers[below]
    return found
