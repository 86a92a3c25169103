"""The client of a node's control socket: public API, what every verb and console stands on.

from limpet_supervisor.client import Client, messages

with Client.of_node("bookshop") as client:
    status = client.request(messages.Status())
    with client.stream(messages.Logs(names=("web",), follow=True)) as stream:
        for item in stream:
            ...

directory   where a node keeps its sockets and state: the candidates, and why one was chosen
sync        Client
aio         AsyncClient, the same for asyncio programs

Each is imported when it is first used: where a node's pid file is can be asked without a message codec.
"""

from .directory import Candidate, RunDirectory, candidates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from limpet_supervisor.wire import messages

    from .aio import AsyncClient
    from .sync import Client

__all__ = ["AsyncClient", "Candidate", "Client", "RunDirectory", "candidates", "messages"]


def __getattr__(name: str) -> object:
    if name == "messages":
        from limpet_supervisor.wire import messages

        return messages
    if name == "Client":
        from .sync import Client

        return Client
    if name == "AsyncClient":
        from .aio import AsyncClient

        return AsyncClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
