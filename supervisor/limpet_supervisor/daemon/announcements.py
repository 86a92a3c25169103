"""Who waits for a boot or a stop is told how it goes: systemd, and the parent of a node in the background."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from limpet_supervisor.model.status import NodeState
from limpet_supervisor.runtime.limits import give_back_memory
from limpet_supervisor.runtime.notify import notify
from limpet_supervisor.runtime.reactor import Periodic, Timer

from .node import Node

if TYPE_CHECKING:
    from .observe import Observer

_PROGRESS_EVERY: Final = 1.0
_PROGRESS_SHOWN: Final = 3
_SETTLE: Final = 1.0
"""Seconds that a process must have run, if nothing else tells that it is ready, for the node to say READY."""
_TRIES: Final = 60
"""Times that READY is said, a second apart, to a service manager that does not take it."""
_EXTEND_EVERY: Final = 5.0
_EXTEND_BY: Final = 15_000_000
"""Microseconds, for EXTEND_TIMEOUT_USEC (sd_notify(3))."""


class Witness(Protocol):
    """Who wants to know how a boot goes: the parent of a node in the background."""

    def progress(self, text: str) -> None:
        """What the boot waits for now."""

    def ready(self) -> None:
        """Every process is ready."""

    def failed(self, what: str, why: str, lines: tuple[str, ...]) -> None:
        """The node ended before that."""


class Announcements:
    """What a node says of itself, unasked, from `begin` to its end.

    Args:
        log: prints one of the node's own lines.
    """

    def __init__(self, node: Node, witness: Witness | None, log: Callable[[str], None]) -> None:
        self.failed_boot = False
        """Whether the boot was given up."""
        self._node = node
        self._witness = witness
        self._log = log
        self._observer: Observer | None = None
        self._told_ready = False
        self._watching: Periodic
        self._told = ""
        """The last status that the service manager took."""
        self._unheard = 0
        """Times that it did not take READY."""
        self._settling: Timer | None = None
        self._extending = False
        """Whether the service manager is told, again and again, that this takes its time."""

    def begin(self) -> None:
        """The node boots."""
        self._node.conditions[self] = self._tell
        if self._witness is not None:
            self._watching = self._node.reactor.call_every(_PROGRESS_EVERY, self._tell_progress)
        self._extend()

    def can_be_asked(self, observer: "Observer") -> None:
        """The control socket is open: without it, a node is not ready."""
        self._observer = observer
        self._tell()

    def ended(self, what: str, why: str, lines: tuple[str, ...]) -> None:
        """The node has ended; one that has never been ready has failed."""
        if not self._told_ready and self._witness is not None:
            self._witness.failed(what, why, lines)

    def _tell_progress(self) -> None:
        """What the boot waits for; and its end, if a process fails to start more often than it may.

        The intensity's window is for crashes: a process that needs long to fail never exceeds it.
        """
        node = self._node
        if self._told_ready or self._witness is None or node.state is NodeState.STOPPING:
            self._watching.cancel()
            return
        tree = node.tree
        waiting = [each for each in tree.in_order() if each.wanted and not each.ready and not each.outcome]
        for each in waiting:
            if each.failures > tree.supervisors[each.supervisor].spec.max_restarts:
                self._log(f"{each.name} failed to start {each.failures} times: {node.spec.name} gives up")
                self.failed_boot = True
                node.shut_down()
                return
        if waiting and self._observer is not None:
            lines = (self._observer.line(each) for each in waiting[:_PROGRESS_SHOWN])
            said = "; ".join(f"{line.name}: {line.reason or line.state.value}" for line in lines)
            self._witness.progress(f"waiting for {len(waiting)} of {len(tree.instances)}: {said}")

    def _tell(self) -> None:
        """Readiness, and the status as it has become."""
        node = self._node
        if node.state is NodeState.STOPPING and not self._extending:
            self._extend()
        if not self._told_ready and node.state is NodeState.RUNNING and self._observer is not None:
            self._tell_ready()
        if "NOTIFY_SOCKET" in os.environ:
            instances = node.tree.instances.values()
            ready = sum(each.ready for each in instances)
            wanted = sum(each.wanted for each in instances)
            stopping = "\nSTOPPING=1" if node.state is NodeState.STOPPING else ""
            text = f"STATUS={node.state.value}: {ready} of {wanted} ready{stopping}"
            if text != self._told and notify(text):
                self._told = text

    def _tell_ready(self) -> None:
        """READY, once whoever is ready by merely running has run for a moment: dying at once is no start."""
        if self._settling is not None:
            return
        unsettled = self._node.settles_in(_SETTLE)
        if unsettled is None or unsettled > 0:
            self._tell_again(_SETTLE if unsettled is None else unsettled)
            return
        if "NOTIFY_SOCKET" in os.environ and not notify("READY=1") and self._unheard < _TRIES:
            # The service manager's queue is full: a READY that is lost would be a start that never ends.
            self._unheard += 1
            self._tell_again(_SETTLE)
            return
        self._told_ready = True
        if self._witness is not None:
            self._witness.ready()
        give_back_memory()

    def _tell_again(self, wait: float) -> None:
        def again() -> None:
            self._settling = None
            self._tell()

        self._settling = self._node.reactor.call_later(wait, again)

    def _extend(self) -> None:
        """A boot or a stop that goes on is no hang (EXTEND_TIMEOUT_USEC); a node that runs says nothing."""
        self._extending = "NOTIFY_SOCKET" in os.environ and self._node.state is not NodeState.RUNNING
        if self._extending:
            notify(f"EXTEND_TIMEOUT_USEC={_EXTEND_BY}")
            self._node.reactor.call_later(_EXTEND_EVERY, self._extend)
