"""The console's connection to its node: attach, evaluate, complete, and attach again after a restart."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Final

from limpet_supervisor.client import Client, messages
from limpet_supervisor.client.aio import AsyncClient
from limpet_supervisor.errors import LimpetError, NodeUnreachable
from limpet_supervisor.model.status import ProcessStatus

from .model import Model, Place
from .opening import Opening

_SOON: Final = 1.0
"""Seconds that the prompt waits for a completion, before it does without."""
_CHECK: Final = 0.5
"""Seconds that Enter waits to hear whether the input is complete, before it runs it as it is."""

Answers = AbstractAsyncContextManager[tuple[int, AsyncIterator[messages.AnyItem | messages.AnyReply]],]


class Link:
    """One console session at a node.

    Attributes:
        name: the session's name: namespaces in the processes are kept under it.
    """

    def __init__(self, model: Model, opening: Opening | None = None) -> None:
        self.name = opening.session if opening else secrets.token_hex(6)
        self._model = model
        self._opening = opening
        self._first: messages.AttachReply | LimpetError | None = None
        self._client: AsyncClient | None = None
        self._checker: Client | None = None

    @property
    def client(self) -> AsyncClient:
        """The connection.

        Raises:
            NodeUnreachable: there is none.
        """
        if self._client is None or self._client.closed.is_set():
            raise NodeUnreachable(f"{self._model.node} is not connected")
        return self._client

    @property
    def lost(self) -> bool:
        """Whether there is no connection."""
        return self._client is None or self._client.closed.is_set()

    async def connect(self) -> AsyncClient:
        """The connection, made anew if it has ended.

        Raises:
            NodeUnreachable: the node does not run.
        """
        if self._client is not None and self._client.closed.is_set():
            await self._client.close()
            self._client = None
        if self._client is None:
            self._client = await AsyncClient.of_node(self._model.node)
        return self._client

    async def greet(self) -> messages.Pong:
        """The first words of the node; goes on with the connection of the opening, if there was one.

        Raises:
            LimpetError: there is no node, or it does not answer.
        """
        opening, self._opening = self._opening, None
        if opening is None:
            pong: messages.Pong = await (await self.connect()).request(messages.Ping())
            return pong
        pong = opening.pong()
        try:
            self._first = opening.attached()
        except LimpetError as error:
            self._first = error
        self._client = await AsyncClient.taking_over(opening.client)
        return pong

    async def close(self) -> None:
        """Leaves: the session's variables go, the node and its processes stay."""
        self._forget_checker()
        client, self._client = self._client, None
        if client is None:
            return
        if not client.closed.is_set():
            with suppress(LimpetError):  # the node drops the sessions of a client that has left
                await client.request(messages.Detach(session=self.name), _SOON)
        await client.close()

    async def attach(self, process: str) -> bool:
        """Opens or moves the session; whether it is in another process than before.

        Raises:
            LimpetError: there is no such process, or it has no agent, or no node.
        """
        first, self._first = self._first, None
        if isinstance(first, LimpetError):
            raise first
        reply = first or await self._attach(process)
        return self._model.moved(Place(reply.process, reply.pid, reply.python, reply.loops, reply.others))

    async def _attach(self, process: str) -> messages.AttachReply:
        client = await self.connect()
        reply: messages.AttachReply = await client.request(
            messages.Attach(session=self.name, process=process), 10.0
        )
        return reply

    def evaluate(self, source: str, timeout: float | None = 30.0, *, numbered: bool = True) -> Answers:
        """The answers to an evaluation in the session."""
        request = messages.Evaluate(
            source=source,
            process=self._model.process,
            session=self.name,
            timeout=timeout,
            numbered=numbered,
        )
        return self.client.streaming(request)

    async def complete(self, source: str) -> messages.CompleteReply | None:
        """Completions at the end of `source`; None if nobody can say in time."""
        request = messages.Complete(session=self.name, process=self._model.process, source=source)
        reply: messages.CompleteReply | None = await self._soon(request)
        return reply

    async def signature(self, source: str, *, named: bool = False) -> messages.SignatureReply | None:
        """The call that the end of `source` stands in, or `named`: what that end names; None likewise."""
        request = messages.Signature(
            session=self.name, process=self._model.process, source=source, name=named
        )
        reply: messages.SignatureReply | None = await self._soon(request)
        return reply

    def check(self, source: str) -> messages.CheckReply | None:
        """Whether `source` is complete by the process's own grammar; None if nobody can say in time.

        It blocks, for a millisecond as a rule, on a connection of its own: keys that are typed or pasted
        after Enter must not overtake it.
        """
        request = messages.Check(session=self.name, process=self._model.process, source=source)
        try:
            if self._checker is None:
                self._checker = Client(self.client.path)
            reply: messages.CheckReply = self._checker.request(request, _CHECK)
        except LimpetError:
            self._forget_checker()
            return None
        return reply

    def _forget_checker(self) -> None:
        if self._checker is not None:
            self._checker.close()
            self._checker = None

    async def names(self, *, members: bool = False) -> list[str]:
        """Names of processes and instances, and of what is below them and has an agent, for completion."""
        reply: messages.StatusReply | None = await self._soon(messages.Status())
        if reply is None:
            return []
        instances = [process.name for process in reply.processes]
        below = [name for name in reply.agents if "/" in name] if members else []
        return [*dict.fromkeys(name.rpartition(".")[0] for name in instances), *instances, *below]

    async def status(self, instance: str) -> ProcessStatus | None:
        """How an instance is; None if nobody can say."""
        reply: messages.StatusReply | None = await self._soon(messages.Status(names=(instance,)))
        return reply.processes[0] if reply and reply.processes else None

    async def _soon(self, request: messages.Request) -> Any:
        try:
            return await self.client.request(request, _SOON)
        except LimpetError:
            return None
