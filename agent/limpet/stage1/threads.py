"""Raw threads that evaluated code may live in: signal mask and name as a thread of the application's has."""

import contextlib
import os
import sys
from _thread import get_native_id
from typing import Any, Final

from .natives import get_ident

ours: Final[dict[int, tuple[str, int]]] = {}
"""Name and kernel's number of our own threads, by ident: gevent's `threading` knows none of them."""


def unblock_signals() -> None:
    """Gives this thread the main thread's signal mask: what it starts inherits it; the agent's blocks all."""
    import _signal  # type: ignore[import-not-found]

    try:
        with open(f"/proc/self/task/{os.getpid()}/status", "rb") as lines:
            mask = next(int(line.split()[1], 16) for line in lines if line.startswith(b"SigBlk"))
    except (OSError, StopIteration):
        mask = 0
    blocked = [number for number in _signal.valid_signals() if mask >> (number - 1) & 1]
    _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)


def name_thread(name: str) -> None:
    """Names the running raw thread; in `threading` too, unless gevent or eventlet have replaced that."""
    ours[get_ident()] = (name, get_native_id())
    threading: Any = sys.modules["threading"]
    if threading.get_ident is get_ident:
        threading.current_thread().name = name


def forget_thread() -> None:
    """Takes the running raw thread, which is about to end, out of `threading` again."""
    ours.pop(get_ident(), None)
    threading: Any = sys.modules["threading"]
    # Before 3.13 it would stay for ever; under gevent the ident is a greenlet's. There is no public way.
    threading._active.pop(threading.get_ident(), None)  # noqa: SLF001


def end_hubs() -> None:
    """Closes the loop, and its descriptors, that gevent or eventlet have made for this thread alone.

    The last thing that a thread does: they make no promise about threads that they did not start.
    """
    with contextlib.suppress(Exception):
        _end_hubs()


def _end_hubs() -> None:
    gevent: Any = sys.modules.get("gevent._hub_local")
    if gevent is not None:
        hub = gevent.get_hub_if_exists()
        if hub is not None:
            hub.destroy(destroy_loop=True)
    eventlet: Any = sys.modules.get("eventlet.hubs")
    if eventlet is not None:
        hub = getattr(eventlet._threadlocal, "hub", None)  # noqa: SLF001 - there is no public way
        if hub is not None:
            del eventlet._threadlocal.hub  # noqa: SLF001
            poll = getattr(hub, "poll", None)
            if poll is not None:
                poll.close()
