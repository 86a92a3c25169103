"""No descriptor left: what the daemon is short of costs no process anything, and no time of the loop's."""

import contextlib
import os
import resource
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet_supervisor.model.spec import Liveness
from limpet_supervisor.model.units import Duration
from limpet_supervisor.runtime.agents import Agents
from limpet_supervisor.runtime.children import Children
from limpet_supervisor.runtime.probes import LivenessCheck
from limpet_supervisor.runtime.reactor import Reactor


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[None]:
    """The next open(2) fails with EMFILE."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    made = Reactor()
    yield made
    made.close()


@pytest.mark.parametrize(
    "liveness",
    [
        Liveness("exec", command=("true",), every=Duration(0.01)),
        Liveness("tcp", "127.0.0.1:1", every=Duration(0.01)),
    ],
)
def test_a_check_that_could_not_be_made_is_no_failure_and_is_made_again(
    reactor: Reactor, liveness: Liveness
) -> None:
    failures = []
    check = LivenessCheck(reactor, Children(reactor), liveness, lambda count, _why: failures.append(count))
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1

    ticks = reactor.call_every(0.01, turn)
    with no_descriptor_left():
        while turns < 20:
            reactor.turn()
    assert failures == []
    check.cancel()
    ticks.cancel()


def test_an_agent_that_cannot_be_accepted_keeps_the_loop_from_nothing(reactor: Reactor) -> None:
    """Its connection stays in the backlog, which is ready all the time."""
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as client:
        path = str(Path(directory) / "a.sock")
        agents = Agents(reactor, path, bundle=lambda _python: b"", uids=frozenset(), owner=lambda _pid: None)
        client.connect(path)
        turns = 0
        waited: list[bool] = []
        reactor.call_later(0.1, lambda: waited.append(True))
        with no_descriptor_left():
            while not waited:
                reactor.turn()
                turns += 1
        assert turns < 10
        agents.close()
