"""Whom an agent may speak for."""

import socket
from pathlib import Path
from typing import Any

import msgspec

from limpet_supervisor.runtime.agents import Agents
from limpet_supervisor.runtime.reactor import Reactor
from limpet_supervisor.wire import agent as wire
from support.node import running

LIAR = """
import os, socket, sys, time
if os.environ["LIMPET_PROCESS"] == "liar.1":
    liar = socket.socket(socket.AF_UNIX)
    liar.connect(os.environ["LIMPET_AGENT"])
    body = b'{"hello":1,"pid":%d,"ppid":1,"process":"db.1","python":"3.11.7"}' % os.getpid()
    liar.sendall(len(body).to_bytes(4, "big") + body)
    assert liar.recv(1) == b"", "it was believed"
    print("refused", flush=True)
time.sleep(1000)
"""


def test_a_process_cannot_pass_for_another_and_get_the_code_that_is_meant_for_it() -> None:
    toml = """
[processes.db]
command = ["sleep", "1000"]
[processes.liar]
command = ["python3", "liar.py"]
ready = { log = "refused" }
"""
    with running(toml, files={"liar.py": LIAR}) as made:
        assert made.status()["db.1"].agent == "none"


def test_what_a_refused_agent_has_said_in_the_same_breath_is_not_heard(tmp_path: Path) -> None:
    reactor = Reactor()
    path = str(tmp_path / "a.sock")
    heard: list[Any] = []
    agents = Agents(
        reactor,
        path,
        bundle=lambda _python: wire.bundle(()),
        uids=frozenset(),
        owner=lambda _pid: "liar.1",
        on_push=lambda _connection, kind, _data: heard.append(kind),
    )
    body = msgspec.json.encode(wire.Hello(1, 1, "db.1", "3.11.7"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as liar:
        liar.connect(path)
        liar.sendall(
            len(body).to_bytes(4, "big") + body + wire.encode({"id": 0, "item": "health", "data": {}})
        )
        while not agents.garbage:
            reactor.turn()
        assert liar.recv(1) == b""
    assert not heard
    agents.close()
    reactor.close()


GREEDY = """
import os, socket, time
kept = []
for _ in range(200):
    kept.append(socket.socket(socket.AF_UNIX))
    kept[-1].connect(os.environ["LIMPET_AGENT"])
for each in kept:
    each.settimeout(60)
for each in kept[4:]:
    assert each.recv(1) == b"", "it takes descriptors of the daemon's"
print("refused", flush=True)
time.sleep(1000)
"""


def test_one_process_cannot_take_all_of_the_daemons_descriptors() -> None:
    toml = """
[processes.greedy]
command = ["sh", "-c", "exec python3 greedy.py"]
ready = { log = "refused" }
"""
    with running(toml, files={"greedy.py": GREEDY}) as made:
        said = "has 4 connections to the agents' socket and is refused more"
        made.wait_for(lambda: said in made.output)
        assert made.output.count(said) == 1, made.output
        assert f"greedy.1: pid {made.status()['greedy.1'].pid} {said}" in made.output
