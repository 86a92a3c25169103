"""Requests in: what stage 0 calls. `start` once, `handle` for every frame, `tick` before every wait, `stop`.

All run in the agent's thread, but for `stop` in the child of a fork, and `want`; none of them ever waits.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from limpet.agent import Connection

from . import services
from .channel import Channel
from .loading import load, running
from .natives import start_new_thread

APART: Final = 16
"""Threads that answer requests at once: a disk that is stuck keeps each of them."""

_Answer = dict[str, Any]


class _Agent:
    """One connection's channel, and the services that have been asked for."""

    def __init__(self, connection: Connection) -> None:
        self.channel = Channel(connection)
        self.services = services.begin(self.channel.send)
        self._asides: set[int] = set()
        """Requests that threads of their own answer; only the agent's thread adds to them."""

    def handle(self, frame: dict[str, Any]) -> None:
        """Answers one request, now or from a thread of its own."""
        request = frame["id"]
        operation = frame["op"]
        match operation:
            case "ping":
                self._answer(request, "pong", {})
            case "attach":
                self._evaluations.session(frame["session"])
                self._apart(request, "attached", lambda: {"loops": len(load("loops").running_loops())})
            case "detach":
                self._evaluations.detach(frame["session"])
                self._answer(request, "done", {})
            case "evaluate":
                session = self._evaluations.session(frame["session"])
                numbered = frame.get("numbered", True)
                self._evaluations.evaluate(
                    request, session, frame["source"], frame.get("timeout"), numbered=numbered
                )
            case "call":
                self._evaluations.call(request, frame["function"], frame["arguments"], frame.get("timeout"))
            case "inspect":
                self._evaluations.inspect(request, frame["what"], frame["arguments"], frame.get("timeout"))
            case "level":
                self._level(request, frame["logger"], frame["level"], frame["seconds"], frame.get("awaited"))
            case "interrupt":
                self._answer(request, "done", {"text": self._evaluations.interrupt(frame["target"])})
            case "complete":
                session = self._evaluations.session(frame["session"])
                self._apart(request, "completions", lambda: _completions(frame["source"], session.namespace))
            case "signature":
                session = self._evaluations.session(frame["session"])
                what = "about" if frame.get("name") else "signature"
                self._apart(request, "signature", lambda: _hint(what, frame["source"], session.namespace))
            case "check":
                session = self._evaluations.session(frame["session"])
                self._apart(request, "checked", lambda: _checked(frame["source"], session.flags))
            case "serve":
                self._answer(request, "served", load("reports").serve(self.services.get("checks")))
            case "telemetry":
                self._apart(request, "telemetry", load("reports").telemetry)
            case "failures":
                self._apart(request, "failures", load("reports").failures)
            case "vitals":
                vitals = self.services.get("vitals")
                (vitals.hold if frame["on"] else vitals.release)("daemon", frame["limit"])
                self._answer(request, "done", {})
            case "stacks":
                self._apart(request, "stacks", lambda: {"text": load("looks").look("stacks", {}).text})
            case "sample":
                self.services.get("samplings").begin(request, frame["seconds"], frame["rate"])
            case "sample_end":
                self.services.get("samplings").end(frame["target"])
                self._answer(request, "done", {})
            case _:
                self.fail(request, f"this agent knows no {operation!r}")

    def _level(
        self, request: int, logger: str, level: int | str | None, seconds: float, awaited: bool | None
    ) -> None:
        """Lists levels (None), sets one for a time, or puts back what was set (`reset`)."""
        levels = self.services.get("levels")
        try:
            if level is None:
                found = levels.list()
            elif isinstance(level, str):
                found = levels.reset(logger)
            else:
                found = levels.set(logger, level, seconds, awaited=bool(awaited))
        except LookupError as error:  # there is no such logger: nothing that has failed
            self.fail(request, str(error))
        else:
            self._answer(request, "level", {"data": found})

    @property
    def _evaluations(self) -> Any:
        return self.services.get("evaluate")

    def fail(self, request: int, error: str) -> None:
        """Answers that the agent itself failed."""
        self._answer(request, "error", {"error": error})

    def _answer(self, request: int, kind: str, answer: _Answer) -> None:
        self.channel.send({"id": request, "re": kind, **answer})

    def _apart(self, request: int, kind: str, work: Callable[[], _Answer]) -> None:
        """Answers from a thread of its own: a slow disk never keeps the agent from hearing."""
        if len(self._asides) >= APART:
            self.fail(
                request,
                f"{len(self._asides)} requests wait in this process already, each in a thread of its own: "
                "what they read does not come, of a disk for instance; try again when it does",
            )
            return
        output: Any = load("output")
        threads: Any = load("threads")

        def run() -> None:
            threads.name_thread("limpet agent's request")
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
                self._asides.discard(request)
                threads.forget_thread()

        self._asides.add(request)
        try:
            start_new_thread(run, ())
        except BaseException:
            self._asides.discard(request)
            raise


def _completions(source: str, namespace: dict[str, Any]) -> _Answer:
    start, items = load("complete").complete(source, _mentioned(source, namespace), load("looks").NAMES)
    return {"start": start, "items": items}


def _hint(what: str, source: str, namespace: dict[str, Any]) -> _Answer:
    found, documentation = getattr(load("hints"), what)(source, _mentioned(source, namespace))
    return {"signature": found, "doc": documentation}


def _mentioned(source: str, namespace: dict[str, Any]) -> dict[str, Any]:
    """The namespace with the looks and tools that `source` mentions; a session gets them when it is run."""
    names = dict(namespace)
    load("looks").bring(re.findall(r"\w+", source), names)
    return names


def _checked(source: str, flags: int) -> _Answer:
    state, error, indent = load("source").check(source, flags)
    return {"state": state, "error": error, "indent": indent}


_running: Final[list[_Agent]] = []


def start(connection: Connection) -> None:
    """Takes the connection over."""
    _running[:] = [_Agent(connection)]
    load("tracing").allow(connection)


def handle(body: bytes) -> None:
    """Answers the request in `body`; never raises."""
    agent = _running[0]
    if (vitals := agent.services.begun("vitals")) is not None:
        vitals.woken()
    request = 0
    try:
        frame = json.loads(body)
        request = frame["id"]
        agent.handle(frame)
    except Exception as failure:  # noqa: BLE001 - a bad request is answered, and the agent stays
        agent.fail(request, f"{type(failure).__name__}: {failure}")


def want() -> None:
    """The application has something new for stage 1 to serve: the daemon asks what.

    Called by evaluated code as well: no interruption lands where the channel is locked.
    """
    send, frame = _running[0].channel.send, {"id": 0, "item": "want"}
    if (job := running.get()) is None:
        send(frame)
    else:
        job.shelter(send, frame)


def tick() -> float:
    """Does what is due; seconds until it wants to be called again."""
    agent = _running[0]
    wait = agent.services.tick()
    if (vitals := agent.services.begun("vitals")) is not None:
        vitals.waits(wait)
    return wait


def stop(*, forked: bool) -> None:
    """The connection is gone; or, `forked`, this is the child of a fork and everything was the parent's."""
    agent = _running[0]
    agent.channel.close()
    agent.services.close(forked=forked)
