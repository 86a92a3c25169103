"""A loop of the test's own, with whoever waits for children."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator

from limpet_supervisor.runtime.children import Children
from limpet_supervisor.runtime.reactor import Reactor

BOUND = 60.0
"""Seconds that anything may take before a test gives up."""


def turn_until(reactor: Reactor, condition: Callable[[], object]) -> None:
    """Runs the loop until the condition holds; fails when that takes unreasonably long."""
    deadline = time.monotonic() + BOUND
    heartbeat = reactor.call_every(0.02, lambda: None)
    try:
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            reactor.turn()
    finally:
        heartbeat.cancel()


class Loop:
    """A reactor and the children that are watched on it."""

    def __init__(self) -> None:
        self.reactor = Reactor()
        self.children = Children(self.reactor)

    def until(self, condition: Callable[[], object]) -> None:
        """Runs until the condition holds."""
        turn_until(self.reactor, condition)


@contextlib.contextmanager
def loop() -> Iterator[Loop]:
    """A Loop; SIGCHLD is as it was afterwards."""
    before = signal.getsignal(signal.SIGCHLD)
    made = Loop()
    try:
        yield made
    finally:
        made.reactor.close()
        signal.signal(signal.SIGCHLD, before)
