"""Probes against real sockets, servers and commands."""

import contextlib
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet_supervisor.model.spec import Liveness, Ready
from limpet_supervisor.model.units import Duration
from limpet_supervisor.runtime import addresses, procfs
from limpet_supervisor.runtime.addresses import NotAnAddress, parse_address, parse_url
from limpet_supervisor.runtime.attempts import judge_status_line
from limpet_supervisor.runtime.probes import LivenessCheck, Readiness, probe
from support.loop import Loop, loop


@pytest.fixture
def node() -> Iterator[Loop]:
    with loop() as made:
        yield made


@contextlib.contextmanager
def listening(
    family: socket.AddressFamily = socket.AF_INET, address: object = ("127.0.0.1", 0), backlog: int = 8
):
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.bind(address)
        server.listen(backlog)
        yield server


@contextlib.contextmanager
def answering(*pieces: bytes, hang_up: bool = True) -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers one request with these pieces: its port, and what it received."""
    received: list[bytes] = []

    def serve() -> None:
        connection, _address = server.accept()
        with connection:
            received.append(connection.recv(65536))
            for piece in pieces:
                connection.sendall(piece)
            if not hang_up:
                received.append(connection.recv(65536))

    with listening() as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], received
        thread.join()


def ask(node: Loop, kind: str, target: str = "", command: tuple[str, ...] = (), timeout: float = 30, **more):
    """The answer of one attempt."""
    answers: list[tuple[bool, str]] = []
    attempt = probe(
        node.reactor,
        node.children,
        kind,
        target,
        command,
        timeout=timeout,
        callback=lambda passed, detail: answers.append((passed, detail)),
        **more,
    )
    assert answers == []  # never before it has returned
    node.until(lambda: answers and getattr(attempt, "_socket", None) is None)
    return answers[0]


# -- tcp --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "app.localhost"])
def test_tcp_passes_where_something_listens(node, host):
    with listening() as server:
        assert ask(node, "tcp", f"{host}:{server.getsockname()[1]}") == (True, "accepts connections")


def test_tcp_tries_the_second_address_of_localhost(node):
    try:
        with listening(socket.AF_INET6, ("::1", 0)) as server:
            assert ask(node, "tcp", f"localhost:{server.getsockname()[1]}")[0]
            assert ask(node, "tcp", f"[::1]:{server.getsockname()[1]}")[0]
    except OSError:
        pytest.skip("no IPv6 here")


def test_tcp_says_why_it_did_not_pass(node):
    with listening() as server:
        port = server.getsockname()[1]
    assert ask(node, "tcp", f"127.0.0.1:{port}") == (False, "Connection refused")
    passed, detail = ask(node, "tcp", "no-such-host.invalid:80")
    assert not passed
    assert "no-such-host.invalid" in detail
    assert ask(node, "tcp", "nonsense") == (
        False,
        "'nonsense': expected host:port, [v6]:port or unix:/path",
    )


def test_tcp_knows_unix_sockets(node):
    with tempfile.TemporaryDirectory(prefix="lm-") as directory:
        path = f"{directory}/s"
        assert ask(node, "tcp", f"unix:{path}") == (False, "No such file or directory")
        with listening(socket.AF_UNIX, path):
            assert ask(node, "tcp", f"unix:{path}")[0]


def test_a_unix_socket_whose_backlog_is_full_does_not_pass(node):
    with tempfile.TemporaryDirectory(prefix="lm-") as directory, contextlib.ExitStack() as stack:
        path = f"{directory}/s"
        stack.enter_context(listening(socket.AF_UNIX, path, backlog=0))
        first = stack.enter_context(socket.socket(socket.AF_UNIX))
        first.connect(path)
        assert not ask(node, "tcp", f"unix:{path}")[0]


def test_a_name_is_asked_for_by_one_thread_however_slow_its_resolver_is(node, monkeypatch):
    resolved = threading.Event()
    asked = []
    getaddrinfo = socket.getaddrinfo

    def slow(host, *rest, **more):
        asked.append(host)
        assert resolved.wait(60)
        return getaddrinfo("127.0.0.1", *rest, **more)

    monkeypatch.setattr(addresses.socket, "getaddrinfo", slow)
    answers: list[bool | None] = []
    with listening() as server:
        for timeout in (0.001, 0.001, 60, 60):
            probe(
                node.reactor,
                node.children,
                "tcp",
                f"db.example:{server.getsockname()[1]}",
                timeout=timeout,
                callback=lambda passed, _why: answers.append(passed),
            )
        node.until(lambda: len(answers) == 2)
        resolved.set()
        node.until(lambda: len(answers) == 4)
    assert answers == [False, False, True, True]
    assert asked == ["db.example"]


def test_a_cancelled_probe_does_not_answer(node):
    answers: list[object] = []
    with listening() as server:
        target = f"127.0.0.1:{server.getsockname()[1]}"
        for kind, command in (("tcp", ()), ("exec", ("sh", "-c", "exit 0")), ("nonsense", ())):
            probe(
                node.reactor,
                node.children,
                kind,
                target,
                command,
                timeout=30,
                callback=lambda *a: answers.append(a),
            ).cancel()
        assert ask(node, "tcp", target)[0]
        assert ask(node, "exec", command=("true",))[0]
        assert answers == []


# -- http -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "passed"),
    [
        ("200 OK", True),
        ("204 No Content", True),
        ("302 Found", True),
        ("399", True),
        ("400 Bad", False),
        ("503 No", False),
    ],
)
def test_http_judges_by_the_status(node, status, passed):
    with answering(f"HTTP/1.1 {status}\r\nLocation: /elsewhere\r\n\r\n".encode()) as (port, received):
        assert ask(node, "http", f"http://127.0.0.1:{port}/health?deep=1") == (passed, f"answered {status}")
    request = received[0].decode()
    assert request.startswith("GET /health?deep=1 HTTP/1.1\r\n")
    assert f"\r\nHost: 127.0.0.1:{port}\r\n" in request
    assert "\r\nConnection: close\r\n" in request


def test_http_reads_a_status_line_that_comes_in_pieces(node):
    with answering(b"HT", b"TP/1.0 2", b"00 ", b"OK\r\n\r\n") as (port, _received):
        assert ask(node, "http", f"http://localhost:{port}")[0]


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 two hundred\r\n", b"x" * 20_000, b"\x16\x03\x01"]
)
def test_http_is_not_fooled_by_something_else(node, answer):
    with answering(answer) as (port, _received):
        assert not ask(node, "http", f"http://127.0.0.1:{port}/")[0]


def test_http_does_not_hang_up_on_a_server_that_still_answers(node):
    """The application would log a broken pipe; so the body is read to its end though the answer is known."""
    with answering(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 10_000] * 20) as (port, _received):
        assert ask(node, "http", f"http://127.0.0.1:{port}/")[0]
        done: list[object] = []
        node.reactor.call_every(0.01, lambda: done.append(1) if threading.active_count() == 1 else None)
        node.until(lambda: done)


def test_a_server_that_never_answers_fails_at_the_deadline(node):
    with listening() as server:
        port = server.getsockname()[1]
        assert ask(node, "http", f"http://127.0.0.1:{port}/", timeout=0.05) == (
            False,
            "no answer within 0.05s",
        )


@pytest.mark.parametrize(
    "url",
    ["https://localhost/", "localhost:80", "http://", "http://a b/", "http://u:p@host/", "http://h:99999/"],
)
def test_what_is_no_http_url_is_said(node, url):
    passed, detail = ask(node, "http", url)
    assert not passed
    assert "expected" in detail or "a URL has no spaces" in detail
    with pytest.raises(NotAnAddress):
        parse_url(url)


def test_urls_and_addresses_are_taken_apart():
    assert parse_url("http://127.0.0.1")[0] == parse_address("127.0.0.1:80")
    assert parse_url("http://127.0.0.1")[1:] == ("127.0.0.1", "/")
    assert parse_url("http://h:81?q#f")[1:] == ("h:81", "/?q")
    assert parse_url("http://[::1]:8000/x")[0].target == ("::1", 8000)
    assert parse_address("unix:@abstract").target == "\0abstract"
    for wrong in ("unix:", "unix:" + "x" * 108, "[::1", "[::1]x:1", ":80", "h:", "h:0", "h:\u0661"):
        with pytest.raises(NotAnAddress):
            parse_address(wrong)


def test_a_status_line_is_judged():
    assert judge_status_line(b"HTTP/1.1 200 OK\r") == (True, "answered 200 OK")
    assert not judge_status_line(b"HTTP/1.1 2000 OK")[0]
    assert not judge_status_line(b"HTTP/2 200")[0]
    assert not judge_status_line(b"")[0]


# -- exec -------------------------------------------------------------------------------------------------


def test_exec_passes_on_exit_code_0_and_else_tells_code_and_last_words(node, tmp_path):
    assert ask(node, "exec", command=("true",)) == (True, "exit code 0")
    failing = ("sh", "-c", 'echo one; echo "no $WHAT in $PWD" >&2; exit 3')
    environ = {**os.environ, "WHAT": "money"}
    assert ask(node, "exec", command=failing, environ=environ, cwd=str(tmp_path)) == (
        False,
        f"exit code 3: no money in {tmp_path}",
    )
    assert ask(node, "exec", command=("sh", "-c", "kill -9 $$")) == (False, "killed by SIGKILL")
    assert ask(node, "exec", command=("no-such-command",)) == (
        False,
        "no-such-command: No such file or directory",
    )
    assert not ask(node, "exec", command=())[0]


def test_exec_may_say_much(node):
    assert ask(node, "exec", command=("sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo end"))[
        1
    ].endswith("end")


def test_exec_is_killed_with_all_its_children_at_the_deadline(node, tmp_path):
    code = f"sleep 1000 & echo $! > {tmp_path}/child; mv {tmp_path}/child {tmp_path}/pid; wait"
    answers: list[tuple[bool, str]] = []
    attempt = probe(
        node.reactor,
        node.children,
        "exec",
        "",
        ("sh", "-c", code),
        timeout=1000,
        callback=lambda passed, detail: answers.append((passed, detail)),
    )
    node.until((tmp_path / "pid").exists)
    pid = int((tmp_path / "pid").read_text())
    attempt._expired()  # its deadline, without the wait for it
    assert answers == [(False, "no answer within 1000s")]
    node.until(lambda: procfs.start_time(pid) is None and len(node.children) == 0)


# -- again and again --------------------------------------------------------------------------------------


def test_readiness_is_asked_until_it_passes(node, tmp_path):
    calls: list[float] = []
    flag = tmp_path / "flag"
    ready = Ready(kind="exec", command=("test", "-e", str(flag)), every=Duration(0.01))
    readiness = Readiness(node.reactor, node.children, ready, lambda: calls.append(time.monotonic()))
    node.until(lambda: readiness.detail == "exit code 1")
    assert calls == []
    flag.touch()
    node.until(lambda: calls)
    node.reactor.call_later(0.05, lambda: calls.append(0))
    node.until(lambda: len(calls) > 1)
    assert len(calls) == 2  # it has not been asked again
    readiness.cancel()


def test_cancelled_readiness_asks_no_more(node, tmp_path):
    log = tmp_path / "log"
    ready = Ready(kind="exec", command=("sh", "-c", f"echo x >> {log}; exit 1"), every=Duration(0.01))
    readiness = Readiness(node.reactor, node.children, ready, lambda: None)
    node.until(lambda: readiness.detail)
    readiness.cancel()
    node.until(lambda: len(node.children) == 0)
    size = log.stat().st_size
    over: list[int] = []
    node.reactor.call_later(0.1, lambda: over.append(1))
    node.until(lambda: over)
    assert log.stat().st_size == size


def test_liveness_counts_failures_in_a_row(node, tmp_path):
    flag = Path(tmp_path, "flag")
    liveness = Liveness(
        kind="exec", command=("test", "-e", str(flag)), every=Duration(0.01), timeout=Duration(30)
    )
    failures: list[int] = []
    check = LivenessCheck(
        node.reactor, node.children, liveness, lambda count, _detail: failures.append(count)
    )
    node.until(lambda: len(failures) >= 3)
    assert failures[:3] == [1, 2, 3]
    flag.touch()
    node.until(lambda: check.failures == 0)
    del failures[:]
    flag.unlink()
    node.until(lambda: failures)
    assert failures[0] == 1
    check.cancel()
    node.until(lambda: len(node.children) == 0)


def test_liveness_can_be_cancelled_by_whom_it_tells(node):
    failures: list[int] = []

    def failed(count: int, _detail: str) -> None:
        failures.append(count)
        check.cancel()

    liveness = Liveness(kind="exec", command=("false",), every=Duration(0.01))
    check = LivenessCheck(node.reactor, node.children, liveness, failed)
    node.until(lambda: failures)
    over: list[int] = []
    node.reactor.call_later(0.1, lambda: over.append(1))
    node.until(lambda: over)
    assert failures == [1]
