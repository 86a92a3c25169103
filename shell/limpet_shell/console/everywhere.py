"""One expression in every process with an agent: `:all`."""

import asyncio

from limpet_shell import render
from limpet_supervisor.client import messages
from limpet_supervisor.client.aio import AsyncClient
from limpet_supervisor.errors import LimpetError, NoSuchProcess

from .screen import Screen


async def evaluate(client: AsyncClient, source: str, screen: Screen) -> bool:
    """Evaluates it in all of them at once and shows the answers, equal ones together; whether all succeeded.

    Raises:
        LimpetError: the node cannot be asked, or no process has an agent.
    """
    status: messages.StatusReply = await client.request(messages.Status())
    names = status.agents
    if not names:
        raise NoSuchProcess("No process has an agent", todo="see: :ps")
    replies = await asyncio.gather(*(_one(client, source, name, screen) for name in names))
    screen.lines(render.grouped(replies, screen.paint))
    return all(reply.ok for reply in replies)


async def _one(client: AsyncClient, source: str, process: str, screen: Screen) -> messages.EvaluateReply:
    """What one process answers; what it prints appears as it comes, each line with its name."""
    try:
        async for answer in client.stream(messages.Evaluate(source=source, process=process)):
            match answer:
                case messages.OutputItem(text=text):
                    item = messages.LogItem(process=process, lines=tuple(text.splitlines()))
                    screen.lines(render.log_lines(item, screen.paint, prefix=True, terminal=True))
                case messages.EvaluateReply():
                    return answer
                case _:
                    pass
    except LimpetError as error:
        return messages.EvaluateReply(process=process, ok=False, error=str(error))
    raise AssertionError("a stream ends with a reply or an error")
