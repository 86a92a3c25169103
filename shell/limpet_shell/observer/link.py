"""Asks the node for what the page that is seen wants, follows what it follows, and connects again."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from limpet_supervisor.client import messages
from limpet_supervisor.client.aio import AsyncClient
from limpet_supervisor.errors import LimpetError, NodeUnreachable, NoSuchProcess

from .state.acts import Act
from .state.model import Model
from .state.page import Page

_WITHIN: Final = 10.0
"""Seconds that the node has for an answer of its own."""
_LONG: Final = 60.0
"""Seconds for what others are asked for: looks, stacks."""
_TRY: Final = 1.0
"""Seconds between two attempts to connect."""
_SOON: Final = 0.25
"""Seconds between two drawings of what comes by itself."""
_HELD: Final = 2000
"""Items that are kept while the screen is paused; older ones go."""
_SLOW: Final = (messages.Inspect, messages.Stacks)


class Link:
    """The connection of one observer.

    Args:
        model: what is fed.
        connect: makes a connection.
        changed: draws; called whenever the model has changed.
    """

    def __init__(
        self, model: Model, connect: Callable[[], Awaitable[AsyncClient]], changed: Callable[[], None]
    ) -> None:
        self.model = model
        self._connect = connect
        self._changed = changed
        self._wake = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._followed: tuple[Page, messages.Request, int] | None = None
        self._held: deque[tuple[Page, Any]] = deque(maxlen=_HELD)
        self._acting: set[asyncio.Task[None]] = set()
        self._drawing: asyncio.TimerHandle | None = None

    def ask(self) -> None:
        """The page has changed: it is asked for at once."""
        self._wake.set()

    def act(self, act: Act) -> None:
        """Does what has been confirmed."""
        task = asyncio.ensure_future(self._act(act))
        self._acting.add(task)
        task.add_done_callback(self._acting.discard)

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                try:
                    client = await self._connect()
                except LimpetError as error:
                    self._lost(error)
                    await asyncio.sleep(_TRY)
                    continue
                self.model.back()
                try:
                    await self._refresh(client)
                except NodeUnreachable as error:
                    self._lost(error)
                    await asyncio.sleep(_TRY)
                finally:
                    await self._unfollow()
                    await client.close()
        finally:
            if self._drawing is not None:
                self._drawing.cancel()
            for task in list(self._acting):
                task.cancel()

    def _lost(self, error: LimpetError) -> None:
        self.model.away(error.what)
        self._changed()

    async def _refresh(self, client: AsyncClient) -> None:
        """One refresh after the other."""
        while True:
            self._wake.clear()
            page = self.model.page
            self._follow(client, page)
            if not self.model.paused:
                self._release()
                asking = asyncio.ensure_future(self._ask_page(client, page))
                try:
                    if not await self._unless_woken(asking):
                        continue
                    await asking
                    self._changed()
                finally:  # also when the observer goes: what fails then is nobody's any more
                    if not asking.done():
                        asking.cancel()
                        with suppress(asyncio.CancelledError):
                            await asking
            if client.closed.is_set():
                raise NodeUnreachable("The node went away")
            await self._wait(client, page)

    async def _wait(self, client: AsyncClient, page: Page) -> None:
        """Until the next refresh is due, or something has changed."""
        woken = asyncio.ensure_future(self._wake.wait())
        closed = asyncio.ensure_future(client.closed.wait())
        pause = None if self.model.paused else page.every(self.model.interval)
        try:
            await asyncio.wait([woken, closed], timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            closed.cancel()

    async def _unless_woken(self, task: "asyncio.Future[Any]") -> bool:
        """Whether the task has ended before another page was chosen."""
        woken: asyncio.Future[Any] = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait([task, woken], return_when=asyncio.FIRST_COMPLETED)
            return task.done()
        finally:
            woken.cancel()

    async def _ask_page(self, client: AsyncClient, page: Page) -> None:
        """Feeds the page; what fails is told on it, and costs the other requests nothing."""
        well = await asyncio.gather(
            *(self._ask_one(client, page, request) for request in self.model.requests())
        )
        self.model.refreshed(time.time(), page, well=all(well))

    async def _ask_one(self, client: AsyncClient, page: Page, request: messages.Request) -> bool:
        try:
            reply = await client.request(request, _LONG if isinstance(request, _SLOW) else _WITHIN)
        except NodeUnreachable:
            raise
        except LimpetError as error:
            if isinstance(error, NoSuchProcess) and request not in page.requests():
                self.model.instances = ()  # the header's: its process has been removed; the next asks for all
                return True
            page.failed(error)
            return False
        page.clock = time.monotonic()
        try:
            self.model.take(reply, page)
        except Exception as error:  # noqa: BLE001 - an answer that a page cannot take costs none of the others
            page.error = f"n/a: the answer cannot be shown ({type(error).__name__}: {error})"
            return False
        return True

    # -- what comes by itself -----------------------------------------------------------------------------

    def _follow(self, client: AsyncClient, page: Page) -> None:
        """Follows what the page follows; what was followed for another one is left."""
        request = page.follows()
        wanted = (page, request, page.beginnings) if request is not None else None
        running = self._following is not None and not self._following.done()
        if running and self._followed == wanted:
            return
        same = self._followed is not None and self._followed[1] == request
        if running and same and isinstance(request, messages.Vitals):
            # What is measured goes on for the next page that wants it, and is not begun anew.
            self._followed = wanted
            return
        if self._following is not None:
            self._following.cancel()
        self._followed, self._following = wanted, None
        if request is not None:
            page.began()
            self._held.clear()
            self._following = asyncio.ensure_future(self._read(client, page, request))

    async def _unfollow(self) -> None:
        task, self._following, self._followed = self._following, None, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _read(self, client: AsyncClient, page: Page, request: messages.Request) -> None:
        try:
            async with client.streaming(request) as (_, answers):
                async for answer in answers:
                    if self.model.paused:
                        self._held.append((page, answer))
                    elif page.item(answer):
                        self._draw_soon()
        except NodeUnreachable:
            return  # the requests are told of it as well
        except LimpetError as error:
            page.failed(error)
            self._draw_soon()

    def _release(self) -> None:
        """What came while the screen was paused."""
        while self._held:
            page, answer = self._held.popleft()
            page.item(answer)

    def _draw_soon(self) -> None:
        if self._drawing is None:
            self._drawing = asyncio.get_running_loop().call_later(_SOON, self._draw)

    def _draw(self) -> None:
        self._drawing = None
        self._changed()

    # -- commands -----------------------------------------------------------------------------------------

    async def _act(self, act: Act) -> None:
        self.model.say(act.doing)
        self._changed()
        try:
            async with await self._connect() as client:
                reply = await client.request(act.request, None)
        except LimpetError as error:
            self.model.say(str(error), badly=True)
        else:
            text = reply.text if isinstance(reply, messages.Done) else ""
            self.model.say("; ".join(text.splitlines()) or "done")
        self._changed()
        self.ask()
