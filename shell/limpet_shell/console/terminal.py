"""The console on a terminal."""

import asyncio
import os
import signal
import socket
from contextlib import suppress
from typing import Final

from limpet_shell import output
from limpet_shell.target import Target
from limpet_supervisor.client import messages
from limpet_supervisor.errors import LimpetError, NodeUnreachable
from limpet_supervisor.model.status import Event, NodeState

from . import settings, tty
from .history import FileHistory, path_of
from .link import Link
from .model import Model, parse
from .opening import Opening
from .prompt import Prompt
from .screen import Screen
from .session import Session

_TRY_NODE: Final = 1.0
"""Seconds between attempts to reach a node that has gone."""
_TRY_PROCESS: Final = 0.2
"""Seconds between attempts to attach to a process that has been restarted."""
_TRIES: Final = 150
_UNREADY_TRIES: Final = 50
"""Attempts for which it is left alone until it is ready; an input does not wait for that."""
_STARTING_TRIES: Final = 50


class Console:
    """A console on the terminal, for one node.

    Args:
        where: the node.
        opening: the connection that it goes on with; without one, the node is the console's own, and starts.
    """

    def __init__(self, where: Target, opening: Opening | None = None) -> None:
        self.model = Model(where.node, socket.gethostname().partition(".")[0])
        self.link = Link(self.model, opening)
        paint = output.painter()
        chosen, self._problems = settings.load(settings.path_of(os.environ))
        history = FileHistory(path_of(where.node, os.environ), chosen.history_size)
        self.prompt = Prompt(
            self.model, self.link, history, chosen, colored=paint is output.paint, notice=self._complain
        )
        self.screen = Screen(paint, self.prompt.above)
        self.session = Session(self.model, self.link, self.screen)
        self.session.timeout = chosen.seconds
        self.session.startup_files = settings.startup_files(chosen, os.path.dirname(where.file))
        self.model.owns = opening is None
        self._greeted = False
        self._leaving = False
        self._pressed = False
        self._looking: asyncio.Task[None] | None = None

    async def run(self, process: str) -> None:
        """Attaches, then works on one input after the other until the user leaves.

        Raises:
            LimpetError: no node, or no such process with an agent.
        """
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self.interrupt)
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.leave)
        with tty.unechoed():
            await self._run(process)

    async def _run(self, process: str) -> None:
        events: asyncio.Task[None] | None = None
        try:
            await self._greet(process)
            self._greeted = True
            events = asyncio.ensure_future(self._follow_events())
            while not self._leaving:
                self._pressed = False
                try:
                    text = await self.prompt.read()
                except KeyboardInterrupt:
                    continue
                except EOFError:
                    break
                # Race: Ctrl-C may have come since Enter, when there was nothing to interrupt yet; it is
                # delivered when the work on the input has begun and waits for the first time.
                if self._pressed or self.prompt.interrupted:
                    asyncio.get_running_loop().call_soon(self.interrupt)
                if not await self.session.run(parse(text)):
                    break
        finally:
            for task in (events, self._looking):
                if task is not None:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
            await self.link.close()

    def leave(self) -> None:
        """Ends the console, whatever it does."""
        self._leaving = True
        if not self.session.interrupt():
            self.prompt.leave()

    def interrupt(self) -> None:
        """Ctrl-C that comes as a signal: while an input is worked on, or from elsewhere."""
        if self.session.interrupt():
            return
        if not self._greeted:
            self._leaving = True
        elif not self.prompt.clear():
            self._pressed = True

    async def _greet(self, process: str) -> None:
        pong = await self.link.greet()
        if self.model.owns:  # below the lines of its start, which would scroll it away
            await self._settled()
        leaving = "stops the node" if self.model.owns else "leaves"
        self.screen.notice(
            f"{pong.node} {pong.version}, pid {pong.pid}. Type Python, or :help; Ctrl-D {leaving}."
        )
        for problem in self._problems:
            self._complain(problem)
        try:
            try:
                await self.session.first(process)
            except LimpetError:
                if not await self._settled():
                    raise
                await self.session.first(process)
        except NodeUnreachable:
            raise
        except LimpetError as error:
            if process:
                raise
            # The node's commands serve without a process; one that gets its agent later is attached to.
            self.screen.notice(str(error), "yellow")
            self._look_for_process()

    def _complain(self, problem: str) -> None:
        """Says what is wrong with the settings."""
        self.screen.notice(problem, "yellow")

    async def _settled(self) -> bool:
        """Waits while the node starts, for some seconds at most; whether it was starting."""
        for tried in range(_STARTING_TRIES):
            status: messages.StatusReply = await self.link.client.request(messages.Status())
            if status.node.state is not NodeState.STARTING or self._leaving:
                return tried > 0
            await asyncio.sleep(_TRY_PROCESS)
        return True

    async def _follow_events(self) -> None:
        """Says when the attached process ends and when it is there again, or the node."""
        while True:
            try:
                client = await self.link.connect()
                async for answer in client.stream(messages.Events(last=0, follow=True)):
                    if isinstance(answer, messages.EventItem):
                        self._happened(answer.event)
            except LimpetError as error:
                self.model.stale = True
                self.screen.notice(f"{self.model.node} went away: {error.why or error.what}", "yellow")
            gone = self.link.lost
            while self.link.lost:
                await asyncio.sleep(_TRY_NODE)
                with suppress(LimpetError):
                    await self.link.connect()
            if gone:
                self.screen.notice(f"{self.model.node} is there again", "yellow")
                self._look_for_process()
            else:
                await asyncio.sleep(_TRY_NODE)  # the node has ended the stream, and lives

    def _happened(self, event: Event) -> None:
        place = self.model.place
        instance = place.process.partition("/")[0] if place else ""
        if event.kind == "exited" and event.process == instance and not self.model.stale:
            self.model.stale = True
            self.screen.notice(event.text, "yellow")
            self._look_for_process()
        elif event.kind == "ready" and (place is None or (self.model.stale and event.process == instance)):
            self._look_for_process()

    def _look_for_process(self) -> None:
        """Attaches as soon as there is a process to attach to."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._attach_again())

    async def _attach_again(self) -> None:
        for tried in range(_TRIES):
            if self.link.lost or not (self.model.place is None or self.model.stale):
                return
            # A process that is ready may not have its agent yet: another instance may have answered for it.
            # One that is not may not have loaded yet what start-up files look for.
            with suppress(LimpetError):
                if tried < _UNREADY_TRIES and not await self._is_ready():
                    await asyncio.sleep(_TRY_PROCESS)
                    continue
                await self.session.attach_again()
                self.prompt.refresh()
                return
            await asyncio.sleep(_TRY_PROCESS)

    async def _is_ready(self) -> bool:
        """Whether the process that the session was in is ready again, if there is one of that name."""
        status: messages.StatusReply = await self.link.client.request(messages.Status())
        return all(each.ready for each in status.processes if each.name == self.model.instance)


def run_opened(where: Target, process: str, opening: Opening) -> int:
    """The console until the user leaves, on a connection that is made.

    Raises:
        LimpetError: the node does not answer, or has no such process with an agent.
    """

    async def run() -> None:
        await Console(where, opening).run(process)

    asyncio.run(run())
    return 0
