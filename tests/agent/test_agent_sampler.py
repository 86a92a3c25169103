"""What the sampler inside a process keeps is bounded, however many deep stacks there are."""

import json
import sys
from types import FrameType

from limpet.agent import MAX_FRAME
from limpet.stage1.sampler import MOST, TEXT, Sampling
from support.agent import Child, Peer, until

Pair = tuple[Child, Peer]


def test_all_that_is_kept_fits_a_frame_and_what_does_not_is_counted() -> None:
    sampling = Sampling(1.0, 100.0)
    for number in range(MOST):
        sampling.stacks[(*(["a function with a name (of/a/file.py:123)"] * 199), str(number))] += 2
    sampling.stacks[("the most frequent",)] = 9
    sampling.samples = sampling.stacks.total()
    data = sampling.data()
    assert len(json.dumps(data)) < TEXT + 1024 < MAX_FRAME
    assert data["stacks"][0] == [["the most frequent"], 9]
    assert sum(count for _, count in data["stacks"]) + data["left_out"] == data["samples"]
    assert data["left_out"]


def test_the_text_of_a_frame_is_made_once() -> None:
    sampling = Sampling(1.0, 100.0)
    frame: FrameType = sys._getframe()

    def seen() -> tuple[str, ...]:
        return sampling._stack(frame)

    first = seen()
    second = seen()
    assert first[:-1] == second[:-1]
    assert all(each is other for each, other in zip(first[:-1], second[:-1], strict=True))


RAW = """
import _thread
gate = _thread.allocate_lock(); gate.acquire()
stop = []
def waits():
    gate.acquire()
    gate.release()
def spins():
    while not stop:
        sum(range(100))
for _ in range(3):
    _thread.start_new_thread(waits, ())
_thread.start_new_thread(spins, ())
"""


def test_threads_that_threading_does_not_know_are_seen_when_they_are_busy_only(idle: Pair) -> None:
    """Under gevent those are all but one, and each that waited was in every sample."""
    child, peer = idle
    assert peer.evaluate(RAW)[0].ok
    seen: set[str] = set()

    def sampled() -> bool:
        rows = peer.evaluate("profile(0.2)")[0].data["rows"]
        seen.update(row["function"].partition(" ")[0] for row in rows)
        return "spins" in seen

    until(sampled, "a sample of the thread that spins")
    assert "waits" not in seen
    assert peer.evaluate("stop.append(1); gate.release()")[0].ok
    assert child.finish(b"\n") == (0, "bye\n", "")
