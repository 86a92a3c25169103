"""Requests in: what stage 0 calls. `start` once, `handle` for every frame, `tick` before every wait, `stop`.

All run in the agent's thread, but for `stop` in the child of a fork, and `want`; none of them ever waits.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from limpet.agent import Connection

from . import output, reports, vitals
from .channel import Channel
from .checks import Checks
from .complete import complete
from .evaluate import Evaluations
from .hints import about, signature
from .levels import Levels
from .loops import running_loops
from .natives import start_new_thread
from .source import check
from .threadlist import stacks
from .threads import forget_thread, name_thread

_Answer = dict[str, Any]


class _Agent:
    """One connection's channel, evaluations, checks and vitals."""

    def __init__(self, connection: Connection) -> None:
        self.channel = Channel(connection)
        self.evaluations = Evaluations(self.channel.send)
        self.levels = Levels()
        self.checks = Checks(self.channel.send)
        self.vitals = vitals.serve(self.channel.send)

    def handle(self, frame: dict[str, Any]) -> None:
        """Answers one request, now or from a thread of its own."""
        request = frame["id"]
        operation = frame["op"]
        evaluations = self.evaluations
        match operation:
            case "ping":
                self._answer(request, "pong", {})
            case "attach":
                evaluations.session(frame["session"])
                self._apart(request, "attached", lambda: {"loops": len(running_loops())})
            case "detach":
                evaluations.detach(frame["session"])
                self._answer(request, "done", {})
            case "evaluate":
                session = evaluations.session(frame["session"])
                numbered = frame.get("numbered", True)
                evaluations.evaluate(
                    request, session, frame["source"], frame.get("timeout"), numbered=numbered
                )
            case "call":
                evaluations.call(request, frame["function"], frame["arguments"], frame.get("timeout"))
            case "inspect":
                evaluations.inspect(request, frame["what"], frame["arguments"], frame.get("timeout"))
            case "level":
                self._level(request, frame["logger"], frame["level"], frame["seconds"])
            case "interrupt":
                self._answer(request, "done", {"text": evaluations.interrupt(frame["target"])})
            case "complete":
                session = evaluations.session(frame["session"])
                self._apart(request, "completions", lambda: _completions(frame["source"], session.namespace))
            case "signature":
                session = evaluations.session(frame["session"])
                hint = about if frame.get("name") else signature
                self._apart(request, "signature", lambda: _hint(hint(frame["source"], session.namespace)))
            case "check":
                session = evaluations.session(frame["session"])
                self._apart(request, "checked", lambda: _checked(frame["source"], session.flags))
            case "serve":
                self._answer(request, "served", reports.serve(self.checks))
            case "telemetry":
                self._apart(request, "telemetry", reports.telemetry)
            case "vitals":
                (self.vitals.hold if frame["on"] else self.vitals.release)("daemon", frame["limit"])
                self._answer(request, "done", {})
            case "stacks":
                self._apart(request, "stacks", lambda: {"text": stacks().text})
            case _:
                self.fail(request, f"this agent knows no {operation!r}")

    def _level(self, request: int, logger: str, level: int | str | None, seconds: float) -> None:
        """Lists levels (None), sets one for a time, or puts back what was set (`reset`)."""
        levels = self.levels
        try:
            if level is None:
                found = levels.list()
            elif isinstance(level, str):
                found = levels.reset(logger)
            else:
                found = levels.set(logger, level, seconds)
        except LookupError as error:  # there is no such logger: nothing that has failed
            self.fail(request, str(error))
        else:
            self._answer(request, "level", {"data": found})

    def fail(self, request: int, error: str) -> None:
        """Answers that the agent itself failed."""
        self._answer(request, "error", {"error": error})

    def _answer(self, request: int, kind: str, answer: _Answer) -> None:
        self.channel.send({"id": request, "re": kind, **answer})

    def _apart(self, request: int, kind: str, work: Callable[[], _Answer]) -> None:
        """Answers from a thread of its own: a slow disk never keeps the agent from hearing."""

        def run() -> None:
            name_thread("limpet agent's request")
            # What the compiler warns of must not reach the application's stderr.
            silent = output.Sink(None, None)
            silent.muted = True
            output.sink.set(silent)
            try:
                answer = work()
            except Exception as failure:  # noqa: BLE001 - objects can raise anything; it is told as it is
                self.fail(request, f"{type(failure).__name__}: {failure}")
            else:
                self._answer(request, kind, answer)
            finally:
                forget_thread()

        start_new_thread(run, ())


def _completions(source: str, namespace: dict[str, Any]) -> _Answer:
    start, items = complete(source, namespace)
    return {"start": start, "items": items}


def _hint(hint: tuple[str, str]) -> _Answer:
    return {"signature": hint[0], "doc": hint[1]}


def _checked(source: str, flags: int) -> _Answer:
    state, error, indent = check(source, flags)
    return {"state": state, "error": error, "indent": indent}


_running: Final[list[_Agent]] = []


def start(connection: Connection) -> None:
    """Takes the connection over."""
    _running[:] = [_Agent(connection)]


def handle(body: bytes) -> None:
    """Answers the request in `body`; never raises."""
    agent = _running[0]
    agent.vitals.woken()
    request = 0
    try:
        frame = json.loads(body)
        request = frame["id"]
        agent.handle(frame)
    except Exception as failure:  # noqa: BLE001 - a bad request is answered, and the agent stays
        agent.fail(request, f"{type(failure).__name__}: {failure}")


def want() -> None:
    """The application has something new for stage 1 to serve: the daemon asks what."""
    _running[0].channel.send({"id": 0, "item": "want"})


def tick() -> float:
    """Does what is due; seconds until it wants to be called again."""
    agent = _running[0]
    vital = agent.vitals.tick()
    wait = min(agent.evaluations.tick(), agent.checks.tick(), agent.levels.tick(), vital)
    agent.vitals.waits(wait)
    return wait


def stop(*, forked: bool) -> None:
    """The connection is gone; or, `forked`, this is the child of a fork and everything was the parent's."""
    agent = _running[0]
    agent.channel.close()
    agent.levels.close()
    agent.vitals.close()
    agent.checks.close()
    agent.evaluations.close(forked=forked)
