"""A console's first requests, under way while the rest of it is imported: the node works meanwhile."""

import gc
import secrets

from limpet_shell.target import Target
from limpet_supervisor.client import Client, messages


class Opening:
    """A connection on which the session is being attached.

    Args:
        node: the node's name.
        process: where to attach; empty: the first process with an agent.

    Raises:
        LimpetError: the node cannot be reached.
    """

    def __init__(self, node: str, process: str) -> None:
        self.session = secrets.token_hex(6)
        self.client = Client.of_node(node)
        self._ping = self.client.stream(messages.Ping(), 5.0)
        self._attach = self.client.stream(messages.Attach(session=self.session, process=process), 10.0)

    def pong(self) -> messages.Pong:
        """Who answers.

        Raises:
            LimpetError: nobody does.
        """
        pong: messages.Pong = self._ping.reply()
        return pong

    def attached(self) -> messages.AttachReply:
        """Where the session is.

        Raises:
            LimpetError: nowhere.
        """
        reply: messages.AttachReply = self._attach.reply()
        return reply


def run_console(where: Target, process: str) -> int:
    """The console until the user leaves.

    Raises:
        LimpetError: the node cannot be reached, or has no such process with an agent.
    """
    gc.disable()  # until the first prompt: of what is imported nothing is garbage
    opening = Opening(where.node, process)
    from .terminal import run_opened

    return run_opened(where, process, opening)
