"""What a session's namespace begins with: the looks, which are passive, and the tools, which are not."""

from collections.abc import Callable
from typing import Any, Final

from .inspection import h, i, mem, src, stacks, tasks, threads
from .view import View

LOOKS: Final[dict[str, Callable[..., View]]] = {look.__name__: look for look in (tasks, threads, stacks, mem)}
"""By name; they run no code of the application's, so who may only observe may ask for them."""

NAMES: Final[dict[str, Any]] = {**LOOKS, **{function.__name__: function for function in (h, i, src)}}
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
