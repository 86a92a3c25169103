"""Where the process spends its time, by samples from inside: for where nobody may look from outside.

A thread of ours looks at all the others, and charges to each what the kernel says it has used of a CPU since
the last look. It gets its turn when the GIL is let go, so that it sees code that does so too often, and
C code that does not, never: the profile is GIL-biased, and says so.
"""

import sys
import time
from collections import Counter
from types import CodeType, FrameType
from typing import Any, Final

from .frames import short
from .jobs import current
from .natives import get_ident, monotonic, sleep
from .tids import known_tids, tids_by_stacks
from .view import View

DEPTH: Final = 200
"""Innermost frames of a stack that are kept."""
MOST: Final = 20_000
"""Different stacks that are kept; of what else is seen only the number is."""
TEXT: Final = 8 * 1024 * 1024
"""Characters of the stacks in `data`, the most frequent first; the others are left out, and counted."""
_BUSY: Final = 0.05
"""Part of the time between two looks that a thread must have used of a CPU to be counted."""
_FIND_EVERY: Final = 10
"""Looks between two attempts to find threads that only the kernel knows."""
_AGENT: Final = "/limpet/agent.py"
_PER_THREAD_CLOCK: Final = 6
"""CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED (linux/posix-timers.h)."""

Stack = tuple[str, ...]


class Sampling:
    """One profile; it ends when its time is over, or `stop` is set.

    Args:
        seconds: how long.
        rate: samples a second.
    """

    def __init__(self, seconds: float, rate: float) -> None:
        self.stacks: Counter[Stack] = Counter()
        self.samples = 0
        self.left_out = 0
        self.stop = False
        self._period = 1 / rate
        self._until = monotonic() + seconds
        self._used: dict[int, float] = {}
        """Seconds of a CPU at the last look, by the kernel's numbers of threads."""
        self._found: dict[int, int] = {}
        """The kernel's numbers of threads that were found by their stacks, by ident."""
        self._unknown: set[int] = set()
        """Idents of which no number is known."""
        self._looks = 0
        self._frames: dict[tuple[int, int], tuple[str, CodeType]] = {}
        """By the code's identity, hence with the code, and line. The text is shared by all stacks: of twenty
        thousand deep ones it would be hundreds of MiB."""

    def run(self) -> None:
        """Samples until its end, in the thread that calls it."""
        due = monotonic()
        while not self.stop and due < self._until:
            due += self._period
            sleep(max(0.0, due - monotonic()))
            self._look()
            # What was missed while the GIL was held is not made up for: it would all be the same stack.
            due = max(due, monotonic() - self._period)

    def data(self) -> dict[str, Any]:
        """What was seen, as JSON: stacks, the outermost frame first, with their counts."""
        room = TEXT
        left_out = self.left_out
        stacks: list[list[Any]] = []
        for stack, count in self.stacks.most_common():
            room -= sum(map(len, stack)) + 4 * len(stack) + 20
            if room < 0:
                left_out += count
            else:
                stacks.append([list(stack), count])
        return {"samples": self.samples, "left_out": left_out, "stacks": stacks}

    def _look(self) -> None:
        frames = sys._current_frames()  # noqa: SLF001 - the documented way
        del frames[get_ident()]
        tids = self._tids(frames)
        before, self._used = self._used, {}
        for ident, frame in frames.items():
            tid = tids.get(ident)
            if tid is not None and not self._is_busy(tid, before):
                continue  # one that is not known is taken for busy
            stack = self._stack(frame)
            if not stack:
                continue
            self.samples += 1
            if stack in self.stacks or len(self.stacks) < MOST:
                self.stacks[stack] += 1
            else:
                self.left_out += 1

    def _tids(self, frames: dict[int, FrameType]) -> dict[int, int]:
        """The kernel's numbers of threads, by ident, as far as they are known.

        `threading` knows few under gevent, and none that C code has started. The others' are found by their
        stacks once they wait, for whatever it is; what never waits is busy.
        """
        tids = known_tids()
        self._found = {ident: tid for ident, tid in self._found.items() if ident in frames}
        unknown = frames.keys() - tids.keys() - self._found.keys()
        self._looks += 1
        if unknown - self._unknown or (unknown and self._looks % _FIND_EVERY == 0):
            self._found |= tids_by_stacks(unknown, {*tids.values(), *self._found.values()})
        self._unknown = unknown
        return self._found | tids

    def _stack(self, frame: FrameType) -> Stack:
        """Its frames, the outermost first; empty for the agent's own thread."""
        found: list[str] = []
        outer: FrameType | None = frame
        while outer is not None and len(found) < DEPTH:
            code, line = outer.f_code, outer.f_lineno
            file = code.co_filename
            known = self._frames.get((id(code), line))
            if known is None:
                known = f"{code.co_qualname} ({short(file)}:{line})", code
                self._frames[id(code), line] = known
            found.append(known[0])
            outer = outer.f_back
        return () if file.endswith(_AGENT) else tuple(reversed(found))

    def _is_busy(self, tid: int, before: dict[int, float]) -> bool:
        """Whether it has used a CPU since the last look."""
        try:
            # pthread_getcpuclockid(3) of a thread that has ended is a crash; of a number it is an error.
            used = self._used[tid] = time.clock_gettime((~tid << 3) | _PER_THREAD_CLOCK)
        except OSError:  # its ident may be another thread's by now
            self._found = {ident: each for ident, each in self._found.items() if each != tid}
            return False
        return tid in before and used - before[tid] >= _BUSY * self._period


def profile(seconds: float = 10.0, rate: float = 100.0) -> View:
    """The functions in which this process spends its time, by samples from inside.

    `:profile` looks from outside, which sees what happens while the GIL is held, and draws flame graphs.

    Args:
        seconds: how long; 600 at most.
        rate: samples a second; 1000 at most.
    """
    if not 0 < seconds <= 600 or not 1 <= rate <= 1000:
        raise ValueError("say 0.1 to 600 seconds, and 1 to 1000 samples a second")
    job = current()
    sampling = Sampling(seconds, rate)
    job.lasts(seconds)
    sampling.run()
    own: Counter[str] = Counter()
    below: Counter[str] = Counter()
    for stack, count in sampling.stacks.items():
        names = [_without_line(frame) for frame in stack]
        own[names[-1]] += count
        below.update(dict.fromkeys(names, count))
    total = sampling.stacks.total() or 1
    ordered = sorted(below, key=lambda name: (-own[name], -below[name], name))
    rows = [
        {"self": 100 * own[name] / total, "total": 100 * below[name] / total, "function": name}
        for name in ordered
    ]
    return View(
        "profile",
        rows,
        units={"self": "percent", "total": "percent"},
        notes=(
            f"{sampling.samples} samples in {seconds:g}s",
            "GIL-biased: it was sampled from inside; :profile looks from outside",
        ),
        empty="no sample: no thread has used a CPU meanwhile",
    )


def _without_line(frame: str) -> str:
    place, _, line = frame.rpartition(":")
    return f"{place})" if line.rstrip(")").isdigit() else frame
