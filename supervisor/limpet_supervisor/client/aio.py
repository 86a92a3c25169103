"""The client for asyncio programs: one connection, any number of requests and streams at once.

async with await AsyncClient.of_node("bookshop") as client:
    status = await client.request(messages.Status())
    async for item in client.stream(messages.Logs(follow=True)):
        ...
"""

import _socket
import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Final, Self

from limpet_supervisor.errors import LimpetError, NodeUnreachable, TimedOut
from limpet_supervisor.wire import codec, zmtp
from limpet_supervisor.wire.messages import AnyItem, AnyReply, Cancel, Item, Reply, Request, StreamEnd

from .sync import UNREAD, Client, connect, ended, raise_failure, reach

_CHUNK: Final = 256 * 1024


class _Answers:
    """What has come for one request and is not read yet."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[AnyItem | AnyReply | LimpetError] = asyncio.Queue()
        self.dropped = 0

    def put(self, answer: AnyItem | AnyReply) -> None:
        """Keeps it; items of one who does not read are dropped, so that the others' answers go on."""
        if isinstance(answer, Item) and self.queue.qsize() >= UNREAD:
            self.dropped += 1
            return
        if isinstance(answer, StreamEnd) and self.dropped:
            answer = StreamEnd(dropped=answer.dropped + self.dropped)
        self.queue.put_nowait(answer)


class AsyncClient:
    """A connection to a node, for the tasks of one event loop; made by `of_node`, `at` or `taking_over`."""

    def __init__(
        self,
        path: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        receiver: zmtp.Receiver,
        next_id: int,
    ) -> None:
        self.path = path
        self._reader = reader
        self._writer = writer
        self._receiver = receiver
        self._waiting: dict[int, _Answers] = {}
        self._next_id = next_id
        self._gone: LimpetError | None = None
        self.closed = asyncio.Event()
        """Set when the connection has ended, whoever ended it."""
        self._unsent = bytearray()
        if not receiver.ready:
            writer.write(zmtp.HELLO)
        self._task = asyncio.get_running_loop().create_task(self._receive())

    @classmethod
    async def of_node(cls, node: str) -> Self:
        """The client of the node of that name, wherever its socket is.

        Raises:
            NodeUnreachable: no such node runs; says where it was looked for.
            NotPermitted: it belongs to another user.
        """
        return await cls._over(*reach(node))

    @classmethod
    async def at(cls, path: str) -> Self:
        """The client of the node whose control socket is `path`.

        Raises:
            NodeUnreachable: nothing listens there.
            NotPermitted: it belongs to another user.
        """
        return await cls._over(path, connect(path))

    @classmethod
    async def taking_over(cls, client: Client) -> Self:
        """Goes on with the connection of a blocking client, whose requests have been answered."""
        return await cls._over(client.path, *client.hand_over())

    @classmethod
    async def _over(
        cls, path: str, raw: _socket.socket, receiver: zmtp.Receiver | None = None, next_id: int = 1
    ) -> Self:
        connection = socket.socket(fileno=raw.detach())
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=_CHUNK)
        return cls(path, reader, writer, receiver or zmtp.Receiver(), next_id)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Lets the connection go; requests under way end with NodeUnreachable."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def request(self, request: Request, timeout: float | None = 5.0) -> Any:  # noqa: ASYNC109 - as Client's
        """The final reply to `request`, of its struct's type; stream items before it are skipped.

        Cancelling the task that waits cancels the request at the node.

        Raises:
            TimedOut: no reply within `timeout` seconds (None: wait for ever).
            NodeUnreachable: the node went away.
            LimpetError: what the node answered, if it failed.
        """
        try:
            async with asyncio.timeout(timeout), self.streaming(request) as (_, answers):
                async for answer in answers:
                    if isinstance(answer, Reply):
                        return answer
        except TimeoutError as error:
            raise TimedOut("The node did not answer in time", f"asked at {self.path}") from error
        raise AssertionError("a stream ends with a reply or an error")

    async def stream(self, request: Request) -> AsyncIterator[AnyItem | AnyReply]:
        """The items of `request`, and its final reply as the last; closing it early sends Cancel."""
        async with self.streaming(request) as (_, answers):
            async for answer in answers:
                yield answer

    @asynccontextmanager
    async def streaming(
        self, request: Request
    ) -> AsyncIterator[tuple[int, AsyncIterator[AnyItem | AnyReply]]]:
        """The request's id, for `cancel`, and its answers; on leaving, Cancel is sent if it has not ended."""
        if self._gone is not None:
            raise self._gone
        request_id = self._send(request)
        waiting = self._waiting[request_id] = _Answers()
        try:
            yield request_id, self._answers(request_id, waiting)
        finally:
            if self._waiting.pop(request_id, None) is not None and self._gone is None:
                self.cancel(request_id)

    def cancel(self, request_id: int) -> None:
        """Asks the node to end a stream or interrupt an evaluation; its final reply still comes."""
        self._send(Cancel(request=request_id))

    async def _answers(self, request_id: int, waiting: _Answers) -> AsyncIterator[AnyItem | AnyReply]:
        while True:
            answer = await waiting.queue.get()
            if isinstance(answer, LimpetError):
                raise answer
            if isinstance(answer, Reply):
                self._waiting.pop(request_id, None)
                raise_failure(answer)
                yield answer
                return
            yield answer

    def _send(self, request: Request) -> int:
        request_id = self._next_id
        self._next_id += 1
        data = zmtp.encode(codec.encode_request(request_id, request))
        if self._receiver.ready:
            self._writer.write(data)
        else:
            self._unsent += data
        return request_id

    async def _receive(self) -> None:
        """Hands every answer to the one who waits for it, until the connection ends."""
        gone: LimpetError = NodeUnreachable("The node went away", f"{self.path} is closed", "see its logs")
        try:
            while data := await self._reader.read(_CHUNK):
                for frames in self._receiver.feed(data):
                    request_id, answer = codec.decode_answer(frames)
                    if waiting := self._waiting.get(request_id):
                        waiting.put(answer)
                if self._unsent and self._receiver.ready:
                    self._writer.write(bytes(self._unsent))
                    self._unsent.clear()
                if self._receiver.replies:
                    self._writer.write(bytes(self._receiver.replies))
                    self._receiver.replies.clear()
        except LimpetError as error:
            gone = error
        except OSError as error:
            gone = NodeUnreachable("The node went away", ended(error), "see its logs")
        finally:
            self._gone = gone
            self.closed.set()
            for waiting in self._waiting.values():
                waiting.queue.put_nowait(gone)
