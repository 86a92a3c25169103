"""A scripted node: a real ROUTER on a real socket, answering from a table, in a thread."""

import os
import threading
from collections.abc import Callable, Iterator
from typing import Self, TypeVar

import zmq

from limpet_supervisor.wire import codec, messages
from limpet_supervisor.wire.messages import Item, Reply, Request

Answers = Iterator[Item | Reply]
Script = Callable[[Request], Answers]
Kind = TypeVar("Kind", bound=Request)


class FakeNode:
    """Answers each request with what `script(request)` yields; used as a context manager.

    A script that yields no final reply leaves the request open; `say` answers it later.

    Args:
        directory: the node's run directory.
        script: what to answer.
    """

    def __init__(self, directory: str, script: Script) -> None:
        self.directory = directory
        self.path = f"{directory}/control.sock"
        self.script = script
        self.requests: list[Request] = []
        self.peers: list[bytes] = []
        self._seen = threading.Condition()
        self._context = zmq.Context()
        self._wake = self._context.socket(zmq.PAIR)
        self._wake.bind(f"inproc://{id(self)}")
        self._thread = threading.Thread(target=self._serve)
        self._ids: dict[int, tuple[bytes, int]] = {}
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Goes away, as a node that ends does."""
        if self._thread.is_alive():
            self._wake.send(b"")
            self._thread.join(10)
        self._wake.close(0)
        self._context.term()

    def say(self, request: Request, answer: Item | Reply) -> None:
        """Answers an earlier request, which `wait_for` returned."""
        peer, request_id = self._ids[id(request)]
        self._wake.send_multipart([peer, *codec.encode_answer(request_id, answer)])

    def wait_for(self, kind: type[Kind], count: int = 1, timeout: float = 20) -> Kind:
        """The `count`th request of that kind, when it has come."""

        def found() -> list[Kind]:
            return [request for request in self.requests if isinstance(request, kind)]

        with self._seen:
            assert self._seen.wait_for(lambda: len(found()) >= count, timeout), f"no {kind.__name__} came"
            return found()[count - 1]

    def _serve(self) -> None:
        router = self._context.socket(zmq.ROUTER)
        router.bind(f"ipc://{self.path}")
        woken = self._context.socket(zmq.PAIR)
        woken.connect(f"inproc://{id(self)}")
        poller = zmq.Poller()
        poller.register(router, zmq.POLLIN)
        poller.register(woken, zmq.POLLIN)
        self._ready.set()
        try:
            while True:
                for socket, _ in poller.poll():
                    if socket is woken:
                        message = woken.recv_multipart()
                        if message == [b""]:
                            return
                        router.send_multipart(message)
                        continue
                    peer, *frames = router.recv_multipart()
                    self._answer(router, peer, frames)
        finally:
            woken.close(0)
            router.close(0)

    def _answer(self, router: zmq.Socket, peer: bytes, frames: list[bytes]) -> None:
        request_id, request = codec.decode_request(frames)
        with self._seen:
            self.requests.append(request)
            self._ids[id(request)] = (peer, request_id)
            self._seen.notify_all()
        if isinstance(request, messages.Cancel):
            router.send_multipart([peer, *codec.encode_answer(request_id, messages.Done())])
        for answer in self.script(request):
            router.send_multipart([peer, *codec.encode_answer(request_id, answer)])
