"""Where a process spends its time, by samples: of py-spy from outside, or else of its agent from inside.

py-spy sees every thread that uses a CPU, whatever it does. The agent's own thread only gets its turn when the
GIL is let go, so that it sees code that does so too often, and C code that does not, never.
"""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from limpet_supervisor.errors import LimpetError, UsageError
from limpet_supervisor.model.stacks import Lack, ProcessProfile, Rung
from limpet_supervisor.wire.agent import AgentAnswer

from . import pyspy, threads
from .agents import GONE
from .command import Command, Outcome
from .stacks import Ladder, let_go

LONGEST: Final = 600.0
"""Seconds of one profile."""
FASTEST: Final = 1000.0
"""Samples a second."""
_SAID: Final = 256 * 1024
_BYTES: Final = 8 * 1024 * 1024
"""Of all stacks of one process; those seen most often are kept."""
_OURS: Final = re.compile(r"[( /]limpet/agent\.py:\d+\)$|\(<limpet (wire|channel|sampler)>:\d+\)$")
"""The outermost frame of the agent's own threads."""
_GRACE: Final = 10.0
"""Seconds beyond its time for py-spy to read symbols, and to write what it has."""
_END_WITHIN: Final = 3.0
"""Seconds for it to end early."""

OnProfile = Callable[[ProcessProfile | LimpetError], None]
Counted = tuple[tuple[tuple[str, ...], int], ...]


class _Sampled(msgspec.Struct):
    """What the agent has seen."""

    stacks: tuple[tuple[tuple[str, ...], int], ...]
    samples: int


def check(seconds: float, rate: float) -> None:
    """Refuses what nobody means.

    Raises:
        UsageError: says which.
    """
    if not 0.1 <= seconds <= LONGEST:
        raise UsageError(f"{seconds:g} is no time for a profile", todo=f"say 0.1s to {LONGEST:g}s")
    if not 1 <= rate <= FASTEST:
        raise UsageError(f"{rate:g} is no rate of a profile", todo=f"say 1 to {FASTEST:g} samples a second")


class Profiling:
    """One process's; answered once, and `end` is for whoever does not want to wait any longer.

    Args:
        instance: that the process belongs to, for its agent.
        name: `web.1`, `web.1/4711`.
        on_profile: called with what was seen, or why nothing was.
    """

    def __init__(
        self,
        ladder: Ladder,
        instance: str,
        name: str,
        pid: int,
        on_profile: OnProfile,
        *,
        seconds: float,
        rate: float,
        native: bool,
        gil: bool,
    ) -> None:
        self._ladder = ladder
        self._reactor = ladder.reactor
        self._instance = instance
        self._name = name
        self._pid = pid
        self._on_profile: OnProfile | None = on_profile
        self._seconds = seconds
        self._rate = rate
        self._native = native
        self._gil = gil
        self._began = self._reactor.now()
        self._lacks: list[Lack] = []
        self._notes: list[str] = []
        self._command: Command | None = None
        self._request = 0
        self._ending = False
        self._file = -1
        self._stopped = threads.stop_is_pending(pid)
        self._reactor.call_soon(self._start)

    @property
    def under_way(self) -> bool:
        """Whether somebody samples now."""
        return self._command is not None or self._request > 0

    def end(self) -> None:
        """What there is by now is all."""
        self._ending = True
        if self._command is not None:
            self._command.interrupt()
            self._reactor.call_later(_END_WITHIN, lambda: self._fail("it did not end when it was asked to"))
        elif self._request and (agent := self._ladder.agent(self._instance, self._pid)) is not None:
            agent.request("sample_end", _nothing, target=self._request)
            self._reactor.call_later(_END_WITHIN, lambda: self._fail("its agent does not answer"))
        else:
            self._fail("it was given up before it began")

    # -- from outside -------------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._on_profile is None:
            return
        found = pyspy.find()
        if self._ladder.agent(self._instance, self._pid) is None and threads.is_python(self._pid) is False:
            self._fail(f"{threads.command(self._pid).split(' ')[0]} is no Python")
        elif found is None:
            self._inside("it is not installed beside Limpet")
        elif self._pid in self._ladder.traced:
            self._fail("it is being profiled already")
        else:
            self._outside(found)

    def _outside(self, command: str) -> None:
        try:
            self._file = os.memfd_create("limpet-profile")
            argv = pyspy.record_command(
                command,
                self._pid,
                to=self._file,
                seconds=self._seconds,
                rate=self._rate,
                native=self._native,
                gil=self._gil,
            )
        except OSError as error:
            self._fail(error.strerror or str(error))
            return
        self._ladder.traced.add(self._pid)
        self._command = Command(
            self._reactor,
            self._ladder.children,
            argv,
            self._recorded,
            timeout=self._seconds + _GRACE,
            limit=_SAID,
            descriptors=(self._file,),
        )

    def _recorded(self, outcome: Outcome) -> None:
        self._command = None
        self._ladder.traced.discard(self._pid)
        file, self._file = self._file, -1
        try:
            size = os.fstat(file).st_size
            raw = os.pread(file, min(size, 4 * _BYTES), 0)
        finally:
            os.close(file)
        if outcome.exit is None or outcome.exit.code != 0:
            if not self._stopped:
                let_go(self._pid)
            why = outcome.why or pyspy.why(outcome.stderr)
            self._inside(why)
            return
        samples, errors = pyspy.counts(outcome.stdout + outcome.stderr)
        self._answer(Rung.PY_SPY, pyspy.collapsed(raw.decode("utf-8", "replace")), samples, errors)

    # -- from inside --------------------------------------------------------------------------------------

    def _inside(self, why: str) -> None:
        agent = self._ladder.agent(self._instance, self._pid)
        if threads.state(self._pid) in ("zombie", "gone"):
            self._fail("it has ended")
            return
        if self._ending:
            self._fail("it was ended before it had begun")
            return
        self._lacks.append(Lack(Rung.PY_SPY, why))
        if agent is None:
            self._fail(f"py-spy: {why}; and it has no agent")
            return
        if self._native or self._gil:
            self._notes.append("the agent samples neither native frames nor the GIL alone")
        self._began = self._reactor.now()

        def heard(said: AgentAnswer) -> None:
            if not said.re:
                return
            late.cancel()
            if said.re in (GONE, "error"):
                self._fail(said.error or "its agent failed")
                return
            try:
                found = msgspec.convert(said.data, _Sampled)
            except msgspec.ValidationError as error:
                self._fail(f"its agent's answer cannot be read: {error}")
            else:
                self._answer(Rung.AGENT, found.stacks, found.samples, 0)

        def give_up() -> None:
            agent.forget(self._request)
            self._fail(f"py-spy: {why}; and its agent does not answer")

        late = self._reactor.call_later(self._seconds + _GRACE, give_up)
        self._request = agent.request("sample", heard, seconds=self._seconds, rate=self._rate)

    # -- answers ------------------------------------------------------------------------------------------

    def _answer(self, by: Rung, stacks: Counted, samples: int, errors: int) -> None:
        theirs = [each for each in stacks if each[0] and not _OURS.search(each[0][0])]
        samples -= sum(count for frames, count in stacks) - sum(count for frames, count in theirs)
        kept: list[tuple[tuple[str, ...], int]] = []
        size = 0
        for frames, count in sorted(theirs, key=lambda each: -each[1]):
            size += sum(map(len, frames)) + 2 * len(frames)
            if size > _BYTES:
                self._notes.append(f"{len(theirs) - len(kept)} stacks that were seen seldom are left out")
                break
            kept.append((frames, count))
        self._finish(
            ProcessProfile(
                process=self._name,
                pid=self._pid,
                by=by,
                rate=self._rate,
                seconds=round(self._reactor.now() - self._began, 3),
                samples=max(samples, 0),
                stacks=tuple(kept),
                errors=errors,
                lacks=tuple(self._lacks),
                notes=tuple(self._notes),
            )
        )

    def _fail(self, why: str) -> None:
        self._finish(LimpetError(f"{self._name} cannot be profiled", why, "see limpet doctor"))

    def _finish(self, found: ProcessProfile | LimpetError) -> None:
        on_profile, self._on_profile = self._on_profile, None
        if self._command is not None:
            self._command.cancel()
            self._command = None
            self._ladder.traced.discard(self._pid)
            if not self._stopped:
                let_go(self._pid)
        if self._file >= 0:
            with suppress(OSError):
                os.close(self._file)
            self._file = -1
        if on_profile is not None:
            on_profile(found)


def _nothing(_answer: AgentAnswer) -> None:
    """The profile's own answer is what counts."""
