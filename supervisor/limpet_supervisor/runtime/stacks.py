"""Stacks of any process, by a ladder: the best rung that holds, and why the better ones did not.

agent, py-spy, _remote_debugging, faulthandler, kernel: see `model.stacks.Rung`. A process that answers tells
the most, asyncio tasks included; one that is stuck, in C or in the kernel, is looked at from outside.
"""

import os
import shutil
import signal
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple

from limpet_supervisor.model.stacks import Lack, ProcessStacks, Rung, Stack
from limpet_supervisor.wire.agent import AgentAnswer

from . import pyspy, remote, threads
from .agents import GONE, AgentConnection, Agents
from .children import Children
from .command import Command, Outcome
from .faults import Faults
from .reactor import Reactor
from .written import by_agent

OnStacks = Callable[[ProcessStacks], None]

_AT_ONCE: Final = 4
"""Commands that look at processes from outside at the same time; the others wait for their turn."""
_LIMIT: Final = 8 * 1024 * 1024
_NATIVE: Final = 4.0
"""Times as long for native frames: symbols of all libraries are read."""
_SAMPLE: Final = 0.2
"""Seconds between the two looks that tell which threads use a CPU."""
_KERNEL_WITHIN: Final = 1.0
_KERNEL_THREADS: Final = 64
_ORDER: Final = (Rung.AGENT, Rung.PY_SPY, Rung.REMOTE, Rung.FAULTHANDLER, Rung.KERNEL)
_NATIVE_ORDER: Final = (Rung.PY_SPY, Rung.AGENT, Rung.REMOTE, Rung.FAULTHANDLER, Rung.KERNEL)
_MAIN: Final = "Thread MainThread"
"""How the first of the stacks is called."""
_OURS: Final = ("/limpet/agent.py", "<limpet wire>", "<limpet channel>")
"""Files that the agent's own threads begin in: they are none of the application's."""


class Patience(NamedTuple):
    """Seconds for the rungs that can keep one waiting."""

    agent: float
    outside: float


ASKED: Final = Patience(2.0, 5.0)
"""When a person asks."""
BEFORE_KILL: Final = Patience(1.0, 2.0)
"""When a process is about to be killed, and its restart waits."""


class Ladder:
    """Finds out stacks, of several processes at a time; of each once, for all who ask meanwhile."""

    def __init__(self, reactor: Reactor, children: Children, agents: Agents) -> None:
        self.reactor = reactor
        self.children = children
        self.agents = agents
        self.traced: set[int] = set()
        """Pids that py-spy takes a profile of: nobody else can stop them to read them."""
        self._climbing: dict[tuple[int, bool], tuple[_Climb, list[OnStacks]]] = {}
        self._busy = 0
        self._waiting: deque[Callable[[], None]] = deque()

    def climb(
        self, process: str, pid: int, on_stacks: OnStacks, *, native: bool = False, patience: Patience = ASKED
    ) -> None:
        """Calls `on_stacks` once, soon; there is always an answer, if only that the process is gone.

        Args:
            process: the instance that it belongs to, for its agent.
            pid: the process.
            on_stacks: called with its stacks.
            native: frames of C extensions as well, which only py-spy has.
            patience: how long the rungs may take; whoever has the least decides for all who ask meanwhile.
        """
        key = (pid, native)
        if (climbing := self._climbing.get(key)) is not None:
            climb, others = climbing
            others.append(on_stacks)
            climb.hurry(patience)
            return

        def answer(found: ProcessStacks) -> None:
            _, told = self._climbing.pop(key)
            self.reactor.call_each(partial(each, found) for each in told)

        climb = _Climb(self, process, pid, answer, native=native, patience=patience)
        self._climbing[key] = climb, [on_stacks]
        self.reactor.call_soon(climb.next)

    def agent(self, process: str, pid: int) -> AgentConnection | None:
        """The agent of a process of that instance; None if it has none."""
        return next((each for each in self.agents.of(process) if each.pid == pid), None)

    def outside(
        self,
        argv: list[str],
        on_end: Callable[[Outcome], None],
        timeout: Callable[[], float],
        on_start: Callable[[Command], None],
    ) -> None:
        """Runs a command that looks at a process, when it is its turn.

        Args:
            argv: the command.
            on_end: called with what came of it.
            timeout: the seconds that it has, asked when it starts.
            on_start: called when it has started.
        """

        def ended(outcome: Outcome) -> None:
            self._busy -= 1
            if self._waiting:
                self._waiting.popleft()()
            on_end(outcome)

        def start() -> None:
            self._busy += 1
            seconds = timeout()
            on_start(Command(self.reactor, self.children, argv, ended, timeout=seconds, limit=_LIMIT))

        if self._busy < _AT_ONCE:
            start()
        else:
            self._waiting.append(start)


class _Climb:
    """One process's."""

    def __init__(
        self,
        ladder: Ladder,
        process: str,
        pid: int,
        on_stacks: OnStacks,
        *,
        native: bool,
        patience: Patience,
    ) -> None:
        self._ladder = ladder
        self._reactor = ladder.reactor
        self._process = process
        self._pid = pid
        self._on_stacks = on_stacks
        self._native = native
        self._patience = patience
        self._began = self._reactor.now()
        self._state = threads.state(pid)
        self._command = threads.command(pid)
        self._shorten: Callable[[], None] = _nothing
        """Has the present rung keep to the patience as it is now."""
        self._lacks: list[Lack] = []
        self._notes: list[str] = []
        self._rungs = deque(_NATIVE_ORDER if native else _ORDER)
        self._rung = self._rungs[0]
        self._agent = ladder.agent(process, pid)
        self._python = True if self._agent is not None else threads.is_python(pid)

    def next(self) -> None:
        """Tries the next rung."""
        self._shorten = _nothing
        self._rung = self._rungs.popleft()
        if self._rung is Rung.KERNEL or self._state in ("zombie", "gone"):
            self._rung = Rung.KERNEL
            self._by_kernel()
        elif self._python is False:
            self._lack(f"{self._command.split(' ')[0] or 'it'} is no Python")
        elif self._rung is Rung.AGENT:
            self._by_agent()
        elif self._rung is Rung.PY_SPY:
            self._by_py_spy()
        elif self._rung is Rung.REMOTE:
            self._by_remote()
        else:
            Faults(self._reactor, self._pid, self._taken)

    def hurry(self, patience: Patience) -> None:
        """Somebody has come who has no more patience than this."""
        self._patience = Patience(*map(min, self._patience, patience))
        self._shorten()

    def _outside(
        self, argv: list[str], on_end: Callable[[Outcome], None], timeout: Callable[[], float]
    ) -> None:
        def started(command: Command) -> None:
            self._shorten = lambda: command.hurry(timeout())

        self._ladder.outside(argv, on_end, timeout, started)

    def _lack(self, why: str) -> None:
        self._lacks.append(Lack(self._rung, why))
        self.next()

    def _taken(self, stacks: tuple[Stack, ...], why: str) -> None:
        """The rung's answer."""
        if stacks:
            theirs = (stack for stack in stacks if not _is_ours(stack))
            self._answer(tuple(sorted(theirs, key=lambda stack: not stack.name.startswith(_MAIN))))
        else:
            self._lack(why or "it has no stacks")

    def _answer(self, stacks: tuple[Stack, ...]) -> None:
        self._on_stacks(
            ProcessStacks(
                process=self._process,
                pid=self._pid,
                command=self._command,
                state=self._state,
                rung=self._rung,
                took=round(self._reactor.now() - self._began, 3),
                stacks=stacks,
                lacks=tuple(self._lacks),
                notes=tuple(self._notes),
            )
        )

    # -- rungs --------------------------------------------------------------------------------------------

    def _by_agent(self) -> None:
        connection = self._agent
        if connection is None:
            self._lack("it has none")
            return
        if self._state == "stopped":
            self._lack("it is stopped")
            return

        def heard(said: AgentAnswer) -> None:
            if said.re:
                timer.cancel()
                if said.re in (GONE, "error"):
                    self._lack(said.error or "it failed")
                else:
                    self._taken(by_agent(said.text), "")

        def late() -> None:
            connection.forget(request)
            self._lack(f"no answer within {self._patience.agent:g}s: stuck in C, or starved of its CPU")

        began = self._reactor.now()
        timer = self._reactor.call_later(self._patience.agent, late)

        def shorten() -> None:
            nonlocal timer
            timer.cancel()
            timer = self._reactor.call_at(began + self._patience.agent, late)

        self._shorten = shorten
        request = connection.request("stacks", heard)

    def _by_py_spy(self) -> None:
        found = pyspy.find()
        if found is None:
            self._lack("it is not installed beside Limpet")
            return
        # Only what runs has to be stopped to be read; a thread that does not cannot be, and is waited for.
        self._state = threads.state(self._pid)
        profiled = self._pid in self._ladder.traced
        pause = not profiled and all(each.state in "RSI" for each in threads.look(self._pid))
        if self._native and not pause:
            why = "it is being profiled" if profiled else f"its state is {self._state}"
            self._notes.append(f"no native frames: {why}")
        native = self._native and pause
        argv = pyspy.dump_command(found, self._pid, native=native, pause=pause)
        times = _NATIVE if native else 1
        self._outside(argv, partial(self._dumped, pyspy.stacks), lambda: self._patience.outside * times)

    def _by_remote(self) -> None:
        image, why = remote.interpreter(self._pid)
        if why:
            self._lack(why)
        else:
            argv = remote.command(image, self._pid)
            self._outside(argv, partial(self._dumped, remote.stacks), lambda: self._patience.outside)

    def _dumped(self, read: Callable[[bytes], tuple[Stack, ...]], outcome: Outcome) -> None:
        if outcome.exit is None:
            if self._state not in ("stopped", "traced"):
                let_go(self._pid)
            self._lack(outcome.why)
        elif outcome.exit.code != 0:
            self._lack(pyspy.why(outcome.stderr))
        else:
            try:
                stacks = read(outcome.stdout)
            except ValueError as error:
                self._lack(str(error))
            else:
                self._taken(stacks, "")

    def _by_kernel(self) -> None:
        before = threads.look(self._pid)
        if not before or self._state in ("zombie", "gone"):
            self._answer(())
            return
        began = self._reactor.now()

        def looked(outcome: Outcome) -> None:
            inside = outcome.stdout.decode("utf-8", "replace")
            seconds = self._reactor.now() - began
            self._answer(threads.stacks(before, threads.look(self._pid), seconds, inside))

        def sampled() -> None:
            # By a command: who is stuck with the lock that these files take would hold us up.
            grep = shutil.which("grep")
            files = [f"/proc/{self._pid}/task/{each.tid}/stack" for each in before[:_KERNEL_THREADS]]
            if grep is None or os.geteuid() != 0:
                looked(Outcome(None, b"", b"", ""))
            else:
                self._outside([grep, "-H", "", *files], looked, lambda: _KERNEL_WITHIN)

        self._reactor.call_later(_SAMPLE, sampled)


def let_go(pid: int) -> None:
    """Whoever was killed while tracing a process may have left it a SIGSTOP: it goes on."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if threads.stop_is_pending(pid):
            with suppress(OSError):
                signal.pidfd_send_signal(descriptor, signal.SIGCONT)
    finally:
        os.close(descriptor)


def _nothing() -> None:
    """The rung waits for nobody."""


def _is_ours(stack: Stack) -> bool:
    return bool(stack.frames) and stack.frames[0].file.endswith(_OURS)
