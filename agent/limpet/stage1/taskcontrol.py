"""Tools for asyncio's tasks: cancelling one, and recording where those come from that are created."""

from typing import Any, Final

from . import creation
from .futures import name_of, pending, read
from .jobs import Mailbox, current
from .natives import monotonic
from .render import Text
from .tasks import named

_PATIENCE: Final = 2.0
"""Seconds that a cancelled task is given to end, before that is told as it is."""
_PACE: Final = 0.01


def cancel(which: Any) -> Text:
    """Cancels one task, on its own loop, as `Task.cancel` does; says whether it has ended.

    Args:
        which: its name, its number (`id` of tasks()), or the task itself.
    """
    found = named(which)
    if len(found) > 1:
        raise LookupError(f"{len(found)} tasks are named {which!r}: cancel one by its id, see tasks()")
    task = found[0]
    loop = read(task, "_loop")
    loop.call_soon_threadsafe(task.cancel)
    end = monotonic() + _PATIENCE
    job = current()
    nothing = Mailbox()
    while pending(task) and monotonic() < end:
        job.wait(nothing, _PACE)
    name = name_of(task)
    if not pending(task):
        state = str(read(task, "_state")).lower()
        return Text(
            f"{name} is cancelled" if state == "cancelled" else f"{name} has ended by itself: {state}"
        )
    return Text(f"{name} has been asked to cancel and has not ended in {_PATIENCE:g}s; see task({which!r})")


def trace_tasks(on: bool = True) -> Text:
    """Records where tasks are created from now on, for task(): age, stack, and by which other task.

    A task factory around the loop's own does it, while this console is attached or until trace_tasks(False).
    """
    job = current()
    session = job.session
    if not session.name:
        raise RuntimeError("trace_tasks() is for a console: what rpc or ctl asks for ends at once")
    if not on:
        creation.stop(session)
        return Text("creations of tasks are not recorded any more")
    loops = job.shelter(creation.start, session)
    if not loops:
        creation.stop(session)
        return Text("no event loop runs here")
    return Text(f"creations of tasks are recorded on {loops} loop{'s' if loops > 1 else ''}; see task(…)")
