"""The console on a terminal."""

import asyncio
import os
import signal
import socket
from contextlib import suppress

from limpet_shell import output
from limpet_shell.target import Target
from limpet_supervisor.client import messages
from limpet_supervisor.errors import LimpetError, NodeUnreachable
from limpet_supervisor.model.status import Event

from .history import FileHistory, path_of
from .link import Link
from .model import Model, parse
from .prompt import Prompt
from .screen import Screen
from .session import Session, startup_files

_TRY_AGAIN = 1.0
"""Seconds between attempts to reach a node that has gone."""


class Console:
    """A console on the terminal, for one node."""

    def __init__(self, where: Target) -> None:
        self.model = Model(where.node, socket.gethostname().partition(".")[0])
        self.link = Link(self.model)
        paint = output.painter()
        history = FileHistory(path_of(where.node, os.environ))
        self.prompt = Prompt(self.model, self.link, history, colored=paint is output.paint)
        self.screen = Screen(paint, self.prompt.above)
        self.session = Session(self.model, self.link, self.screen)
        self.session.startup_files = startup_files(os.path.dirname(where.file))
        self._leaving = False

    async def run(self, process: str) -> None:
        """Attaches, then works on one input after the other until the user leaves.

        Raises:
            LimpetError: no node, or no such process with an agent.
        """
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self.interrupt)
        events: asyncio.Task[None] | None = None
        try:
            await self._greet(process)
            events = asyncio.ensure_future(self._follow_events())
            while not self._leaving:
                try:
                    text = await self.prompt.read()
                except KeyboardInterrupt:
                    continue
                except EOFError:
                    break
                if not await self.session.run(parse(text)):
                    break
        finally:
            if events is not None:
                events.cancel()
                with suppress(asyncio.CancelledError):
                    await events
            await self.link.close()

    def leave(self) -> None:
        """Ends the console, whatever it does."""
        self._leaving = True
        if not self.session.interrupt():
            self.prompt.leave()

    def interrupt(self) -> None:
        """Ctrl-C that comes as a signal: while an input is worked on, or from elsewhere."""
        if not self.session.interrupt():
            self.prompt.clear()

    async def _greet(self, process: str) -> None:
        client = await self.link.connect()
        pong: messages.Pong = await client.request(messages.Ping())
        self.screen.notice(
            f"{pong.node} {pong.version}, pid {pong.pid}. Type Python, or :help; Ctrl-D leaves."
        )
        try:
            await self.session.first(process)
        except NodeUnreachable:
            raise
        except LimpetError as error:
            if process:
                raise
            # The node's commands serve without a process; the first that gets ready is attached to.
            self.screen.notice(str(error), "yellow")

    async def _follow_events(self) -> None:
        """Says when the attached process ends and when it is there again, or the node."""
        while True:
            try:
                client = await self.link.connect()
                async for answer in client.stream(messages.Events(last=0, follow=True)):
                    if isinstance(answer, messages.EventItem):
                        await self._happened(answer.event)
            except LimpetError as error:
                if not self.model.stale:
                    self.model.stale = True
                    self.screen.notice(f"{self.model.node} went away: {error.why or error.what}", "yellow")
            await asyncio.sleep(_TRY_AGAIN)
            with suppress(LimpetError):
                await self.link.connect()
                await self._attach_again()

    async def _happened(self, event: Event) -> None:
        place = self.model.place
        instance = place.process.partition("/")[0] if place else ""
        if event.kind == "ready" and (place is None or (event.process == instance and self.model.stale)):
            with suppress(LimpetError):
                await self._attach_again()
        elif event.kind in {"exited", "removed"} and event.process == instance and not self.model.stale:
            self.model.stale = True
            self.screen.notice(event.text, "yellow")

    async def _attach_again(self) -> None:
        """After a restart; or for the first time, if nothing had an agent before."""
        place = self.model.place
        if await self.link.attach(place.process.partition("/")[0] if place else ""):
            now = self.model.place
            assert now is not None
            lost = "; the session's variables are gone" if place else ""
            self.screen.notice(f"attached to {now.process}, pid {now.pid}{lost}", "yellow")
            self.prompt.redraw()


def run_console(where: Target, process: str) -> int:
    """The console until the user leaves.

    Raises:
        LimpetError: the node cannot be reached, or has no such process with an agent.
    """

    async def run() -> None:
        await Console(where).run(process)

    asyncio.run(run())
    return 0
