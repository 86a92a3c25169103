"""`jobs`, `kill_job`, `v`: what is evaluated in this process, by whoever, and what it has given."""

from typing import Any, Final

from .awaits import chain
from .frames import where
from .futures import name_of, read
from .jobs import Job, current
from .natives import monotonic
from .render import Text
from .view import View

_SOURCE: Final = 60
"""Characters of a source."""


def jobs() -> View:
    """What is evaluated in this process, also for others, and what was abandoned and goes on."""
    me = current()
    rows = [_row(job, me) for job in list(me.others.values()) if job is not me and job.work is not None]
    return View("jobs", rows, units={"elapsed": "seconds"}, empty="no other evaluation runs")


def kill_job(number: int) -> Text:
    """Interrupts an evaluation, of whatever console: `number` as `jobs()` has it.

    One that was abandoned is interrupted again, for as long as it runs; what is in a call into C ends when
    that returns, if ever.

    Raises:
        LookupError: it does not run.
    """
    me = current()
    job = me.others.get(number)
    if job is None or job is me:
        known = ", ".join(str(each) for each in me.others if each != me.request) or "none"
        raise LookupError(f"there is no job {number}; there are: {known}")
    # The agent's thread does it: nobody else may interrupt.
    job.condemned = "killed by another console"
    return Text(f"job {number} is interrupted")


def v(number: int = -1) -> Any:
    """The value of input `number` of this session, as `Out[number]`; negative: so many values back.

    Raises:
        LookupError: it is not there, or no more.
    """
    out = current().session.out
    known = list(out)
    if number < 0 and -number <= len(known):
        return out[known[number]]
    if number in out:
        return out[number]
    raise LookupError(f"there is no value {number}; there are: {', '.join(map(str, known)) or 'none'}")


def _row(job: Job, me: Job) -> dict[str, Any]:
    session = job.session
    same = session.name and session.name == me.session.name
    source = " ".join(job.source.split())
    return {
        "job": job.request,
        "session": ("this one" if same else session.name[:6]) if session.name else "a single call",
        "input": job.number or None,
        "state": "abandoned" if job.answered else "being interrupted" if job.stopping else "running",
        "elapsed": round(monotonic() - job.began, 3),
        "at": _place(job),
        "source": source if len(source) <= _SOURCE else f"{source[: _SOURCE - 1]}…",
    }


def _place(job: Job) -> str:
    """Where it is: on the loop, what its task awaits."""
    if job.task is not None:
        return f"{chain(read(job.task, '_coro')).at.text} in {name_of(job.task)}"
    return where((job.loop_guard or job.guard).thread()) or "not begun"
