"""The client, blocking and asyncio, against a real ROUTER."""

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from limpet_supervisor.client import AsyncClient, Client, messages
from limpet_supervisor.client.directory import RunDirectory
from limpet_supervisor.client.sync import ended
from limpet_supervisor.errors import NodeUnreachable, NoSuchProcess, ProtocolError, TimedOut
from support.command import Shops, open_shop, shop
from support.told import answers


@pytest.fixture
def bookshop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shops]:
    with open_shop() as (place, node):
        monkeypatch.setenv("RELEASE_TMP", place.directory)
        yield place, node


def open_ended(request: messages.Request) -> Iterator[messages.Item | messages.Reply]:
    """A script in which logs go on, until they are cancelled."""
    if not isinstance(request, messages.Logs):
        yield from answers(request)


# -- blocking --


@pytest.mark.usefixtures("bookshop")
def test_a_request_is_answered_by_its_reply() -> None:
    with Client.of_node("bookshop") as client:
        assert client.request(messages.Ping()).node == "bookshop"
        assert client.request(messages.Status()).processes[0].name == "web.1"


@pytest.mark.usefixtures("bookshop")
def test_a_failure_is_raised_as_the_nodes_error() -> None:
    with Client.of_node("bookshop") as client, pytest.raises(NoSuchProcess) as caught:
        client.request(messages.Why(name="nobody"))
    assert caught.value.why == "there is web"


@pytest.mark.usefixtures("bookshop")
def test_a_stream_gives_its_items_and_then_its_reply() -> None:
    with Client.of_node("bookshop") as client:
        items = list(client.stream(messages.Logs()))
    assert [type(item) for item in items] == [messages.LogItem, messages.StreamEnd]


@pytest.mark.usefixtures("bookshop")
def test_streams_that_run_at_once_do_not_mix() -> None:
    with Client.of_node("bookshop") as client:
        first = client.stream(messages.Evaluate(source="one"))
        second = client.stream(messages.Evaluate(source="two"))
        assert [answer.value for answer in second] == ["<two>"]  # type: ignore[union-attr]
        assert [answer.value for answer in first] == ["<one>"]  # type: ignore[union-attr]


def test_a_stream_that_is_left_is_cancelled(bookshop: Shops) -> None:
    _, node = bookshop
    node.script = open_ended
    with Client.of_node("bookshop") as client:
        with client.stream(messages.Logs(follow=True)) as stream:
            logs = node.wait_for(messages.Logs)
            node.say(logs, messages.LogItem(process="web.1", lines=("a",)))
            assert next(stream) == messages.LogItem(process="web.1", lines=("a",))
        assert node.wait_for(messages.Cancel) == messages.Cancel(request=stream.id)
        assert client.request(messages.Ping()).node == "bookshop"


def test_a_stream_that_is_not_read_loses_items_and_is_told_how_many(
    bookshop: Shops, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, node = bookshop
    monkeypatch.setattr("limpet_supervisor.client.sync.UNREAD", 10)
    items = [messages.LogItem(process="web.1", lines=(str(k),)) for k in range(25)]
    node.script = lambda request: (
        iter([*items, messages.StreamEnd(dropped=1)])
        if isinstance(request, messages.Logs)
        else answers(request)
    )
    with Client.of_node("bookshop") as client:
        stream = client.stream(messages.Logs())
        client.request(messages.Ping())  # what came before is here by then
        assert list(stream) == [*items[:10], messages.StreamEnd(dropped=16)]


def test_a_reply_that_does_not_come_is_timed_out(bookshop: Shops) -> None:
    _, node = bookshop
    node.script = open_ended
    with Client.of_node("bookshop") as client:
        with pytest.raises(TimedOut):
            client.request(messages.Logs(), timeout=0.05)
        assert client.request(messages.Ping()).node == "bookshop"


def test_the_end_of_the_node_ends_a_request(bookshop: Shops) -> None:
    """ZeroMQ would wait for another node, in silence."""
    _, node = bookshop
    node.script = open_ended
    with Client.of_node("bookshop") as client:
        stream = client.stream(messages.Logs(follow=True))
        node.wait_for(messages.Logs)
        node.stop()
        with pytest.raises(NodeUnreachable, match="went away"):
            next(stream)


@pytest.mark.parametrize("error", [errno.EPIPE, errno.ECONNRESET])
def test_a_node_that_has_closed_is_told_of_in_words(error: int) -> None:
    assert ended(OSError(error, os.strerror(error))) == "it closed the connection"


def test_a_large_answer_arrives_whole(bookshop: Shops) -> None:
    _, node = bookshop
    lines = tuple("x" * 1000 for _ in range(2000))
    node.script = lambda _: iter([messages.LogItem(process="web.1", lines=lines), messages.StreamEnd()])
    with Client.of_node("bookshop") as client:
        assert next(client.stream(messages.Logs())) == messages.LogItem(process="web.1", lines=lines)


def test_what_is_not_there_says_where_it_was_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with shop() as place:
        monkeypatch.setenv("RELEASE_TMP", place.directory)
        with pytest.raises(NodeUnreachable) as caught:
            Client.of_node("bookshop")
    assert caught.value.what == "bookshop is not running"
    assert f"{place.directory}/bookshop" in caught.value.why


def test_a_socket_that_nobody_listens_on_is_a_node_that_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with shop() as place:
        monkeypatch.setenv("RELEASE_TMP", place.directory)
        os.mkdir(f"{place.directory}/bookshop")
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(RunDirectory(f"{place.directory}/bookshop", "").control)
        with pytest.raises(NodeUnreachable, match="bookshop is not running"):
            Client.of_node("bookshop")


def test_a_listener_that_is_no_node_is_a_protocol_error() -> None:
    with shop() as place, socket.socket(socket.AF_UNIX) as listener:
        path = f"{place.directory}/web.sock"
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        server = threading.Thread(target=serve)
        server.start()
        with pytest.raises(ProtocolError):
            Client(path)
        server.join()


# -- asyncio --


@pytest.mark.usefixtures("bookshop")
def test_requests_and_streams_run_at_once() -> None:
    async def ask() -> None:
        async with await AsyncClient.of_node("bookshop") as client:
            sources = [str(k) for k in range(50)]
            replies = await asyncio.gather(
                *(client.request(messages.Evaluate(source=source)) for source in sources)
            )
            assert [reply.value for reply in replies] == [f"<{source}>" for source in sources]
            kinds = [type(answer) async for answer in client.stream(messages.Logs())]
            assert kinds == [messages.LogItem, messages.StreamEnd]

    asyncio.run(ask(), debug=True)


def test_a_task_that_is_cancelled_cancels_its_request(bookshop: Shops) -> None:
    _, node = bookshop
    node.script = open_ended

    async def ask() -> None:
        async with await AsyncClient.of_node("bookshop") as client:
            waiting = asyncio.ensure_future(client.request(messages.Logs(follow=True), None))
            await asyncio.to_thread(node.wait_for, messages.Logs)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await asyncio.to_thread(node.wait_for, messages.Cancel)
            with pytest.raises(TimedOut):
                await client.request(messages.Logs(), 0.05)
            assert (await client.request(messages.Ping())).node == "bookshop"

    asyncio.run(ask(), debug=True)


def test_the_end_of_the_node_ends_all_requests_under_way(bookshop: Shops) -> None:
    _, node = bookshop
    node.script = open_ended

    async def ask() -> None:
        async with await AsyncClient.of_node("bookshop") as client:
            waiting = [asyncio.ensure_future(client.request(messages.Logs(), None)) for _ in range(3)]
            await asyncio.to_thread(node.wait_for, messages.Logs, 3)
            await asyncio.to_thread(node.stop)
            for each in waiting:
                with pytest.raises(NodeUnreachable, match="went away"):
                    await each
            await client.closed.wait()
            with pytest.raises(NodeUnreachable):
                await client.request(messages.Ping())

    asyncio.run(ask(), debug=True)


def test_one_who_does_not_read_loses_items_and_is_told_how_many(
    bookshop: Shops, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, node = bookshop
    monkeypatch.setattr("limpet_supervisor.client.aio.UNREAD", 10)
    items = [messages.LogItem(process="web.1", lines=(str(k),)) for k in range(25)]
    node.script = lambda request: (
        iter([*items, messages.StreamEnd(dropped=1)])
        if isinstance(request, messages.Logs)
        else answers(request)
    )

    async def ask() -> None:
        async with await AsyncClient.of_node("bookshop") as client:
            async with client.streaming(messages.Logs()) as (_, stream):
                await client.request(messages.Ping())  # what came before is here by then, and is not read
                got = [answer async for answer in stream]
            assert got[:10] == items[:10]
            assert got[10:] == [messages.StreamEnd(dropped=16)]

    asyncio.run(ask(), debug=True)
