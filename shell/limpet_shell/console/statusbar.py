"""The status bar: the process that the prompt speaks to, and how it is. It asks only while somebody types."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from limpet_shell.output import printable, width_of
from limpet_supervisor.model.status import ProcessStatus
from limpet_supervisor.model.units import format_size

from .model import Model

EVERY: Final = 2.0
"""Seconds between two looks at the process."""
AWAKE: Final = 60.0
"""Seconds after the last key: from then on nothing is asked, and figures that grow old are not shown."""

LATE: Final = 0.1
"""Seconds that an event loop may be late before that is worth a colour."""

Style = tuple[str, str]


class StatusBar:
    """What the bar shows, kept up to date while there is a prompt.

    Args:
        model: where the session is.
        ask: the status of an instance; None if nobody can say.
        redraw: called when it has changed.
        shown: whether it is, at first.
    """

    def __init__(
        self,
        model: Model,
        ask: Callable[[str], Awaitable[ProcessStatus | None]],
        redraw: Callable[[], None],
        *,
        shown: bool,
    ) -> None:
        self._model = model
        self._ask = ask
        self._redraw = redraw
        self.shown = shown
        self._status: ProcessStatus | None = None
        self._asked = -EVERY
        self._touched = time.monotonic()
        self._awake = asyncio.Event()

    def toggle(self) -> None:
        """Shows or hides it."""
        self.shown = not self.shown
        self.touch()

    def touch(self) -> None:
        """Somebody is there: a key was pressed."""
        self._touched = time.monotonic()
        self._awake.set()

    async def watch(self) -> None:
        """Keeps it up to date until it is cancelled; wakes every `EVERY` seconds, later on not at all."""
        while True:
            now = time.monotonic()
            if not self.shown or now - self._touched > AWAKE:
                if self._status is not None:
                    self._status = None
                    self._redraw()
                self._awake.clear()
                await self._awake.wait()
                continue
            wait = self._asked + EVERY - now
            if wait > 0:
                await asyncio.sleep(wait)
                continue
            before = self._parts()
            self._status = await self._look()
            self._asked = time.monotonic()
            if self._parts() != before:  # what is not shown, such as the uptime, always has
                self._redraw()

    async def _look(self) -> ProcessStatus | None:
        instance = self._model.instance
        return await self._ask(instance) if instance else None

    def line(self, width: int, extra: str = "") -> list[Style]:
        """The bar in `width` columns: what does not fit is left out, the least important first.

        Args:
            width: of the terminal.
            extra: of the editor: its mode.
        """
        parts = [*self._parts(), *([("class:bar", extra)] if extra else [])]
        shown: list[Style] = []
        left = width
        for style, text in parts:
            wide = width_of(text) + (2 if shown else 0)
            if wide > left:
                break
            shown += [("class:bar", "  "), (style, text)] if shown else [(style, text)]
            left -= wide
        return [*shown, ("class:bar", " " * left)]

    def _parts(self) -> list[Style]:
        """Most important first."""
        model = self._model
        place = model.place
        if place is None:
            return [("class:bar.bad", f"{model.node}: no process to speak to")]
        name = printable(place.process)
        if model.stale:
            return [("class:bar.bad", f"{name} has ended; waiting for the next")]
        parts = [("class:bar.name", name), ("class:bar", f"pid {place.pid}")]
        status = self._status
        if status is None or status.name != model.instance:
            return parts
        if "/" in place.process and place.process not in status.agents:
            return [("class:bar.bad", f"{name} has ended")]
        if not status.ready or status.state != "running":
            parts.append(("class:bar.bad", status.state.value if status.state != "running" else "not ready"))
        if status.memory is not None:
            parts.append(("class:bar", format_size(status.memory)))
        if status.cpu is not None:
            parts.append(("class:bar", f"cpu {status.cpu:.0f}%"))
        if status.lag is not None:
            late = status.lag >= LATE
            parts.append(("class:bar.bad" if late else "class:bar", f"lag {status.lag * 1000:.0f}ms"))
        if status.restarts:
            parts.append(("class:bar", f"restarts {status.restarts}"))
        if status.consoles > 1:
            parts.append(("class:bar", f"{status.consoles} consoles"))
        return parts
