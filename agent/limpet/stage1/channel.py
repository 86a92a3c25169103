"""Frames out: bounded, and never blocking the thread that has something to say.

A frame that the kernel does not take at once waits in a queue that a thread of its own empties; output that
finds the queue full is dropped and counted.
"""

import contextlib
import json
from collections import deque
from typing import Any, Final

from limpet.agent import MAX_FRAME, Connection

from .natives import Turn, give_way, start_new_thread

QUEUE: Final = 4 * 1024 * 1024
"""Bytes that may wait."""
ROWS: Final = 50
"""Rows that are encoded before others have their turn."""
PATIENCE: Final = 10.0
"""Seconds without progress after which the daemon is given up."""


class Encoded(str):
    """Data that is JSON already: little is left to be done where it is sent."""

    __slots__ = ()


def in_json(data: dict[str, Any]) -> Encoded:
    """What a view has found. Each row by itself: json's encoder keeps the interpreter's lock to its end."""
    rows = []
    for number, row in enumerate(data["rows"], 1):
        rows.append(json.dumps(row, ensure_ascii=False))
        if number % ROWS == 0:
            give_way()
    facts = {key: json.dumps(value, ensure_ascii=False) for key, value in data.items() if key != "rows"}
    found = {key: facts.get(key, f"[{', '.join(rows)}]") for key in data}
    return Encoded(f"{{{', '.join(f'{json.dumps(key)}: {text}' for key, text in found.items())}}}")


def encoded(frame: dict[str, Any]) -> str:
    """The frame in JSON."""
    data = frame.get("data")
    if type(data) is not Encoded:
        return json.dumps(frame, ensure_ascii=False)
    head = {key: value for key, value in frame.items() if key != "data"}
    return f'{json.dumps(head, ensure_ascii=False)[:-1]}, "data": {data}}}'


class Channel:
    """The way to the daemon."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._turn = Turn()
        self._queue: deque[memoryview] = deque()
        self._waiting = 0
        self._emptying = False
        """Whether a thread empties the queue."""
        self.dropped = 0

    def close(self) -> None:
        """Sends nothing more. Takes no lock: after a fork its owner may be gone."""
        self._connection.open = False

    def send(self, frame: dict[str, Any], *, droppable: bool = False) -> None:
        """Sends `frame`, now or soon; one that is `droppable` not at all if too much waits already."""
        if not self._connection.open:  # without the lock, which a fork may have left taken
            return
        # A lone surrogate cannot be written in UTF-8: it becomes a question mark.
        body = encoded(frame).encode("utf-8", "replace")
        if len(body) > MAX_FRAME:  # the daemon would take it for garbage, and the connection with it
            frame = {"id": frame["id"], "re": "error", "error": f"it is {len(body):,} bytes: ask for less"}
            if not frame["id"]:
                self.dropped += 1
                return
            body = json.dumps(frame).encode()
        data = memoryview(len(body).to_bytes(4, "big") + body)
        self._turn.take(self._put, data, droppable)

    def _put(self, data: memoryview, droppable: bool) -> None:
        if self._queue:
            self._see_to_emptying()
            if droppable and self._waiting > QUEUE:
                self.dropped += 1
                return
            self._queue.append(data)
            self._waiting += len(data)
            return
        try:
            taken = self._connection.write(data)
        except OSError:  # lost: stage 0 will see it too
            return
        if taken < len(data):
            self._queue.append(data[taken:])
            self._waiting = len(data) - taken
            self._see_to_emptying()

    def _see_to_emptying(self) -> None:
        """Where no thread can be started now, the next frame tries it again. Held: the turn."""
        if not self._emptying:
            with contextlib.suppress(RuntimeError):  # can't start new thread; or the interpreter ends
                start_new_thread(self._empty, ())
                self._emptying = True

    def _empty(self) -> None:
        """Sends what waits, until nothing does. Invariant: nothing else takes from the queue."""
        with contextlib.suppress(OSError):
            while taken := self._connection.write(self._queue[0], PATIENCE):
                self._turn.take(self._taken, taken)
                if not self._emptying:
                    return
        # Half a frame may be out: nothing that follows could be understood.
        self._turn.take(self._give_up)

    def _taken(self, size: int) -> None:
        self._waiting -= size
        rest = self._queue.popleft()[size:]
        if rest:
            self._queue.appendleft(rest)
        elif not self._queue:
            self._emptying = False

    def _give_up(self) -> None:
        self._queue.clear()
        self._connection.open = False
