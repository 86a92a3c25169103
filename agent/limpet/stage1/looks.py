"""What every session finds by its name: the looks, which are passive, and the tools, which are not.

They are not in a session's namespace until its source mentions them: each comes with a module of its own.
"""

from collections.abc import Iterable
from typing import Any, Final

from .loading import load
from .view import View

_LOOKS_OF: Final = {
    "tasks": "tasks task",
    "timers": "loop timers",
    "threadlist": "threads stacks",
    "greenlets": "greenlets",
    "memory": "mem",
    "heap": "types gc_stats",
    "referrers": "instances",
    "vitals": "vitals",
    "sockets": "fds sockets",
    "facts": "environ modules runtime_info",
    "joblist": "jobs",
}
_TOOLS_OF: Final = {
    "inspection": "h i src",
    "referrers": "refs",
    "growth": "growth collect allocations",
    "taskcontrol": "cancel trace_tasks",
    "trace": "trace",
    "snapshot": "snapshot",
    "watch": "watch",
    "sampler": "profile",
    "patch": "patch check_patch undo lingering",
    "joblist": "v kill_job",
}
LOOKS: Final = {name: module for module, names in _LOOKS_OF.items() for name in names.split()}
"""Module of each look; they run no code of the application's, so who may only observe may ask for them."""

TOOLS: Final = {name: module for module, names in _TOOLS_OF.items() for name in names.split()}
"""Module of whatever else there is: about objects of the session, or what takes time or does something."""

NAMES: Final = {**LOOKS, **TOOLS}
"""All of them."""


def find(name: str) -> Any:
    """The look or tool of that name.

    Raises:
        KeyError: there is none.
    """
    return getattr(load(NAMES[name]), name)


def bring(names: Iterable[str], namespace: dict[str, Any]) -> None:
    """Puts the looks and tools among `names` into a namespace, unless something has that name there."""
    for name in names:
        if name in NAMES and name not in namespace:
            namespace[name] = find(name)


def look(what: str, arguments: dict[str, Any]) -> View:
    """What that look finds.

    Raises:
        LookupError: there is none of that name.
        TypeError: it takes no such arguments.
    """
    if what not in LOOKS:
        raise LookupError(f"there is no look {what!r}; there are {', '.join(LOOKS)}")
    found: View = find(what)(**arguments)
    return found
