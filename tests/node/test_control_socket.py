"""The control socket of a real node: whatever comes in, it goes on."""

import os
import random
import signal
import socket
import stat

import pytest
import zmq

from limpet_supervisor.client import Client
from limpet_supervisor.errors import ProtocolError
from limpet_supervisor.wire import codec, zmtp
from limpet_supervisor.wire import messages as m
from support.children import pid_of, python, shell, sleeps
from support.node import node, running


def test_the_socket_is_its_owners_alone_from_birth():
    with running(sleeps("a"), environ={}) as made:
        mode = os.stat(made.run.control)
        assert stat.S_IMODE(mode.st_mode) == 0o600
        assert stat.S_IMODE(os.stat(made.run.path).st_mode) == 0o700


@pytest.mark.skipif(not os.path.exists("/usr/bin/strace"), reason="needs strace")
def test_no_moment_in_which_others_could_connect(tmp_path):
    trace = tmp_path / "trace"
    with node(sleeps("a")) as made:
        made.through = [
            "strace",
            "-D",
            "-f",
            "-o",
            str(trace),
            "-e",
            "trace=bind,umask,chmod,fchmod,fchmodat",
        ]
        made.start().wait_ready()
        assert made.stop() == 0
    lines = trace.read_text().splitlines()
    at = next(k for k, line in enumerate(lines) if "bind(" in line and "control" in line)
    masks = [line for line in lines[:at] if "umask(" in line]
    assert "umask(0177)" in masks[-1]


def raw(made) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    connection.connect(made.run.control)
    return connection


def test_garbage_instead_of_a_handshake():
    with running(sleeps("a")) as made:
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", bytes(1000), random.Random(1).randbytes(5000)):
            with raw(made) as connection:
                connection.sendall(garbage)
                connection.shutdown(socket.SHUT_WR)
        assert made.request(m.Ping()).pid == made.pid


def test_garbage_frames_are_counted_and_the_same_client_goes_on():
    bodies = [
        [b"limpet/1 1", b"\xc1"],
        [b"limpet/1 2", codec.encode_request(2, m.Ping())[1][:-1] + b"\xff\xff"],
        [b"limpet/1", b""],
        [b"\xff" * 100, b"\xff" * 100],
        [b"only one"],
        [b"limpet/1 3", b"a", b"b", b"c"],
        [b"limpet/1 99999999999999999999999999", b"\x80"],
        [b""],
    ]
    with running(sleeps("a")) as made, made.client() as client:
        for frames in bodies:
            client._write(zmtp.encode(frames))
        client._next_id = 100
        assert client.request(m.Status(), timeout=30).processes[0].name == "a.1"


def test_random_frames_never_end_the_node():
    chance = random.Random(7)
    with running(sleeps("a")) as made:
        for _ in range(300):
            with made.client() as client:
                frames = [chance.randbytes(chance.choice([0, 1, 5, 50])) for _ in range(chance.randint(1, 4))]
                if chance.random() < 0.5:
                    frames = [b"limpet/1 %d" % chance.randint(0, 9), chance.randbytes(30)]
                client._write(zmtp.encode(frames))
        assert made.request(m.Ping()).pid == made.pid
        assert "bug" not in made.output


def test_another_version_is_told_so():
    with running(sleeps("a")) as made, made.client() as client:
        client._write(zmtp.encode([b"limpet/9 1", codec.encode_request(1, m.Ping())[1]]))
        stream = client.stream(m.Ping(), timeout=30)
        with pytest.raises(ProtocolError, match="limpet/1"):
            stream.reply()


def test_a_request_that_is_too_large_costs_its_client_the_connection_and_nobody_else():
    with running(sleeps("a")) as made, made.client() as other:
        with raw(made) as connection:
            connection.sendall(zmtp.HELLO)
            header = bytes([zmtp.LONG]) + (1 << 40).to_bytes(8, "big")
            receiver = zmtp.Receiver()
            while not receiver.ready:
                receiver.feed(connection.recv(4096))
            connection.sendall(header)
            assert connection.recv(4096) == b""
        assert other.request(m.Ping(), timeout=30).pid == made.pid


def test_clients_that_vanish_while_they_follow_or_evaluate():
    source = "import time\nprint('up', flush=True)\nwhile True:\n    time.sleep(0.001)\n    print('line')"
    with running(python("a", source, 'ready = { log = "up" }')) as made:
        made.wait_for(lambda: made.status()["a.1"].agent == "ready")
        pid = pid_of(made, "a.1")
        for request in (
            m.Logs(follow=True),
            m.Events(follow=True),
            m.Evaluate(source="__import__('time').sleep(1000)", timeout=None),
            m.Evaluate(source="while True: pass", timeout=None),
            m.RestartProcess(name="nobody"),
        ):
            client = made.client()
            client.send(request)
            client._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
        assert made.request(m.Evaluate(source="1 + 1", process="a.1")).value == "2"
        assert pid_of(made, "a.1") == pid


def test_an_evaluation_ends_with_its_client():
    source = "import time\nprint('up', flush=True)\ntime.sleep(1000)"
    with running(python("a", source, 'ready = { log = "up" }')) as made:
        made.wait_for(lambda: made.status()["a.1"].agent == "ready")
        client = made.client()
        stream = client.stream(
            m.Evaluate(source="print('begun')\nwhile True: pass", timeout=None), timeout=30
        )
        assert isinstance(next(stream), m.OutputItem)
        client.close()

        # Stopped by a count that no longer grows: the loop is the only one to count.
        def count() -> str | None:
            return made.request(m.Evaluate(source="turns[0]", process="a.1")).value

        made.wait_for(lambda: count() == count())


def test_one_who_does_not_read_loses_lines_is_told_how_many_and_holds_up_nobody():
    loud = "while :; do if [ -e go ]; then seq 1 200000; rm go; echo through; fi; sleep 0.01; done"
    with running(shell("a", loud, 'log = { max_bytes = "64MiB" }')) as made, made.client() as slow:
        stream = slow.stream(m.Logs(names=("a",), follow=True), timeout=60)
        for count in range(8):
            (made.directory / "go").touch()
            made.wait_for(lambda: not (made.directory / "go").exists())
            assert made.request(m.Ping()).pid == made.pid, count
        stream.cancel()
        seen, end = 0, None
        for answer in stream:
            if isinstance(answer, m.LogItem):
                seen += len(answer.lines)
            elif isinstance(answer, m.StreamEnd):
                end = answer
        assert end is not None
        assert end.dropped > 0
        assert seen > 0


def test_libzmq_speaks_with_it_as_well():
    with running(sleeps("a")) as made, zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RCVTIMEO, 30_000)
        dealer.connect(f"ipc://{made.run.control}")
        dealer.send_multipart(codec.encode_request(5, m.Ping()))
        assert codec.decode_answer(dealer.recv_multipart())[0] == 5


def test_many_clients_at_once():
    with running(sleeps("a")) as made:
        clients = [made.client() for _ in range(60)]
        streams = [client.stream(m.Status(), timeout=30) for client in clients]
        assert all(stream.reply().processes[0].state == "running" for stream in streams)
        for client in clients:
            client.close()


def test_a_stopped_node_answers_who_waits_for_it_and_then_no_more():
    with running(sleeps("a")) as made:
        with made.client() as client:
            assert isinstance(client.request(m.StopNode(), timeout=30), m.Done)
        assert made.wait() == 0
        assert not os.path.exists(made.run.control)


def test_a_stopped_client_holds_up_nobody():
    with running(sleeps("a")) as made:
        client = made.client()
        client.send(m.Events(last=1000, follow=True))
        made.request(m.RestartProcess(name="a"))
        os.kill(made.pid, signal.SIGTERM)
        assert made.wait() == 0
        client.close()


def test_two_nodes_of_one_name_in_two_places_do_not_meet():
    with running(sleeps("a")) as one, running(sleeps("a")) as two:
        assert one.request(m.Ping()).pid == one.pid
        assert two.request(m.Ping()).pid == two.pid
        with Client(one.run.control) as client:
            assert isinstance(client.request(m.StopNode(), timeout=30), m.Done)
        assert two.status()["a.1"].state == "running"
