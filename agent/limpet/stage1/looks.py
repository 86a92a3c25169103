"""What a session's namespace begins with: the looks, which are passive, and the tools, which are not."""

from collections.abc import Callable
from typing import Any, Final

from .facts import environ, modules, runtime_info
from .greenlets import greenlets
from .growth import allocations, collect, growth
from .heap import gc_stats, types
from .inspection import h, i, src
from .joblist import jobs, kill_job, v
from .memory import mem
from .referrers import instances, refs
from .snapshot import snapshot
from .sockets import fds, sockets
from .taskcontrol import cancel, trace_tasks
from .tasks import task, tasks
from .threadlist import stacks, threads
from .timers import loop, timers
from .trace import trace
from .view import View
from .vitals import vitals
from .watch import watch

LOOKS: Final[dict[str, Callable[..., View]]] = {
    look.__name__: look
    for look in (
        *(tasks, task, loop, timers, threads, stacks, greenlets),
        *(mem, types, instances, gc_stats, vitals),
        *(fds, sockets, environ, modules, runtime_info, jobs),
    )
}
"""By name; they run no code of the application's, so who may only observe may ask for them."""

TOOLS: Final[dict[str, Callable[..., Any]]] = {
    tool.__name__: tool
    for tool in (
        *(h, i, src, refs, growth, collect, allocations, cancel, trace_tasks),
        *(trace, snapshot, watch, v, kill_job),
    )
}
"""What else there is: about objects of the session, or something that takes time or does something."""

NAMES: Final[dict[str, Any]] = {**LOOKS, **TOOLS}
"""The names."""


def look(what: str, arguments: dict[str, Any]) -> View:
    """What that look finds.

    Raises:
        LookupError: there is none of that name.
        TypeError: it takes no such arguments.
    """
    found = LOOKS.get(what)
    if found is None:
        raise LookupError(f"there is no look {what!r}; there are {', '.join(LOOKS)}")
    return found(**arguments)
