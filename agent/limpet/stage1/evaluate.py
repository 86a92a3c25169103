"""Sessions, and evaluations: each in a raw thread of its own, code that awaits on the application's loop.

The agent's thread is the clock: it calls `Evaluations.tick`, which fires deadlines, interrupts again what an
interruption did not end, shoots what holds the event loop, and abandons what cannot be ended.
"""

import ast
import builtins
import contextlib
import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any, Final

from . import output
from .channel import in_json
from .frames import where
from .interrupt import Interrupted
from .jobs import Job, Session
from .loading import running
from .looks import bring, look
from .names import autoload
from .natives import allocate_lock, monotonic, sleep, start_new_thread
from .onloop import on_loop
from .render import HARD_LIMIT, LIMIT, bounded, class_name, type_name
from .source import compile_block, forget
from .threads import end_hubs, forget_thread, name_thread, unblock_signals
from .tracebacks import BY_USER, format_error, is_cancellation
from .view import View

GRACE: Final = 1.0
"""Seconds that an interrupted evaluation has to end."""
SHOW: Final = 10.0
"""Seconds more for one that is a tool, to show what it has found."""
LOOP_HOLD: Final = 1.0
"""Seconds that an evaluation may hold the application's event loop without giving way."""
PACE: Final = 0.05
"""Seconds between two looks at a running evaluation."""
RETRY: Final = 0.05
"""Seconds between two interruptions of the same evaluation."""
SWITCH_INTERVAL: Final = 0.0002
"""The interpreter's switch interval while somebody evaluates: busy code then delays others less."""
STALL: Final = 0.1
"""Seconds of the event loop, or of all other threads, that are worth telling."""
RUNNING: Final = 64
"""Evaluations at once, those abandoned included."""
FAILED: Final = "the agent's evaluations have failed, and begin anew: `limpet events` says why"
LOOKS: Final = 8
"""Looks at once beyond these: who finds that there are too many wants to see them."""


class Evaluations:
    """All sessions and evaluations of this process; `send` takes frames to the daemon."""

    def __init__(self, send: Callable[..., None]) -> None:
        self._send = send
        self._lock = allocate_lock()
        self._jobs: dict[int, Job] = {}
        self._sessions: dict[str, Session] = {}
        self._interval = 0.0
        self._closed = False
        self._due = 0.0
        """When the agent's thread wants to go on; if it cannot, somebody has kept the GIL meanwhile."""

    # --- requests, in the agent's thread ---------------------------------------------------------------

    def session(self, name: str) -> Session:
        """The session of that name, opened if need be; one that is gone afterwards if it has no name."""
        if not name:
            return Session("")
        found = self._sessions.get(name)
        if found is None:
            found = self._sessions[name] = Session(name)
            output.hold()
        return found

    def detach(self, name: str) -> None:
        """Forgets a session and interrupts what it still runs."""
        session = self._sessions.pop(name, None)
        if session is None:
            return
        for job in list(self._jobs.values()):
            if job.session is session:
                self._stop(job, "the session was closed")
        forget(f"<console {name} ")
        session.end()
        output.release()

    def evaluate(
        self, request: int, session: Session, source: str, timeout: float | None, *, numbered: bool = True
    ) -> None:
        """Evaluates `source` in `session`; answers at its end. Without a number it leaves no `_` or Out."""
        session.number += numbered
        job = Job(request, session, timeout)
        job.kept = numbered
        job.source = source
        place = str(job.number) if numbered else "start"
        job.name = f"<console {session.name} {place}>" if session.name else f"<rpc {request}>"

        def prepare(tree: ast.Module) -> None:
            bring((node.id for node in ast.walk(tree) if isinstance(node, ast.Name)), session.namespace)
            autoload(tree, session.namespace, vars(builtins))

        def work(job: Job) -> Any:
            block = compile_block(source, job.name, session.flags, prepare)
            session.flags = block.flags
            if block.awaits:
                return on_loop(job, block.steps(session.namespace))
            return block.run(session.namespace)

        self._begin(job, work)

    def call(self, request: int, function: str, arguments: list[str], timeout: float | None) -> None:
        """Calls `module:function` with strings; awaits what it returns, if that is to be awaited."""
        job = Job(request, Session(""), timeout)
        job.source = f"{function}({', '.join(map(repr, arguments))})"

        def work(job: Job) -> Any:
            value = resolve(function)(*arguments)
            if inspect.isawaitable(value):
                return on_loop(job, _awaiting(value))
            return value

        self._begin(job, work)

    def inspect(self, request: int, what: str, arguments: dict[str, Any], timeout: float | None) -> None:
        """Takes a look by its name; its answer's `data` is what it found."""
        self._begin(Job(request, Session(""), timeout), lambda _job: look(what, arguments), RUNNING + LOOKS)

    def interrupt(self, request: int) -> str:
        """Interrupts an evaluation; it answers for itself when it has ended, or is abandoned."""
        job = self._jobs.get(request)
        if job is None:
            return "it does not run any more"
        self._stop(job, BY_USER)
        return BY_USER

    def tick(self) -> float:
        """Does what is due; seconds until the next time."""
        now = monotonic()
        wait = 3600.0
        self._feel(now)
        for job in list(self._jobs.values()):
            if job.condemned:
                self._stop(job, job.condemned)
            if job.answered:
                if job.condemned:  # abandoned: it may come back from C yet
                    self._shoot(job)
                    wait = min(wait, RETRY)
                continue
            wait = min(wait, PACE)
            if job.sink is not None:
                job.sink.tick()
            if job.deadline is not None:
                if now >= job.deadline:
                    job.timed_out = job.timed_out or not job.stopping
                    self._stop(job, f"deadline of {job.timeout:g}s passed")
                else:
                    wait = min(wait, job.deadline - now)
            if job.loop_guard is not None and job.loop_guard.held_for() > LOOP_HOLD:
                self._stop(job, f"it held the application's event loop for more than {LOOP_HOLD:g}s")
            if job.stopping:
                if now >= job.give_up:
                    self._abandon(job)
                    continue
                if now >= job.again:
                    self._shoot(job)
                    job.again = now + RETRY
                wait = min(wait, job.again - now, job.give_up - now)
        self._due = now + max(wait, 0.0)
        return max(wait, 0.0)

    def _feel(self, now: float) -> None:
        """Tells the evaluations that run for how long nobody else could."""
        late = now - self._due
        if self._due and late >= STALL:
            for job in list(self._jobs.values()):
                job.stalled = max(job.stalled, late)

    def close(self, *, forked: bool) -> None:
        """The connection is gone, or this is the child of a fork: nobody waits for an answer any more.

        In a child no lock is taken: its owner may not have come along.
        """
        self._closed = True
        if forked:
            self._lock = allocate_lock()
        jobs = list(self._jobs.values())
        for job in jobs:
            if not forked and not job.answered:  # heard only if it is just this service that ends
                self._send({"id": job.request, "re": "error", "error": FAILED})
            job.answered = True
            if job.sink is not None:
                job.sink.muted = True
                job.sink.ended = forked
            job.stopping = job.stopping or "the console is gone"
            if forked:  # its thread has not come along
                job.end(forked=True)
        for session in list(self._sessions.values()):
            session.end()
        self._sessions.clear()
        if jobs and self._interval:
            sys.setswitchinterval(self._interval)
        output.restore()
        if jobs and not forked:
            with contextlib.suppress(RuntimeError):  # no more threads: then they run on
                start_new_thread(self._clear_away, ())

    def _clear_away(self) -> None:
        """Interrupts what a lost console has left running; the agent's thread ticks for the next one now."""
        end = monotonic() + GRACE
        while self._jobs and monotonic() < end:
            for job in list(self._jobs.values()):
                self._shoot(job)
            sleep(RETRY)
        for job in list(self._jobs.values()):
            job.end()

    # --- one evaluation, in its own thread -------------------------------------------------------------

    def _begin(self, job: Job, work: Callable[[Job], Any], most: int = RUNNING) -> None:
        if len(self._jobs) >= most:
            raise RuntimeError(
                f"{len(self._jobs)} evaluations run already, abandoned ones included: see `limpet ctl jobs`; "
                "what does not end, ends with its process"
            )
        job.work = work
        job.others = self._jobs
        request = job.request
        job.told = lambda seconds: self._send({"id": request, "item": "lasts", "seconds": seconds})
        self._jobs[request] = job
        self._due = monotonic() + PACE
        try:
            start_new_thread(self._run, (job,))
        except BaseException:
            del self._jobs[request]
            raise

    def _run(self, job: Job) -> None:
        unblock_signals()
        name_thread(f"limpet evaluation {job.request}")
        self._quicken()
        output.hold()

        def emit(stream: str, text: str) -> None:
            self._send({"id": job.request, "item": "output", "stream": stream, "text": text}, droppable=True)

        job.sink = output.Sink(emit, job.shelter)
        output.sink.set(job.sink)
        running.set(job)
        answer: dict[str, Any]
        try:
            answer = job.guard.call(self._value, job)
        except BaseException as raised:  # noqa: BLE001 - whatever evaluated code raises is its answer
            answer = self._error(job, raised)
        job.end()
        job.sink.close(ended=True)
        output.release()
        self._finish(job, answer)
        end_hubs()

    def _value(self, job: Job) -> dict[str, Any]:
        assert job.work is not None
        if job.stopping:  # before it began
            raise Interrupted
        value = job.work(job)
        if type(value) is View:  # nothing but to be shown: then it is, whatever comes meanwhile
            job.found = lambda: value
        return self._answer(job, value)

    def _answer(self, job: Job, value: Any) -> dict[str, Any]:
        if job.kept:
            job.session.keep(value)
        if value is None:
            return {"ok": True, "value": None, "type": None}
        limit = LIMIT if job.session.name else HARD_LIMIT
        answer = {"ok": True, "value": bounded(value, limit), "type": type_name(value)}
        if type(value) is View:
            answer["data"] = in_json(value.data)
        return answer

    def _error(self, job: Job, raised: BaseException) -> dict[str, Any]:
        """The answer for `raised`; formatting runs code of the exception's, so it is guarded as well."""
        interrupted = bool(job.stopping) and (isinstance(raised, Interrupted) or is_cancellation(raised))
        if interrupted and job.stopping == BY_USER and job.found is not None:
            # No guard: it is text that is there already, and what has interrupted the tool is still firing.
            job.give_up += SHOW
            return {**self._answer(job, job.found()), "interrupted": True}
        try:
            error = job.guard.call(format_error, raised, job.stopping if interrupted else "")
        except BaseException as worse:  # noqa: BLE001 - then only its name is told
            error = f"{class_name(type(raised))} (which cannot be shown: {class_name(type(worse))})"
        timed_out = interrupted and job.timed_out
        return {"ok": False, "error": error, "interrupted": interrupted, "timed_out": timed_out}

    def _finish(self, job: Job, answer: dict[str, Any]) -> None:
        self._feel(monotonic())
        with self._lock:
            answered, job.answered = job.answered, True
            self._jobs.pop(job.request, None)
        self._slacken()
        forget_thread()
        if not job.session.name:
            forget(job.name)
        if not answered:
            elapsed = round(monotonic() - job.began, 6)
            stalled = round(job.stalled, 3) if job.stalled >= STALL else 0.0
            final = {"id": job.request, "re": "evaluated", "elapsed": elapsed, "number": job.number, **answer}
            self._send({**final, "stalled": stalled})

    # --- interruption, in the agent's thread -----------------------------------------------------------

    def _stop(self, job: Job, reason: str) -> None:
        if job.stopping or job.answered:
            return
        job.stopping = reason
        now = monotonic()
        job.give_up = now + GRACE
        job.again = now + RETRY
        self._shoot(job)

    def _shoot(self, job: Job) -> None:
        self._interrupt(job)
        job.wake()

    def _interrupt(self, job: Job) -> None:
        loop, task, guard = job.loop, job.task, job.loop_guard
        if loop is not None:
            if guard is not None and guard.interrupt():
                return
            if task is not None:
                with contextlib.suppress(RuntimeError):  # the loop has been closed
                    loop.call_soon_threadsafe(task.cancel)
            return
        job.guard.interrupt()

    def _abandon(self, job: Job) -> None:
        with self._lock:
            if job.answered:
                return
            job.answered = True
        place: str | None
        if job.loop is not None and job.task is None:
            place = None
            busy = where(job.loop_thread) or "unknown"
            error = (
                f"{job.stopping}; the event loop, which is in {busy}, did not come to it and will not run it"
            )
        else:
            guard = job.loop_guard or job.guard
            place = where(guard.thread()) or "unknown"
            reason = "" if job.stopping == BY_USER else f"{job.stopping}; "
            stuck = f"it cannot be interrupted where it is ({place}), and goes on"
            error = f"{reason}not waited for any longer: {stuck}"
        if job.sink is not None:
            job.sink.close(ended=False)
        job.end()
        self._send({
            "id": job.request,
            "re": "evaluated",
            "ok": False,
            "error": error,
            "elapsed": round(monotonic() - job.began, 6),
            "interrupted": True,
            "timed_out": job.timed_out,
            "abandoned": place,
            "number": job.number,
        })  # fmt: skip

    # --- the interpreter's pace ------------------------------------------------------------------------

    def _quicken(self) -> None:
        with self._lock:
            if not self._interval and not self._closed:
                self._interval = sys.getswitchinterval()
                sys.setswitchinterval(SWITCH_INTERVAL)

    def _slacken(self) -> None:
        with self._lock:
            if self._jobs or not self._interval:
                return
            if abs(sys.getswitchinterval() - SWITCH_INTERVAL) < SWITCH_INTERVAL / 10:
                sys.setswitchinterval(self._interval)
            self._interval = 0.0


def serve(send: Callable[..., None]) -> Evaluations:
    """The service."""
    return Evaluations(send)


def resolve(function: str) -> Any:
    """What `module:name.of.it` names.

    Raises:
        ValueError: it is not written so.
        ImportError: there is no such module.
        AttributeError: nor such a name in it.
    """
    module, colon, names = function.partition(":")
    if not (module and colon and names):
        raise ValueError(f"{function!r} is not module:function")
    found: Any = importlib.import_module(module)
    for name in names.split("."):
        found = getattr(found, name)
    return found


async def _awaiting(value: Any) -> Any:
    return await value
