"""Runs the application's health checks (`limpet.health`), and pushes each result to the daemon.

A plain function runs in a raw thread of its own; what awaits, as a task on the application's running loop.
Both only leave their outcome behind: the agent's thread, which is never theirs, looks for it, so that no
code of ours that sends or waits runs in a thread of the application's.
"""

import contextlib
import contextvars
import sys
from collections.abc import Callable
from types import CoroutineType
from typing import Any, Final

from .frames import where
from .loops import running_loops, runs
from .natives import get_ident, monotonic, start_new_thread
from .threads import end_hubs, forget_thread, name_thread, unblock_signals

MODULE: Final = "limpet.health"
PACE: Final = 0.02
"""Seconds between two looks at a check that runs, at first; one that hangs costs ever less of them."""
_SLOWEST: Final = 0.5
_SHARE: Final = 0.1
"""Part of the time for which it has run."""
NO_LOOP: Final = 1.0
"""Seconds after which a check is tried again that found no running loop."""
COROUTINE: Final = 0x80
"""inspect.CO_COROUTINE."""


class Run:
    """One run of a check."""

    def __init__(self) -> None:
        self.began = monotonic()
        self.thread = 0
        """Ident of the thread that it runs in."""
        self.loop: Any = None
        self.task: Any = None
        self.awaited: Any = None
        """What the function returned to be awaited."""
        self.coroutine: Any = None
        """Awaits it on the loop."""
        self.over = False
        """Its time was over before the loop came to it: it is not begun any more."""
        self.outcome: Any = None
        """An Outcome, as soon as there is one; set once, by the thread that it runs in."""
        self.took = 0.0

    def ends(self, outcome: Any) -> None:
        """It has come to this."""
        self.took = monotonic() - self.began
        self.outcome = outcome

    def close(self) -> None:
        """What was never begun is not to be warned of as never awaited."""
        for each in (self.coroutine, self.awaited):
            if type(each) is CoroutineType:
                each.close()


class Entry:
    """A registered check and its run, if one is under way."""

    def __init__(self, check: Any) -> None:
        self.check = check
        self.due = 0.0
        self.run: Run | None = None
        self.late = 0.0
        """When the running run is next told of as late; 0: it is not late yet."""


class Checks:
    """All checks of this process; `send` takes frames to the daemon."""

    def __init__(self, send: Callable[..., None]) -> None:
        self._send = send
        self._entries: dict[str, Entry] = {}
        self._closed = False

    @property
    def names(self) -> list[str]:
        """Of all checks."""
        return list(self._entries)

    def look(self) -> None:
        """Takes up what is registered now: what is new runs at once."""
        module: Any = sys.modules.get(MODULE)
        registered = {check.name: check for check in module.checks()} if module is not None else {}
        for name in [name for name in self._entries if name not in registered]:
            del self._entries[name]
            self._push(name, {"gone": True})
        for name, check in registered.items():
            entry = self._entries.get(name)
            if entry is None:
                self._entries[name] = Entry(check)
            elif entry.check is not check:
                entry.check = check
                entry.due = 0.0

    def close(self, *, forked: bool) -> None:  # noqa: ARG002 - a service's; it has no lock
        """Nobody waits for results any more; what runs goes on to its end."""
        self._closed = True
        self._entries = {}

    # --- the agent's thread ----------------------------------------------------------------------------

    def tick(self) -> float:
        """Begins what is due, tells what has ended; seconds until the next time."""
        now = monotonic()
        wait = 3600.0
        for entry in list(self._entries.values()):
            run = entry.run
            if run is None:
                if now >= entry.due:
                    entry.due = now + entry.check.every
                    entry.late = 0.0
                    run = entry.run = Run()
                    self._begin(entry.check, run)
                else:
                    wait = min(wait, entry.due - now)
                    continue
            if run.awaited is not None and run.loop is None:
                self._schedule(entry, run)
            if run.outcome is None and run.loop is not None and not runs(run.loop):
                run.ends(_outcome("unknown", "the event loop that it ran on has ended"))
                if run.task is None:
                    run.close()
            if run.outcome is not None:
                entry.run = None
                self._told(entry, run)
                wait = min(wait, max(0.0, entry.due - now))
            else:
                wait = min(wait, self._wait(entry, run, now))
        return wait

    def _wait(self, entry: Entry, run: Run, now: float) -> float:
        """For a run that goes on; one that is late is told of, again as often as it would have run."""
        check = entry.check
        deadline = entry.late or run.began + check.timeout
        if now >= deadline:
            if not entry.late:
                self._cancel(run)
            entry.late = now + check.every
            self._tell(check, "timeout", self._lateness(check, run, now), now - run.began)
            deadline = entry.late
        pace = min(max(PACE, _SHARE * (now - run.began)), _SLOWEST)
        return max(0.0, min(pace, deadline - now))

    def _lateness(self, check: Any, run: Run, now: float) -> str:
        text = f"no result within {check.timeout:g}s"
        passed = now - run.began
        if passed >= check.timeout + 1.0:
            text = f"no result for {passed:.0f}s"
        if run.loop is not None:
            place = where(run.thread)
            if run.task is None:
                return f"{text}: the event loop has not come to it, it is in {place}"
            if place and not _idle(run.thread):
                return f"{text}: the event loop is in {place}"
            return text
        place = where(run.thread)
        return f"{text}: it is in {place}" if place else text

    def _cancel(self, run: Run) -> None:
        run.over = True
        task = run.task
        if task is not None:
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                run.loop.call_soon_threadsafe(task.cancel, context=contextvars.Context())

    def _told(self, entry: Entry, run: Run) -> None:
        outcome = run.outcome
        if entry.late:
            # It ended after all, maybe for having been cancelled; what it says is as late as itself.
            text = f"it took {run.took:.1f}s, longer than its timeout of {entry.check.timeout:g}s"
            outcome = _outcome("timeout", text)
        self._tell(entry.check, outcome.status, outcome.reason, run.took)

    def _tell(self, check: Any, status: str, reason: str, took: float) -> None:
        self._push(
            check.name,
            {
                "status": status,
                "reason": reason,
                "critical": check.critical,
                "every": check.every,
                "timeout": check.timeout,
                "took": round(took, 6),
            },
        )

    def _push(self, name: str, facts: dict[str, Any]) -> None:
        if not self._closed:
            self._send({"id": 0, "item": "health", "data": {"check": name, **facts}})

    # --- one run ---------------------------------------------------------------------------------------

    def _begin(self, check: Any, run: Run) -> None:
        if _awaits(check.function):
            try:
                run.awaited = check.function()  # makes a coroutine and runs none of it
            except Exception as failure:  # noqa: BLE001 - a wrong signature: told as what it is
                run.ends(_judge_raised(failure))
            return
        try:
            start_new_thread(self._work, (check, run))
        except RuntimeError as failure:  # no more threads
            run.ends(_outcome("unknown", f"it could not be run: {failure}"))

    def _work(self, check: Any, run: Run) -> None:
        """In a thread of its own."""
        run.thread = get_ident()
        unblock_signals()
        name_thread(f"limpet health check {check.name}")
        try:
            returned = check.function()
            if hasattr(type(returned), "__await__"):
                run.awaited = returned
            else:
                run.ends(_judge(returned))
        except BaseException as raised:  # noqa: BLE001 - whatever a check raises is its outcome
            run.ends(_judge_raised(raised))
        finally:
            forget_thread()
            end_hubs()

    def _schedule(self, entry: Entry, run: Run) -> None:
        """Has the application's loop await it."""
        loops = running_loops()
        if not loops:
            run.close()
            run.ends(_outcome("unknown", "it awaits, and no event loop runs"))
            entry.due = min(entry.due, monotonic() + NO_LOOP)
            return
        run.coroutine = _awaiting(run)
        run.loop, run.thread = next(iter(loops.items()))

        def begin() -> None:
            if run.outcome is not None:  # the loop had ended, and runs again
                return
            if run.over:
                run.close()
                run.ends(_outcome("timeout", ""))
                return
            try:
                run.task = run.loop.create_task(run.coroutine)
                run.task.set_name(f"limpet health check {entry.check.name}")
                # Cancelled before its first step, it has not come to what it awaits.
                run.task.add_done_callback(lambda _task: run.close())
            except Exception as failure:  # noqa: BLE001 - a task factory of the application's may raise anything
                run.close()
                run.ends(_judge_raised(failure))

        try:
            run.loop.call_soon_threadsafe(begin, context=contextvars.Context())
        except RuntimeError as closed:
            run.close()
            run.ends(_outcome("unknown", f"it awaits, and {closed}"))


async def _awaiting(run: Run) -> None:
    """On the application's loop. Nothing may escape: asyncio hands SystemExit to whoever runs the loop."""
    try:
        run.ends(_judge(await run.awaited))
    except GeneratorExit:  # the loop is closed
        raise
    except sys.modules["asyncio"].CancelledError:
        run.ends(_outcome("unknown", "it was cancelled"))
    except BaseException as raised:  # noqa: BLE001 - see above; a cancellation is the end of this task anyway
        run.ends(_judge_raised(raised))


def serve(send: Callable[..., None]) -> Checks:
    """The service."""
    return Checks(send)


def _awaits(function: Any) -> bool:
    """Whether it is an `async def`, or a bound method or partial of one."""
    for _ in range(10):
        code = getattr(function, "__code__", None)
        if code is not None:
            return bool(code.co_flags & COROUTINE)
        function = getattr(function, "__func__", None) or getattr(function, "func", None)
        if function is None:
            return False
    return False


def _idle(thread: int) -> bool:
    """Whether a loop's thread waits for events."""
    frame: Any = sys._current_frames().get(thread)  # noqa: SLF001 - the documented way
    return frame is None or frame.f_code.co_name in ("select", "poll", "_run_once", "run_forever", "run")


def _health() -> Any:
    return sys.modules[MODULE]


def _outcome(status: str, reason: str) -> Any:
    return _health().Outcome(status, reason)


def _judge(returned: Any) -> Any:
    return _health().judge(returned)


def _judge_raised(raised: BaseException) -> Any:
    return _health().judge_raised(raised)
