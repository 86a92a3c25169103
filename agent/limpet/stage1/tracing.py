"""The daemon's right to look at this process from outside, where yama would keep it from that.

With kernel.yama.ptrace_scope 1 only an ancestor may trace, and who is named by PR_SET_PTRACER (prctl(2)) with
all that descend from it. The daemon is the ancestor; py-spy, which looks, is another child of its.
"""

import struct
from typing import Any, Final

from limpet.agent import Connection

SCOPE: Final = "/proc/sys/kernel/yama/ptrace_scope"
_RESTRICTED: Final = "1"
_PR_SET_PTRACER: Final = 0x59616D61
_SOL_SOCKET: Final = 1
_SO_PEERCRED: Final = 17
_CREDENTIALS: Final = struct.Struct("3i")


def allow(connection: Connection, scope: str = SCOPE) -> bool:
    """Lets the daemon at the other end trace this process, if that takes a word of ours.

    Returns:
        Whether it did, and the kernel has heard it.
    """
    try:
        with open(scope, encoding="ascii") as file:
            if file.read().strip() != _RESTRICTED:
                return False
    except OSError:  # no yama
        return False
    made: Any = connection._socket  # noqa: SLF001 - stage 0 has no more than it needs itself
    raw = made.getsockopt(_SOL_SOCKET, _SO_PEERCRED, _CREDENTIALS.size)
    try:
        import ctypes
    except ImportError:
        return False
    return not ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _CREDENTIALS.unpack(raw)[0], 0, 0, 0)
