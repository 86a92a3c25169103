"""Probes: one question to a process - does it accept, answer, succeed? - on the loop, never blocking.

`probe` makes one attempt; `Readiness` repeats it until it passes; `LivenessCheck` repeats it for ever and
counts failures in a row. What follows from an answer is the policy's business.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from limpet_supervisor.model.spec import Liveness, Ready
from limpet_supervisor.runtime.addresses import NotAnAddress, parse_address
from limpet_supervisor.runtime.attempts import Attempt, Callback, Connect, Exec, Http, Refused
from limpet_supervisor.runtime.children import Children
from limpet_supervisor.runtime.reactor import Reactor, Timer

ATTEMPT_SECONDS: Final = 5.0
"""The deadline of one attempt at readiness; the deadline of readiness itself is Ready.timeout."""


def probe(
    reactor: Reactor,
    children: Children,
    kind: str,
    target: str,
    command: Sequence[str] = (),
    *,
    timeout: float,
    callback: Callback,
    environ: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> Attempt:
    """One attempt; its answer comes later, on the loop, within `timeout` seconds.

    Args:
        reactor: the loop.
        children: who waits for the command of exec.
        kind: tcp, http or exec.
        target: `host:port`, `[v6]:port` or `unix:/path` of tcp; the URL of http.
        command: of exec.
        timeout: in seconds.
        callback: gets whether it passed (None: we could not ask), and what was seen.
        environ: of the command; None: ours.
        cwd: of the command; None: ours.
    """
    try:
        match kind:
            case "tcp":
                return Connect(reactor, timeout, callback, parse_address(target))
            case "http":
                return Http(reactor, timeout, callback, target)
            case "exec" if command:
                return Exec(reactor, timeout, callback, command, children=children, environ=environ, cwd=cwd)
            case _:
                return Refused(reactor, timeout, callback, f"no such probe: {kind}")
    except NotAnAddress as error:
        return Refused(reactor, timeout, callback, str(error))


class Readiness:
    """Repeats the probe of `ready` until it passes; then `on_ready` is called, once."""

    def __init__(
        self,
        reactor: Reactor,
        children: Children,
        ready: Ready,
        on_ready: Callable[[], None],
        *,
        environ: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> None:
        self.detail = ""
        """What the last attempt saw: why the process is not ready yet."""
        self._reactor = reactor
        self._children = children
        self._ready = ready
        self._on_ready = on_ready
        self._environ = environ
        self._cwd = cwd
        self._timer: Timer | None = None
        self._probe: Attempt | None = None
        self._attempt()

    def cancel(self) -> None:
        """No attempt and no call from here on."""
        if self._timer is not None:
            self._timer.cancel()
        if self._probe is not None:
            self._probe.cancel()

    def _attempt(self) -> None:
        ready = self._ready
        self._probe = probe(
            self._reactor,
            self._children,
            ready.kind,
            ready.target,
            ready.command,
            timeout=min(ATTEMPT_SECONDS, ready.timeout),
            callback=self._answered,
            environ=self._environ,
            cwd=self._cwd,
        )

    def _answered(self, passed: bool | None, detail: str) -> None:
        self.detail = detail
        if passed:
            self._on_ready()
        else:
            self._timer = self._reactor.call_later(self._ready.every, self._attempt)


class ReportCheck:
    """Judges what a process reports of itself, every so often, until it is cancelled.

    Args:
        judge: whether it passes (None: not known, which is not held against it), and what was seen.
        on_failure: gets the number of failures in a row, and what was seen at the last.
    """

    def __init__(
        self,
        reactor: Reactor,
        liveness: Liveness,
        judge: Callable[[], tuple[bool | None, str]],
        on_failure: Callable[[int, str], None],
    ) -> None:
        self.failures = 0
        """Failures in a row."""
        self._judge = judge
        self._on_failure = on_failure
        self._timer = reactor.call_every(liveness.every, self._look)

    def cancel(self) -> None:
        """No look and no call from here on."""
        self._timer.cancel()

    def _look(self) -> None:
        passed, detail = self._judge()
        if passed:
            self.failures = 0
        elif passed is not None:
            self.failures += 1
            self._on_failure(self.failures, detail)


class LivenessCheck:
    """Repeats the probe of `liveness`, `every` seconds after each answer, until it is cancelled."""

    def __init__(
        self,
        reactor: Reactor,
        children: Children,
        liveness: Liveness,
        on_failure: Callable[[int, str], None],
        *,
        environ: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> None:
        """The first attempt comes after `every` seconds.

        `on_failure` gets the number of failures in a row, and what the last attempt saw.
        """
        self.failures = 0
        """Failures in a row, 0 after an attempt that passed."""
        self._reactor = reactor
        self._children = children
        self._liveness = liveness
        self._on_failure = on_failure
        self._environ = environ
        self._cwd = cwd
        self._probe: Attempt | None = None
        self._cancelled = False
        self._timer = reactor.call_later(liveness.every, self._attempt)

    def cancel(self) -> None:
        """No attempt and no call from here on."""
        self._cancelled = True
        self._timer.cancel()
        if self._probe is not None:
            self._probe.cancel()

    def _attempt(self) -> None:
        liveness = self._liveness
        self._probe = probe(
            self._reactor,
            self._children,
            liveness.kind,
            liveness.target,
            liveness.command,
            timeout=liveness.timeout,
            callback=self._answered,
            environ=self._environ,
            cwd=self._cwd,
        )

    def _answered(self, passed: bool | None, detail: str) -> None:
        self._timer = self._reactor.call_later(self._liveness.every, self._attempt)
        if passed:
            self.failures = 0
        elif passed is not None:  # Guarantee: what we are short of is not held against the process
            self.failures += 1
            self._on_failure(self.failures, detail)
        if self._cancelled:  # by the callback
            self._timer.cancel()
