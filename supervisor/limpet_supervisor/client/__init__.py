"""The client of a node's control socket: public API, what every verb and console stands on.

from limpet_supervisor.client import Client, messages

with Client.of_node("bookshop") as client:
    status = client.request(messages.Status())
    for item in client.stream(messages.Logs(names=("web",), follow=True)):
        ...

directory   where a node keeps its sockets and state: the candidates, and why one was chosen
sync        Client
aio         AsyncClient, the same for asyncio programs (imported only by those)
"""

from limpet_supervisor.wire import messages

from .directory import Candidate, RunDirectory, candidates
from .sync import Client

__all__ = ["Candidate", "Client", "RunDirectory", "candidates", "messages"]
