"""`trace`: the calls of functions as they happen, after recon_trace: limited always, and off by itself."""

from types import CodeType, FrameType
from typing import Any

from .frames import variables
from .hits import Hits, callers, run
from .natives import monotonic
from .probes import Probe, Site
from .targets import call_sites
from .view import View, duration

_VARIABLE_ARGUMENTS = 0x04
_KEYWORD_ARGUMENTS = 0x08


def trace(
    what: Any,
    limit: int | tuple[int, float] = 10,
    seconds: float = 30.0,
    where: str = "",
    *,
    returns: bool = True,
    stack: int = 0,
    ask: bool = False,
) -> View:
    """Prints the calls of a function as they happen, and what they return: `trace("bookshop.pricing:total")`.

    It waits until the limit or the time is reached; Ctrl-C ends it. Nothing is left of it then.

    Args:
        what: `package.module:function`, `module:Class.method`, `module:Class`, `module:*`; or a function.
        limit: lines that are printed; or (lines, seconds): ends as soon as there are more in that time.
        seconds: how long.
        where: only calls of which this expression is true, by the names of the arguments: `"len(cart) > 3"`.
            It runs in the application's threads.
        returns: whether to print what the calls return or raise, and how long they took.
        stack: how many callers are shown.
        ask: shows arguments and values by their own `__repr__`, which runs in the application's threads;
            without, of objects only what can be told without asking them.

    Raises:
        LookupError: there is no such function, or no such module in this process.
        TypeError: it is not written in Python.
    """
    hits = Hits(limit, where, ask=ask)
    probe = _Calls(hits, returns=returns, stack=stack)

    def view(rows: list[dict[str, Any]], end: str) -> View:
        return View("trace", rows, text=f"lines: {end}", notes=hits.notes())

    return run(probe, hits, call_sites(what), seconds=seconds, title="tracing", show=_line, view=view)


class _Calls(Probe):
    """Makes rows of calls."""

    def __init__(self, hits: Hits, *, returns: bool, stack: int) -> None:
        self.returns = returns
        self._hits = hits
        self._stack = stack
        self._began: dict[int, float] = {}
        """When the calls that were shown began, by their frames' identities."""

    def entered(self, site: Site, frame: FrameType) -> None:
        self._began.pop(id(frame), None)  # of a generator that was given up
        if not self._hits.wants(frame):
            return
        local = variables(frame)
        arguments = {
            stars + name: self._hits.text(local.get(name), name) for stars, name in _parameters(site.code)
        }
        stack = callers(frame.f_back, self._stack)
        if self._hits.put(_row("call", site, arguments=arguments, stack=stack)):
            self._began[id(frame)] = monotonic()

    def left(self, site: Site, frame: FrameType, value: Any) -> None:
        self._ended("return", site, frame, value)

    def raised(self, site: Site, frame: FrameType, error: BaseException) -> None:
        self._ended("raise", site, frame, error)

    def _ended(self, event: str, site: Site, frame: FrameType, value: Any) -> None:
        began = self._began.pop(id(frame), None)
        if began is not None and not self._hits.over:
            elapsed = round(monotonic() - began, 6)
            self._hits.put(_row(event, site, value=self._hits.text(value), elapsed=elapsed))


def _row(
    event: str,
    site: Site,
    *,
    arguments: dict[str, str] | None = None,
    value: str | None = None,
    elapsed: float | None = None,
    stack: list[str] | None = None,
) -> dict[str, Any]:
    return {
        "event": event,
        "function": site.name,
        "arguments": arguments,
        "value": value,
        "elapsed": elapsed,
        "stack": stack,
    }


def _parameters(code: CodeType) -> list[tuple[str, str]]:
    """(stars, name) of the parameters."""
    names = list(code.co_varnames)
    plain = code.co_argcount + code.co_kwonlyargcount
    found = [("", name) for name in names[:plain]]
    if code.co_flags & _VARIABLE_ARGUMENTS:
        found.insert(code.co_argcount, ("*", names[plain]))
        plain += 1
    if code.co_flags & _KEYWORD_ARGUMENTS:
        found.append(("**", names[plain]))
    return found


def _line(row: dict[str, Any]) -> str:
    """A row as it is printed."""
    runner = f"{row['thread']}/{row['task']}" if row["task"] else row["thread"]
    begin = f"{row['time']} {runner} {row['function']}"
    if row["event"] == "call":
        arguments = ", ".join(f"{name}={text}" for name, text in row["arguments"].items())
        return "\n".join([f"{begin}({arguments})", *(f"    from {caller}" for caller in row["stack"])])
    arrow = "-->" if row["event"] == "return" else "raised"
    return f"{begin} {arrow} {row['value']} in {duration(row['elapsed'])}"
