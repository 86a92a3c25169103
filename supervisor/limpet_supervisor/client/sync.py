"""The client, blocking: one connection, any number of requests under way, no thread of its own."""

import os
import time
from _socket import AF_UNIX, SOCK_STREAM, socket
from collections import deque
from collections.abc import Collection, Iterator
from types import TracebackType
from typing import Any, Final, Self

from limpet_supervisor.errors import (
    BY_NAME,
    LimpetError,
    NodeUnreachable,
    NotPermitted,
    ProtocolError,
    TimedOut,
)
from limpet_supervisor.wire import codec, zmtp
from limpet_supervisor.wire.messages import (
    AnyItem,
    AnyReply,
    Cancel,
    Failure,
    Item,
    Reply,
    Request,
    StreamEnd,
)

from . import directory

_CHUNK: Final = 256 * 1024
UNREAD: Final = 10_000
"""Answers of one stream that wait to be read; later items are dropped, and counted in its StreamEnd."""
_HANDSHAKE: Final = 5.0
"""Seconds for the node to accept a connection, or to take what we write."""


def raise_failure(reply: Reply) -> None:
    """Raises the error that a Failure carries; any other reply passes."""
    if isinstance(reply, Failure):
        raise BY_NAME.get(reply.error, LimpetError)(reply.what, reply.why, reply.todo)


class Stream(Iterator[AnyItem | AnyReply]):
    """The answers to one request: its items, and its final reply as the last.

    A KeyboardInterrupt while it waits leaves it as it is: `cancel`, then go on to read how it ended.
    Used as a context manager (or by `close`), it cancels a request that has not ended.
    """

    def __init__(self, client: "Client", request_id: int, deadline: float | None) -> None:
        self._client = client
        self._deadline = deadline
        self.id = request_id
        self.answers: deque[AnyItem | AnyReply] = deque()
        self.dropped = 0
        """Items that came while others were read, and were too many."""
        self.finished = False

    def __next__(self) -> AnyItem | AnyReply:
        if not self.answers:
            if self.finished:
                raise StopIteration
            self._client.receive((self,), self._deadline)
        answer = self.answers.popleft()
        if isinstance(answer, Reply):
            self.finished = True
            self._client.forget(self)
            raise_failure(answer)
        return answer

    def put(self, answer: AnyItem | AnyReply) -> None:
        """Keeps it until it is read; of items no more than UNREAD."""
        if isinstance(answer, Item) and len(self.answers) >= UNREAD:
            self.dropped += 1
            return
        if isinstance(answer, StreamEnd) and self.dropped:
            answer = StreamEnd(dropped=answer.dropped + self.dropped)
        self.answers.append(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def reply(self) -> Any:
        """The final reply, of its struct's type; items before it are skipped."""
        for answer in self:
            if isinstance(answer, Reply):
                return answer
        raise AssertionError("a stream ends with a reply or an error")

    def cancel(self) -> None:
        """Asks the node to end the stream or to interrupt the evaluation; its final reply still comes."""
        self._client.send(Cancel(request=self.id))

    def close(self) -> None:
        """Cancels it if it has not ended, and forgets it."""
        if not self.finished:
            self.finished = True
            self._client.forget(self)
            self.cancel()


class Client:
    """A connection to a node. Not for several threads at once.

    Args:
        path: the control socket's path.
        connection: one that `reach` has made to it.

    Raises:
        NodeUnreachable: nothing listens there.
        NotPermitted: it belongs to another user.
    """

    def __init__(self, path: str, connection: socket | None = None) -> None:
        self.path = path
        self._streams: dict[int, Stream] = {}
        self._next_id = 1
        self._receiver = zmtp.Receiver()
        self._socket = connection or connect(path)
        self._greet()

    @classmethod
    def of_node(cls, node: str) -> Self:
        """The client of the node of that name, wherever its socket is.

        Raises:
            NodeUnreachable: no such node runs; says where it was looked for.
        """
        path, connection = reach(node)
        return cls(path, connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets the connection go; a stream that is followed ends at the node."""
        self._streams.clear()
        self._socket.close()

    def request(self, request: Request, timeout: float | None = 5.0) -> Any:
        """The final reply to `request`, of its struct's type; stream items before it are skipped.

        Raises:
            TimedOut: no reply within `timeout` seconds (None: wait for ever).
            NodeUnreachable: the node went away.
            LimpetError: what the node answered, if it failed.
        """
        with self.stream(request, timeout) as stream:
            return stream.reply()

    def hand_over(self) -> tuple[socket, zmtp.Receiver, int]:
        """The connection, what it has received, and the next request's id; this client is of no use then."""
        self._streams.clear()
        return self._socket, self._receiver, self._next_id

    def stream(self, request: Request, timeout: float | None = None) -> Stream:
        """The items of `request`, and its final reply as the last; `timeout` is for the whole.

        The request is under way at once; several streams may be, and be read one after the other.
        """
        stream = Stream(self, 0, None if timeout is None else time.monotonic() + timeout)
        stream.id = self.send(request)
        self._streams[stream.id] = stream
        return stream

    def send(self, request: Request) -> int:
        """Sends a request and returns its id; what answers it is dropped unless a stream reads it."""
        request_id = self._next_id
        self._next_id += 1
        self._write(zmtp.encode(codec.encode_request(request_id, request)))
        return request_id

    def forget(self, stream: Stream) -> None:
        """Drops what still comes for a stream."""
        self._streams.pop(stream.id, None)

    def receive(self, streams: Collection[Stream], deadline: float | None) -> None:
        """Reads until there is an answer for one of `streams`; answers for the others are kept for them.

        Raises:
            TimedOut: there was none before `deadline` (monotonic).
            NodeUnreachable: the node went away.
        """
        while not any(stream.answers for stream in streams):
            for frames in self._receiver.feed(self._read(deadline)):
                request_id, answer = codec.decode_answer(frames)
                if waiting := self._streams.get(request_id):
                    waiting.put(answer)
                elif request_id == 0:
                    raise ProtocolError("The node could not read a request", str(answer))
            if self._receiver.replies:
                self._write(bytes(self._receiver.replies))
                self._receiver.replies.clear()

    def _greet(self) -> None:
        """The connection's handshake."""
        deadline = time.monotonic() + _HANDSHAKE
        try:
            self._write(zmtp.HELLO)
            while not self._receiver.ready:
                self._receiver.feed(self._read(deadline))
        except LimpetError:
            self._socket.close()
            raise

    def _read(self, deadline: float | None) -> bytes:
        wait = None if deadline is None else deadline - time.monotonic()
        if wait is not None and wait <= 0:
            raise self._late()
        self._socket.settimeout(wait)
        try:
            data = self._socket.recv(_CHUNK)
        except TimeoutError as error:
            raise self._late() from error
        except OSError as error:
            raise self._gone(ended(error)) from error
        if not data:
            raise self._gone("it closed the connection")
        return data

    def _write(self, data: bytes) -> None:
        self._socket.settimeout(_HANDSHAKE)
        try:
            self._socket.sendall(data)
        except TimeoutError as error:
            raise self._late() from error
        except OSError as error:
            raise self._gone(ended(error)) from error

    def _late(self) -> TimedOut:
        return TimedOut(
            "The node did not answer in time", f"asked at {self.path}", "is it busy? see its logs"
        )

    def _gone(self, why: str | None) -> NodeUnreachable:
        return NodeUnreachable("The node went away", why or f"{self.path} is closed", "see its logs")


def ended(error: OSError) -> str:
    """Why a connection is no more, for a person: however the kernel tells it, the node has closed it."""
    return "it closed the connection" if isinstance(error, ConnectionError) else error.strerror or str(error)


def reach(node: str) -> tuple[str, socket]:
    """The control socket of the node of that name, and a connection to it, wherever it is.

    Raises:
        NodeUnreachable: no such node runs; says where it was looked for and what is there.
        NotPermitted: it belongs to another user.
    """
    places = directory.places(node)
    refused: LimpetError | None = None
    for place in places:
        path = directory.RunDirectory(*place).control
        if os.path.exists(path):
            try:
                return path, connect(path)
            except (NodeUnreachable, NotPermitted) as error:
                refused = refused or error
    if isinstance(refused, NotPermitted):
        raise refused
    for place in places:
        if pid := directory.pid_of(place.path):
            why = f"pid {pid} of {place.path} lives, and its control socket does not answer"
            raise NodeUnreachable(f"{node} does not answer", why, "if it is starting or stopping, try again")
    for place in places:
        if failed := _last_failure(directory.RunDirectory(*place)):
            raise NodeUnreachable(f"{node} is not running", *failed)
    why = refused.why if refused else f"no control socket in {', '.join(place.path for place in places)}"
    raise NodeUnreachable(f"{node} is not running", why, "start it first")


def _last_failure(place: directory.RunDirectory) -> tuple[str, str] | None:
    """Why the last node there failed, and where to read more; None if it did not."""
    try:
        with open(place.failure, encoding="utf-8", errors="replace") as file:
            return f"it failed at {file.read().strip()}", f"see limpet logs, and {place.logs}"
    except OSError:
        return None


def connect(path: str) -> socket:
    """A connection to the control socket at `path`.

    Raises:
        NodeUnreachable: nothing listens there.
        NotPermitted: it belongs to another user.
    """
    connection = socket(AF_UNIX, SOCK_STREAM)
    connection.settimeout(_HANDSHAKE)
    try:
        connection.connect(path)
    except FileNotFoundError as error:
        connection.close()
        raise NodeUnreachable("The node is not running", f"there is no {path}", "start it first") from error
    except PermissionError as error:
        connection.close()
        raise _not_permitted(path) from error
    except OSError as error:
        connection.close()
        why = f"nothing listens on {path} ({error.strerror or error}): a node left it behind"
        raise NodeUnreachable("The node is not running", why, "start it again") from error
    return connection


def _not_permitted(path: str) -> NotPermitted:
    try:
        owner = f"it belongs to uid {os.stat(path).st_uid}, you are uid {os.geteuid()}"
    except OSError:
        owner = f"you are uid {os.geteuid()}"
    return NotPermitted(f"{path} may not be used", owner, "run this as the node's user")
