"""Code that awaits: a task on the application's own running loop, which nothing of it may escape into."""

import contextvars
from collections.abc import Coroutine
from typing import Any, Final

from .interrupt import Guard, Guarded, Interrupted
from .jobs import Job
from .loops import running_loops, runs

_LOOK: Final = 1.0
"""Seconds between two looks at whether the loop still runs."""


def on_loop(job: Job, coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs `coroutine` as a task on the application's running loop; without one, on its own.

    Raises:
        Interrupted: it was.
        RuntimeError: the loop ended before it.
    """
    loops = running_loops()
    if not loops:
        return _on_fresh_loop(job, coroutine)
    result: list[Any] = []
    job.loop, job.loop_thread = next(iter(loops.items()))
    wrapped = _guarded(job, coroutine, result)

    def begin() -> None:
        if result:  # the loop had ended, and runs again
            return
        if job.stopping:
            give_up(Interrupted())
            return
        try:
            task = job.task = job.loop.create_task(wrapped)
            task.add_done_callback(ended)
            task.set_name(f"limpet evaluation {job.request}")
        except Exception as failure:  # noqa: BLE001 - a task factory of the application's may raise anything
            give_up(failure)

    def ended(task: Any) -> None:
        if not result:  # cancelled before its first step
            give_up(Interrupted() if task.cancelled() else task.exception())

    def give_up(error: BaseException) -> None:
        wrapped.close()
        coroutine.close()
        result[:] = [None, error]
        job.arrived.release()

    job.arrived.acquire()
    try:
        job.loop.call_soon_threadsafe(begin, context=contextvars.copy_context())
    except RuntimeError as closed:
        give_up(closed)
    while not job.arrived.acquire(timeout=_LOOK):
        if job.task is None and not result and not runs(job.loop):
            give_up(RuntimeError("the event loop has ended, and has not come to this"))
    return _result(result)


def _on_fresh_loop(job: Job, coroutine: Coroutine[Any, Any, Any]) -> Any:
    import asyncio

    result: list[Any] = []
    with asyncio.Runner() as runner:
        job.loop = runner.get_loop()

        async def main() -> None:
            job.task = asyncio.current_task()
            await _guarded(job, coroutine, result)

        try:
            runner.run(main())
        finally:
            job.loop = job.task = None
    return _result(result)


def _result(result: list[Any]) -> Any:
    value, error = result
    if error is not None:
        raise error
    return value


async def _guarded(job: Job, coroutine: Coroutine[Any, Any, Any], result: list[Any]) -> None:
    """Runs behind a guard and puts (value, error) into `result`: nothing may escape into the loop.

    asyncio would pass SystemExit and KeyboardInterrupt on to whoever runs the loop: the application.
    """
    guard = job.loop_guard = Guard()
    try:
        result[:] = [await Guarded(coroutine, guard), None]
    except BaseException as error:  # noqa: BLE001 - see above; GeneratorExit if the loop is closed meanwhile
        result[:] = [None, error]
    finally:
        job.loop_guard = None
        if job.loop_thread:  # the application's
            job.stalled = max(job.stalled, guard.longest)
        if job.arrived.locked():
            job.arrived.release()
