"""From the command line, or from the console, to the observer on the terminal."""

import asyncio
import os
import signal

from limpet_shell import output
from limpet_supervisor.client.aio import AsyncClient
from limpet_supervisor.errors import UsageError

from .state.model import Model
from .terminal import Terminal, shows_unicode


async def observe(node: str, *, destructive: bool = False, interval: float = 2.0, page: str = "") -> None:
    """The observer of that node on this terminal, until the user leaves.

    Args:
        node: its name.
        destructive: whether processes may be restarted, stopped and killed from it.
        interval: seconds between two refreshes.
        page: which it begins with, by the beginning of its title; empty: the first.

    Raises:
        LimpetError: the node cannot be reached.
        UsageError: there is no such page.
    """
    model = Model(node, destructive=destructive, interval=interval)
    model.number = _number(model, page)

    async def connect() -> AsyncClient:
        return await AsyncClient.of_node(node)

    # One that does not run is told of where it was asked for, not on a screen of its own.
    await (await connect()).close()
    coloured = output.painter() is output.paint
    await Terminal(model, connect, coloured=coloured, unicode=shows_unicode(os.environ)).run()


def _number(model: Model, page: str) -> int:
    if not page:
        return 0
    titles = [each.title.lower() for each in model.pages]
    meant = [number for number, title in enumerate(titles) if title.startswith(page.lower())]
    if len(meant) != 1:
        raise UsageError(f"There is no page {page}", f"there are {', '.join(titles)}")
    return meant[0]


def run_observer(node: str, *, destructive: bool, interval: float, page: str) -> int:
    """The observer as a command.

    Raises:
        LimpetError: the node cannot be reached.
    """

    async def run() -> None:
        observing = asyncio.ensure_future(
            observe(node, destructive=destructive, interval=interval, page=page)
        )
        # The terminal is given back as it was, also by one that is told to end.
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, observing.cancel)
        await asyncio.wait([observing])
        if not observing.cancelled():
            observing.result()

    asyncio.run(run())
    return 0
