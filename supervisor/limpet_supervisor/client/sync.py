"""The client, blocking: one DEALER socket, one request at a time."""

import os
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import zmq

from limpet_supervisor.errors import BY_NAME, LimpetError, NodeUnreachable, NotPermitted, TimedOut
from limpet_supervisor.wire import codec
from limpet_supervisor.wire.messages import AnyItem, AnyReply, Cancel, Failure, Reply, Request

from . import directory


def raise_failure(reply: Reply) -> None:
    """Raises the error that a Failure carries; any other reply passes."""
    if isinstance(reply, Failure):
        raise BY_NAME.get(reply.error, LimpetError)(reply.what, reply.why, reply.todo)


class Client:
    """A connection to a node. Not for several threads at once.

    Args:
        path: the control socket's path.

    Raises:
        NodeUnreachable: nothing listens there.
        NotPermitted: it belongs to another user.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        _reach(path)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.rcvhwm = 1000
        self._socket.connect(f"ipc://{path}")
        self._next_id = 1

    @classmethod
    def of_node(cls, node: str) -> Self:
        """The client of the node of that name, wherever its socket is.

        Raises:
            NodeUnreachable: no such node runs; says where it was looked for.
        """
        found, places = directory.find(node)
        if found is None:
            raise unreachable(node, places)
        return cls(found.control)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets the connection go; a stream that is followed ends at the node."""
        self._socket.close(linger=0)
        self._context.term()

    def request(self, request: Request, timeout: float | None = 5.0) -> Any:
        """The final reply to `request`, of its struct's type; stream items before it are skipped.

        Raises:
            TimedOut: no reply within `timeout` seconds (None: wait for ever).
            LimpetError: what the node answered, if it failed.
        """
        request_id = self._send(request)
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            answer = self._receive(request_id, deadline)
            if isinstance(answer, Reply):
                raise_failure(answer)
                return answer

    def stream(self, request: Request, timeout: float | None = None) -> Iterator[AnyItem | AnyReply]:
        """The items of `request`, and its final reply as the last; `timeout` is for the whole.

        An iterator that is closed early (or interrupted) sends Cancel.
        """
        request_id = self._send(request)
        deadline = None if timeout is None else time.monotonic() + timeout
        finished = False
        try:
            while True:
                answer = self._receive(request_id, deadline)
                if isinstance(answer, Reply):
                    finished = True
                    raise_failure(answer)
                    yield answer
                    return
                yield answer
        finally:
            if not finished:
                self._send(Cancel(request=request_id))

    def _send(self, request: Request) -> int:
        request_id = self._next_id
        self._next_id += 1
        self._socket.send_multipart(codec.encode_request(request_id, request))
        return request_id

    def _receive(self, request_id: int, deadline: float | None) -> AnyItem | AnyReply:
        while True:
            wait = None if deadline is None else max(0, int((deadline - time.monotonic()) * 1000))
            if not self._socket.poll(wait):
                raise TimedOut("The node did not answer in time", todo=f"is it busy? see {self.path}")
            answered, answer = codec.decode_answer(self._socket.recv_multipart())
            if answered == request_id:
                return answer


def unreachable(node: str, places: list[directory.Candidate]) -> NodeUnreachable:
    """The error that says where a node was looked for, and what is there."""
    looked = ", ".join(place.path for place in places)
    for place in places:
        pid = _pid_of(place.path)
        if pid is not None:
            why = f"pid {pid} of {place.path} is alive, but its control socket is gone"
            return NodeUnreachable(f"{node} does not answer", why, f"looked in: {looked}")
    return NodeUnreachable(f"{node} is not running", f"no control socket in: {looked}", "start it first")


def _pid_of(path: str) -> int | None:
    """The pid in a node's pid file, if that process lives."""
    try:
        with open(f"{path}/pid") as file:
            pid = int(file.read())
        os.kill(pid, 0)
    except PermissionError:
        return pid or None
    except (OSError, ValueError):
        return None
    return pid


def _reach(path: str) -> None:
    """Whether something listens at `path`: ZeroMQ itself would wait in silence."""
    from _socket import AF_UNIX, SOCK_STREAM, socket

    probe = socket(AF_UNIX, SOCK_STREAM)
    try:
        probe.connect(path)
    except FileNotFoundError as error:
        raise NodeUnreachable("The node is not running", f"there is no {path}", "start it first") from error
    except PermissionError as error:
        raise _not_permitted(path) from error
    except OSError as error:
        raise NodeUnreachable(
            "The node is not running", f"nothing listens on {path}: a node left it behind", "start it again"
        ) from error
    finally:
        probe.close()


def _not_permitted(path: str) -> NotPermitted:
    try:
        owner = f"it belongs to uid {os.stat(path).st_uid}, you are uid {os.geteuid()}"
    except OSError:
        owner = f"you are uid {os.geteuid()}"
    return NotPermitted(f"{path} may not be used", owner, "run this as the node's user")
