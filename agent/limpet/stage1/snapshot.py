"""`snapshot`: the variables and the stack at a line, as often as asked for, while the application goes on."""

from types import FrameType
from typing import Any, Final

from .frames import short, variables
from .hits import Hits, callers, run
from .probes import Probe, Site
from .targets import line_sites
from .view import View

_VALUE: Final = 300
"""Characters of a variable."""
_VARIABLES: Final = 60
"""Variables of a snapshot."""


def snapshot(
    where: str,
    limit: int | tuple[int, float] = 3,
    seconds: float = 60.0,
    when: str = "",
    *,
    stack: int = 10,
    ask: bool = False,
) -> View:
    """Takes the local variables and the stack whenever a statement is reached, and halts nothing.

    It waits until it has as many as it may, or the time is over; Ctrl-C ends it. Nothing is left of it then.
    On Python 3.11 calls that have begun before are not seen.

    Args:
        where: `package.module:line` or `module:function:line`, where a statement begins; `module:function` is
            its first one.
        limit: how many snapshots; or (snapshots, seconds): ends as soon as there are more in that time.
        seconds: how long.
        when: only if this expression is true there: `"len(cart) > 2"`. It runs in the application's threads.
        stack: how many frames are shown.
        ask: shows variables by their own `__repr__`, which runs in the application's threads; without, of
            objects only what can be told without asking them.

    Raises:
        LookupError: no statement begins there.
    """
    hits = Hits(limit, when, ask=ask)
    probe = _Lines(hits, stack)

    def view(rows: list[dict[str, Any]], end: str) -> View:
        return View("snapshot", rows, text=f"snapshots: {end}", notes=hits.notes())

    return run(probe, hits, line_sites(where), seconds=seconds, title="waiting at", show=_shown, view=view)


class _Lines(Probe):
    """Makes rows of frames."""

    def __init__(self, hits: Hits, stack: int) -> None:
        self._hits = hits
        self._stack = stack

    def reached(self, site: Site, frame: FrameType) -> None:
        if not self._hits.wants(frame):
            return
        local = variables(frame)
        names = [name for name in local if type(name) is str and name[0] != "."]
        self._hits.put({
            "function": site.name.rpartition(":")[0],
            "at": f"{short(site.code.co_filename)}:{site.line}",
            "variables": {name: self._hits.text(local[name], name, _VALUE) for name in names[:_VARIABLES]},
            "stack": callers(frame, self._stack),
        })  # fmt: skip


def _shown(row: dict[str, Any]) -> str:
    """A row as it is printed."""
    runner = f"{row['thread']}/{row['task']}" if row["task"] else row["thread"]
    lines = [f"{row['time']} {runner} {row['function']} {row['at']}"]
    wide = max((len(name) for name in row["variables"]), default=0)
    lines += [f"    {name:<{wide}} = {text}" for name, text in row["variables"].items()]
    lines += [f"    {'at' if k == 0 else 'from'} {caller}" for k, caller in enumerate(row["stack"])]
    return "\n".join(lines)
