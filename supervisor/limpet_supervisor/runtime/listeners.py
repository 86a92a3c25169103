"""Who listens to the output of processes: followers get its lines, a match waits for one of them.

Two threads: the pump offers, the loop takes. A listener never holds the pump up: what it cannot take is
dropped and counted.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from limpet_supervisor.runtime.history import Batch
from limpet_supervisor.runtime.reactor import Reactor

QUEUE_LINES: Final = 10_000
QUEUE_CHARACTERS: Final = 4 * 1024 * 1024
_LINES_PER_CALL: Final = 500
_CHARACTERS_PER_CALL: Final = 32 * 1024
"""A single line may be longer."""
LINE_BYTES: Final = 65536
"""A longer line is delivered in parts of this size."""


class Listener(Protocol):
    """What the pump sees of a listener."""

    def wants(self, name: str) -> bool:
        """Whether it would take lines of this process now."""
        ...

    def offer(self, name: str, lines: Batch) -> None:
        """Takes complete lines, without their ends."""
        ...

    def miss(self, name: str, count: int) -> None:
        """So many lines of this process passed while it did not want them."""
        ...


class Follower:
    """Gets every line of some processes, or of all, in batches on the loop."""

    def __init__(
        self,
        reactor: Reactor,
        names: frozenset[str] | None,
        callback: Callable[[str, Batch], None],
        forget: Callable[["Follower"], None],
        past: Callable[[list[str]], None] | None = None,
    ) -> None:
        self.names = names
        """None: all processes, those to come included."""
        self.dropped = 0
        """Lines that were not delivered because the queue was full."""
        self.begun = True
        """False until the pump has given it the lines that came before: those to come are among them."""
        self._reactor = reactor
        self._callback = callback
        self._forget = forget
        self._past = past
        self._queue: deque[tuple[str, Batch]] = deque()
        self._offered = [0, 0]  # lines, characters: written by the pump alone
        self._taken = [0, 0]  # the same, by the loop alone
        self._scheduled = False
        self._cancelled = False

    def cancel(self) -> None:
        """No call comes after this."""
        self._cancelled = True
        self._queue.clear()
        self._forget(self)

    def wants(self, name: str) -> bool:
        """Whether there is room."""
        return (
            self.begun
            and not self._cancelled
            and (self.names is None or name in self.names)
            and self._offered[0] - self._taken[0] < QUEUE_LINES
            and self._offered[1] - self._taken[1] < QUEUE_CHARACTERS
        )

    def begin(self, found: dict[str, Batch]) -> None:
        """Queues what came before, and that all of it has been told; from now on it wants what comes."""
        self.begun = True
        for name, lines in found.items():
            self.offer(name, lines)
        self._queue.append(("", Batch([name for name, lines in found.items() if lines.cut])))
        self._announce()

    def offer(self, name: str, lines: Batch) -> None:
        """Queues the lines; the loop is woken if it is not already on its way."""
        for batch in batches(lines):
            self._offered[0] += len(batch)
            self._offered[1] += sum(map(len, batch))
            self._queue.append((name, batch))
        self._announce()

    def _announce(self) -> None:
        # Race: the loop clears the flag before it takes, so a batch that it does not see is announced again.
        if not self._scheduled:
            self._scheduled = True
            self._reactor.call_from_thread(self._take)

    def miss(self, name: str, count: int) -> None:
        """Counts what was dropped."""
        if self.begun and (self.names is None or name in self.names):
            self.dropped += count

    def _take(self) -> None:
        self._scheduled = False
        if self._cancelled or not self._queue:
            return
        name, batch = self._queue.popleft()
        if name:
            self._taken[0] += len(batch)
            self._taken[1] += sum(map(len, batch))
        if self._queue and not self._scheduled:
            self._scheduled = True
            self._reactor.call_soon(self._take)  # the rest in later turns: bounded work in each
        if name:
            self._callback(name, batch)
        elif self._past is not None:
            self._past(batch)


class Match:
    """Waits for the first line of one process in which a pattern is found."""

    def __init__(
        self,
        reactor: Reactor,
        name: str,
        pattern: str | re.Pattern[str],
        callback: Callable[[str], None],
        forget: Callable[["Match"], None],
    ) -> None:
        self.names = frozenset((name,))
        self._reactor = reactor
        self._pattern = re.compile(pattern)
        self._callback: Callable[[str], None] | None = callback
        self._forget = forget
        self._found: str | None = None

    def cancel(self) -> None:
        """The callback will not be called."""
        self._callback = None
        self._forget(self)

    def wants(self, name: str) -> bool:
        """Whether it still waits."""
        return self._found is None and self._callback is not None and name in self.names

    def offer(self, name: str, lines: Batch) -> None:  # noqa: ARG002 - a Listener; it has one process
        """Looks at the lines, up to the first that matches."""
        search = self._pattern.search
        for line in lines:
            if search(line):
                self._found = line
                self._reactor.call_from_thread(self._deliver)
                return

    def miss(self, name: str, count: int) -> None:
        """Nothing is missed: it wants every line until it is done."""

    def _deliver(self) -> None:
        callback, line = self._callback, self._found
        if callback is not None and line is not None:
            self.cancel()
            callback(line)


def batches(lines: Batch) -> Iterator[Batch]:
    """The lines in batches that are no long work for anyone; one line may be longer."""
    start = 0
    while start < len(lines):
        stop = min(start + _LINES_PER_CALL, len(lines))
        while sum(map(len, lines[start:stop])) > _CHARACTERS_PER_CALL and stop > start + 1:
            stop = start + (stop - start) // 2
        yield lines.part(start, stop)
        start = stop


def split(block: bytes) -> list[str]:
    """The lines of a block that ends with a line end, those over LINE_BYTES in parts."""
    lines = block.decode("utf-8", "replace").split("\n")
    lines.pop()
    if len(block) > LINE_BYTES and max(map(len, lines)) > LINE_BYTES:
        return [
            line[start : start + LINE_BYTES]
            for line in lines
            for start in range(0, len(line) or 1, LINE_BYTES)
        ]
    return lines
