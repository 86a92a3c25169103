"""One expression in many processes: `:all` at the prompt."""

import asyncio

from limpet_shell import everywhere, render
from limpet_supervisor.client import messages
from limpet_supervisor.client.aio import AsyncClient
from limpet_supervisor.errors import LimpetError, TimedOut

from .screen import Screen


async def evaluate(client: AsyncClient, text: str, screen: Screen, limit: float | None) -> bool:
    """Evaluates it in all of them at once and shows the answers, equal ones together; whether all succeeded.

    Args:
        client: the node.
        text: the expression; before it, possibly, the process in whose instances alone.
        screen: where what they print appears as it comes, each line with its process's name.
        limit: seconds that each may take; None: any number.

    Raises:
        LimpetError: the node cannot be asked, or no process has an agent.
    """
    status: messages.StatusReply = await client.request(messages.Status())
    where, source = everywhere.addressed(text, status)
    names = everywhere.targets(status, where)
    replies = await asyncio.gather(*(_one(client, source, name, screen, limit) for name in names))
    screen.lines(render.grouped(replies, screen.paint))
    return all(reply.ok for reply in replies)


async def _one(
    client: AsyncClient, source: str, process: str, screen: Screen, limit: float | None
) -> messages.EvaluateReply:
    """What one process answers, or that it did not in time."""
    request = messages.Evaluate(source=source, process=process, timeout=limit)
    try:
        async with asyncio.timeout(None if limit is None else limit + everywhere.LATE):
            return await _read(client, request, screen)
    except TimeoutError:
        return everywhere.failed(process, TimedOut("no answer"), limit)
    except LimpetError as error:
        return everywhere.failed(process, error)


async def _read(client: AsyncClient, request: messages.Evaluate, screen: Screen) -> messages.EvaluateReply:
    async with client.streaming(request) as (_, answers):
        async for answer in answers:
            match answer:
                case messages.OutputItem(text=text):
                    item = messages.LogItem(process=request.process, lines=tuple(text.splitlines()))
                    screen.lines(render.log_lines(item, screen.paint, prefix=True, terminal=True))
                case messages.EvaluateReply():
                    return answer
                case _:
                    pass
    raise AssertionError("a stream ends with a reply or an error")
