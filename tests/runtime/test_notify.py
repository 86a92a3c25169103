"""sd_notify(3) with real datagrams: what is told to us, what comes along, and what we tell."""

import array
import os
import socket
import stat
import tempfile
from collections.abc import Iterator

import pytest

from limpet_supervisor.errors import LimpetError
from limpet_supervisor.runtime.notify import NotifySocket, notify, parse
from support.loop import Loop, loop


@pytest.fixture
def node() -> Iterator[Loop]:
    with loop() as made:
        yield made


@pytest.fixture
def path() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="lm-") as directory:
        yield f"{directory}/n"


def test_messages_come_with_their_senders_pid(node, path):
    heard: list[tuple[dict[str, str], int]] = []
    listener = NotifySocket(node.reactor, path, lambda message, pid: heard.append((message, pid)))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert notify("READY=1\nSTATUS=up = well", {"NOTIFY_SOCKET": path})
    assert notify("STOPPING=1", {"NOTIFY_SOCKET": path})
    node.until(lambda: len(heard) == 2)
    assert heard == [({"READY": "1", "STATUS": "up = well"}, os.getpid()), ({"STOPPING": "1"}, os.getpid())]
    listener.close()
    listener.close()
    assert not os.path.exists(path)


def test_a_callback_may_close_the_socket(node, path):
    heard: list[object] = []

    def told(message: dict[str, str], _pid: int) -> None:
        heard.append(message)
        listener.close()

    listener = NotifySocket(node.reactor, path, told)
    for _ in range(3):
        notify("READY=1", {"NOTIFY_SOCKET": path})
    node.until(lambda: heard)
    assert heard == [{"READY": "1"}]


def test_descriptors_that_come_along_are_not_kept(node, path):
    """BARRIER=1 is met by closing its descriptor; a store of descriptors is not offered."""
    heard: list[dict[str, str]] = []
    listener = NotifySocket(node.reactor, path, lambda message, _pid: heard.append(message))
    read, write = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [write]))]
        sender.sendmsg([b"BARRIER=1"], rights, 0, path)
    os.close(write)
    node.until(lambda: heard)
    assert os.read(read, 1) == b""  # the end: nobody else holds it
    os.close(read)
    listener.close()


def test_garbage_is_ignored(node, path):
    heard: list[dict[str, str]] = []
    listener = NotifySocket(node.reactor, path, lambda message, _pid: heard.append(message))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        for datagram in (b"", b"\xff\xfe", b"no assignment", b"=x", b"x" * 20_000, b"A=1\xff\nB\nA=2"):
            sender.sendto(datagram, path)
    node.until(lambda: heard)
    assert heard == [{"A": "2"}]
    listener.close()


def test_a_stale_socket_is_replaced_and_a_long_path_refused(node, path):
    for _ in range(2):
        stale = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if not os.path.exists(path):
            stale.bind(path)
        stale.close()
    listener = NotifySocket(node.reactor, path, lambda _message, _pid: None)
    assert notify("READY=1", {"NOTIFY_SOCKET": path})
    listener.close()
    with pytest.raises(LimpetError, match="at most 107 bytes"):
        NotifySocket(node.reactor, "/tmp/" + "x" * 103, lambda _message, _pid: None)
    with pytest.raises(LimpetError, match="No such file"):
        NotifySocket(node.reactor, "/nonexistent/n", lambda _message, _pid: None)


def test_we_tell_a_service_manager_and_never_wait_for_it():
    assert not notify("READY=1", {})
    assert not notify("READY=1", {"NOTIFY_SOCKET": "vsock:2:1234"})
    assert not notify("READY=1", {"NOTIFY_SOCKET": "/nonexistent/n"})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        name = f"@lm-test-{os.getpid()}"
        manager.bind("\0" + name[1:])
        assert notify("READY=1", {"NOTIFY_SOCKET": name})
        assert manager.recv(100) == b"READY=1"
        sent = 0
        while notify("WATCHDOG=1", {"NOTIFY_SOCKET": name}):  # its queue fills up
            sent += 1
        assert sent > 0


def test_assignments_are_parsed():
    assert parse(b"A=1\nB=x=y\n\nA=2\nnothing\n=3") == {"A": "2", "B": "x=y"}
