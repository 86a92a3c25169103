"""Frames of an agent to a daemon that reads slowly, while no thread can be started."""

import threading

import pytest

from limpet.stage1 import channel


class Slow:
    """A connection that takes a byte of what is not waited for, and all of the rest."""

    open = True

    def __init__(self) -> None:
        self.taken = b""
        self.emptied = threading.Event()

    def write(self, data: memoryview, patience: float = 0.0) -> int:
        count = len(data) if patience else 1
        self.taken += data[:count]
        if self.taken.endswith(b"2}"):
            self.emptied.set()
        return count


def test_a_frame_that_no_thread_could_send_goes_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    start = channel.start_new_thread
    failures = [RuntimeError("can't start new thread")]

    def start_new_thread(*arguments: object) -> int:
        if failures:
            raise failures.pop()
        return start(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(channel, "start_new_thread", start_new_thread)
    slow = Slow()
    frames = channel.Channel(slow)  # type: ignore[arg-type]
    frames.send({"id": 1})
    assert slow.taken == b"\x00"
    frames.send({"id": 2})
    assert slow.emptied.wait(30)
    assert slow.taken == b"".join(
        len(body).to_bytes(4, "big") + body for body in (b'{"id": 1}', b'{"id": 2}')
    )
