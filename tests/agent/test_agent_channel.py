"""Frames of an agent to a daemon that reads slowly, while no thread can be started."""

import json
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


@pytest.mark.parametrize("count", [0, 1, 49, 50, 500])
def test_rows_that_are_encoded_one_by_one_are_the_same(count: int) -> None:
    rows = [{"task": f"Task-{number}", "age": None, "chain": ["é\ud800"]} for number in range(count)]
    data = {"kind": "tasks", "rows": rows, "columns": ["ä"], "notes": ["a]}}"]}
    frame = {"id": 7, "re": "evaluated", "data": data, "ok": True}
    assert json.loads(channel.encoded(frame)) == frame
    found = json.loads(channel.encoded({**frame, "data": channel.in_json(data)}))
    assert found == frame
    assert list(found["data"]) == list(data)


def test_the_interpreter_s_lock_is_not_kept_for_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder in C lets no other thread run before its end."""
    lengths: list[int] = []
    turns: list[None] = []

    def dumps(value: object, **_: object) -> str:
        lengths.append(len(str(value)))
        return "{}"

    monkeypatch.setattr(channel.json, "dumps", dumps)
    monkeypatch.setattr(channel, "give_way", lambda: turns.append(None))
    channel.in_json({"kind": "tasks", "rows": [{"task": str(number)} for number in range(1000)]})
    assert 1000 < len(lengths) < 1010
    assert max(lengths) < 100
    assert len(turns) == 20


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
