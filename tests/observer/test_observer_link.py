"""Between the observer and its node: what fails is told once, and nothing is left when it goes."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from limpet_shell.observer.link import Link
from limpet_shell.observer.state.model import Model
from limpet_supervisor.errors import NodeUnreachable, NoSuchProcess
from limpet_supervisor.wire import messages as m
from support.observing import NODE, statuses


class Client:
    """A node that answers Status, and nothing else."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.asked: list[m.Request] = []
        self._closing = asyncio.Event()
        self.gone: tuple[str, ...] = ()

    async def request(self, request: m.Request, _timeout: float | None) -> Any:
        self.asked.append(request)
        if isinstance(request, m.Status):
            if missing := [name for name in request.names if name in self.gone]:
                raise NoSuchProcess(f"There is no process {missing[0]}")
            known = (each for each in statuses() if each.name not in self.gone)
            return m.StatusReply(
                NODE, tuple(each for each in known if each.name in (request.names or each.name))
            )
        await self._closing.wait()
        raise NodeUnreachable("The node went away")

    @asynccontextmanager
    async def streaming(self, _request: m.Request) -> AsyncIterator[tuple[int, AsyncIterator[Any]]]:
        yield 1, self._nothing()

    async def _nothing(self) -> AsyncIterator[Any]:
        await self._closing.wait()
        for item in ():
            yield item

    async def close(self) -> None:
        self._closing.set()


def observing(model: Model, client: Client, drawn: list[None]) -> Link:
    async def connect() -> Any:
        return client

    return Link(model, connect, lambda: drawn.append(None))


async def until(is_so: Callable[[], object]) -> None:
    """Waits until it is so, a minute at most."""
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.001)


def test_an_observer_that_goes_while_it_asks_leaves_no_task_and_says_nothing() -> None:
    """The console below it showed that an exception was never retrieved."""
    said: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: said.append(context))
        client = Client()
        running = asyncio.ensure_future(observing(Model("shop"), client, []).run())
        await until(lambda: client.asked)
        running.cancel()
        await asyncio.wait([running])
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    gc.collect()
    assert not said


def test_a_process_that_is_removed_is_gone_on_its_own_page_and_costs_the_others_nothing() -> None:
    """Each refresh of a page that asks for no sample failed, as long as it was seen."""

    async def main() -> None:
        client, drawn = Client(), []
        model = Model("shop", interval=0.5)
        model.number = model.pages.index(model.events)
        link = observing(model, client, drawn)
        running = asyncio.ensure_future(link.run())
        await until(lambda: model.instances)
        first = model.instances[0]
        client.gone = (first,)
        for _ in range(3):
            count = len(drawn)
            link.ask()
            await until(lambda: len(drawn) > count)  # noqa: B023 - used at once
        assert model.events.error == ""
        assert first not in model.instances
        assert model.instances
        model.open(first, "Log")
        link.ask()
        await until(lambda: model.detail is not None and model.detail.gone)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(main())
