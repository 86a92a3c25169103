"""`watch`: an expression again and again, and only its changes."""

from typing import Any, Final

from .hits import clock
from .interrupt import Interrupted
from .jobs import Mailbox, current
from .names import autoload
from .natives import monotonic
from .render import bounded
from .source import compile_block, forget
from .tracebacks import summary
from .view import View, duration

SHORTEST: Final = 0.01
"""Seconds between two evaluations at the least."""
MOST: Final = 1000
"""Changes that are kept; more are printed and counted."""


def watch(expression: str, seconds: float = 30.0, every: float = 0.5) -> View:
    """Evaluates an expression again and again, and prints its value whenever that has changed.

    It ends when the time is over, and at Ctrl-C.

    Args:
        expression: over the session's names: `"len(app.state.carts)"`.
        seconds: how long.
        every: seconds between two evaluations, 0.01 at the least.

    Raises:
        ValueError: it awaits, or is no expression.
        Exception: what the first evaluation raises; what a later one raises is printed as a change.
    """
    job = current()
    namespace = job.session.namespace
    builtins: Any = namespace["__builtins__"]

    def prepare(tree: Any) -> None:
        autoload(tree, namespace, vars(builtins))

    name = f"<watch {job.request}>"
    block = compile_block(expression, name, job.session.flags, prepare)
    forget(name)
    if block.awaits or not block.has_value:
        raise ValueError(f"watch() takes an expression that does not await, not {expression!r}")
    job.lasts(seconds)
    nothing = Mailbox()
    began = monotonic()
    rows: list[dict[str, Any]] = []
    changes = evaluations = 0
    last = None

    def view() -> View:
        took = duration(monotonic() - began)
        return View(
            "watch",
            rows,
            text=f"{changes:,} value{'s' * (changes != 1)} in {evaluations:,} evaluations and {took}",
        )

    try:
        while True:
            try:
                value = bounded(block.run(namespace))
            except Exception as error:
                if not evaluations:
                    raise
                value = f"raised {summary(error)}"
            evaluations += 1
            if value != last:
                last = value
                changes += 1
                row = {"time": clock(), "value": value}
                if len(rows) < MOST:
                    rows.append(row)
                job.say(f"{row['time']} {value}")
            left = began + seconds - monotonic()
            if left <= 0:
                break
            job.wait(nothing, min(max(every, SHORTEST), left))
    except Interrupted:
        job.found = view
        raise
    return view()
