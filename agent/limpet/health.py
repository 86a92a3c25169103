"""Health checks of the application: functions that say whether what it depends on is well.

    from limpet import health

    @health.check("database", every="5s", timeout="1s")
    async def database():
        await pool.execute("SELECT 1")

In a supervised process the agent runs them: a plain function in a thread of its own, one that awaits as a
task on the application's own running event loop; one run of a check at a time. The node is told each result
and answers `/health`, `/readyz`, `limpet health` from what it was told. Elsewhere (a test, a script) a
registered check costs nothing and does nothing; `run()` runs all of them, here and now.

What a check may return:

- None, True or "ok": it is well.
- False, or any other text, which is the reason: it is failing. So it is if it raises.
- `warning("…")`: it is well enough to be used; the reason is shown.
- `failing("…")`, `ok()`.
- anything else says nothing: unknown, which of a critical check is as bad as failing.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, TypeVar

from limpet import agent
from limpet.durations import seconds

__all__ = ["Check", "Outcome", "check", "checks", "failing", "judge", "ok", "run", "warning"]

OK: Final = "ok"
WARNING: Final = "warning"
FAILING: Final = "failing"
TIMEOUT: Final = "timeout"
"""It has not ended in time, and may be running still."""
UNKNOWN: Final = "unknown"
"""It has not run yet, could not, or gave no answer that means anything."""

_MAX_NAME: Final = 64
_MAX_REASON: Final = 500
"""Characters of a reason that are kept."""
_EXTRA: Final = "_.-"
"""What a name may hold beside letters and digits: it stands in URLs and in labels of metrics."""

Function = TypeVar("Function", bound=Callable[[], Any])


class Outcome(NamedTuple):
    """What one run of a check came to."""

    status: str
    """ok, warning, failing, timeout, unknown."""
    reason: str = ""
    """For a person; empty if there is nothing to say."""


class Check(NamedTuple):
    """A registered check."""

    name: str
    function: Callable[[], Any]
    every: float
    """Seconds between two runs."""
    timeout: float
    """Seconds that a run may take."""
    critical: bool
    """Whether the process is not ready while it fails."""


_checks: dict[str, Check] = {}
"""By name, in the order of their registration. Copied when it changes, so that the agent reads it freely."""


def check(
    name: str, *, every: str | float = "10s", timeout: str | float = "2s", critical: bool = True
) -> Callable[[Function], Function]:
    """Registers the decorated function as the check `name`, and leaves it as it is.

    A second registration of a name takes the place of the first: so a module may be loaded again.

    Args:
        name: at most 64 letters, digits, `_`, `.` and `-`.
        every: time between two runs: "5s", "1m30s", or a number of seconds.
        timeout: a run that takes longer counts as failed, with the status `timeout`.
        critical: whether the process is not ready while the check is failing.

    Raises:
        ValueError: the name cannot be one, or a time is none.
        TypeError: what is decorated cannot be called.
    """
    if not (0 < len(name) <= _MAX_NAME) or not all(
        char.isascii() and (char.isalnum() or char in _EXTRA) for char in name
    ):
        raise ValueError(f"{name!r} is no name of a check: letters, digits, _ . and -, at most {_MAX_NAME}")
    times = seconds(every), seconds(timeout)
    if not all(0 < time < float("inf") for time in times):
        raise ValueError(f"the times of check {name} must be above 0 and below infinity")

    def register(function: Function) -> Function:
        global _checks  # noqa: PLW0603 - replaced as a whole: whoever iterates the old one goes on with it
        if not callable(function):
            raise TypeError(f"check {name} cannot be called")
        _checks = {**_checks, name: Check(name, function, *times, critical)}
        agent.want()
        return function

    return register


def checks() -> tuple[Check, ...]:
    """All registered checks, in the order of their registration."""
    return tuple(_checks.values())


def ok(reason: str = "") -> Outcome:
    """All is well."""
    return Outcome(OK, reason)


def warning(reason: str) -> Outcome:
    """Well enough to be used, and somebody should look."""
    return Outcome(WARNING, reason)


def failing(reason: str) -> Outcome:
    """It does not work."""
    return Outcome(FAILING, reason)


def judge(returned: Any) -> Outcome:
    """What a check's return value means; runs none of the value's own code."""
    if returned is None or returned is True:
        return Outcome(OK)
    if type(returned) is Outcome:
        known = returned.status in (OK, WARNING, FAILING, TIMEOUT, UNKNOWN)
        status = returned.status if known else UNKNOWN
        return Outcome(status, returned.reason[:_MAX_REASON] if type(returned.reason) is str else "")
    if returned is False:
        return Outcome(FAILING, "it returned False")
    if type(returned) is str:
        return Outcome(OK) if returned == OK else Outcome(FAILING, returned[:_MAX_REASON])
    kind = type.__dict__["__name__"].__get__(type(returned))  # a metaclass may have a __name__ of its own
    return Outcome(UNKNOWN, f'it returned a {kind}, which says nothing: None, True, "ok", False or a text do')


def judge_raised(raised: BaseException) -> Outcome:
    """What an exception means; its text is its own code's, so this belongs where the check runs."""
    name = type(raised).__name__
    try:
        text = str(raised)
    except Exception:  # noqa: BLE001 - an exception's __str__ can raise anything: then its name must do
        text = ""
    return Outcome(FAILING, (f"{name}: {text}" if text else name)[:_MAX_REASON])


def run(*names: str) -> dict[str, Outcome]:
    """Runs checks here and now, each in a thread of its own, and waits for them: for tests and scripts.

    What awaits runs on an event loop of its own. A check that takes longer than its timeout is left behind.

    Args:
        names: which; all if none.

    Raises:
        LookupError: there is no check of that name.
    """
    import threading

    chosen = [_of_name(name) for name in names] or list(checks())
    outcomes: dict[str, Outcome] = {}
    threads = []

    def work(each: Check) -> None:
        outcomes[each.name] = _run_one(each)

    for each in chosen:
        thread = threading.Thread(target=work, args=(each,), name=f"health check {each.name}", daemon=True)
        thread.start()
        threads.append((each, thread))
    found = {}
    for each, thread in threads:
        thread.join(each.timeout)
        late = Outcome(TIMEOUT, f"no result within {each.timeout:g}s")
        found[each.name] = late if thread.is_alive() else outcomes[each.name]
    return found


def _of_name(name: str) -> Check:
    if name not in _checks:
        raise LookupError(f"there is no check {name!r}; there are {', '.join(_checks) or 'none'}")
    return _checks[name]


def _run_one(each: Check) -> Outcome:
    try:
        returned = each.function()
        if hasattr(returned, "__await__"):
            import asyncio

            returned = asyncio.run(_awaiting(returned))
        return judge(returned)
    except BaseException as raised:  # noqa: BLE001 - whatever a check raises is its outcome, SystemExit too
        return judge_raised(raised)


async def _awaiting(returned: Awaitable[Any]) -> Any:
    return await returned
