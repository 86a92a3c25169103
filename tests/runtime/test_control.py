"""The control socket under clients that do not read, and bugs in what answers them."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from limpet_supervisor.client import Client
from limpet_supervisor.daemon.control import Answer, Control
from limpet_supervisor.runtime.history import Batch
from limpet_supervisor.runtime.listeners import Follower
from limpet_supervisor.runtime.reactor import Reactor
from limpet_supervisor.wire import codec, zmtp
from limpet_supervisor.wire import messages as m

BOUND = 30.0


@contextmanager
def control(directory: Path, handle: Callable[[m.AnyRequest, Answer], None]) -> Iterator[str]:
    """A control socket whose loop runs in a thread; its path."""
    path = str(directory / "c.sock")
    reactor = Reactor()
    reactor.on_error = lambda _error: None
    made = Control(reactor, path, handle, lambda _peer: None)

    def run() -> None:
        reactor.run()
        made.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield path
    finally:
        reactor.call_from_thread(reactor.stop)
        thread.join(BOUND)
        reactor.close()


def test_a_client_that_reads_late_loses_items_and_is_told_how_many(tmp_path: Path) -> None:
    """Its queue is full when the stream ends: the reply that says so waits for it."""
    full = threading.Event()

    def handle(_request: m.AnyRequest, answer: Answer) -> None:
        while answer.dropped < 7:
            answer.item(m.OutputItem(stream="stdout", text="x" * 10_000))
        answer.reply(m.StreamEnd())
        full.set()

    with control(tmp_path, handle) as path, Client(path) as client:
        stream = client.stream(m.Logs(follow=True), timeout=BOUND)
        assert full.wait(BOUND)
        *_items, last = stream
        assert last == m.StreamEnd(dropped=7)


def test_a_bug_in_one_request_leaves_the_next_one_answered(tmp_path: Path) -> None:
    """The socket's descriptor is edge-triggered: what is not taken now is not told of again."""

    def handle(request: m.AnyRequest, answer: Answer) -> None:
        if isinstance(request, m.Tree):
            raise ZeroDivisionError
        answer.reply(m.Done("answered"))

    asked = (m.Tree(), m.Tree(), m.Ping(), m.Tree())
    at_once = b"".join(zmtp.encode(codec.encode_request(k, each)) for k, each in enumerate(asked, 1))
    with control(tmp_path, handle) as path, socket.socket(socket.AF_UNIX) as client:
        client.settimeout(BOUND)
        client.connect(path)
        client.sendall(zmtp.HELLO)
        receiver = zmtp.Receiver()
        while not receiver.ready:
            receiver.feed(client.recv(65536))
        client.sendall(at_once)
        said: list[int] = []
        while len(said) < len(asked):
            said += (codec.decode_answer(frames)[0] for frames in receiver.feed(client.recv(65536)))
        assert said == [1, 2, 3, 4]


def test_a_follower_gets_long_lines_in_small_batches() -> None:
    """Thousands of batches may wait for a slow client; each is a message."""
    reactor = Reactor()
    got: list[list[str]] = []
    follower = Follower(reactor, None, lambda _name, lines: got.append(lines), lambda _follower: None)
    lines = [str(number) * 4000 for number in range(10)] * 10
    follower.offer("p.1", Batch(lines, [None] * len(lines)))
    while len(got) < 10 or sum(map(len, got)) < len(lines):
        reactor.turn()
    reactor.close()
    assert [line for batch in got for line in batch] == lines
    assert max(sum(map(len, batch)) for batch in got) <= 32 * 1024
