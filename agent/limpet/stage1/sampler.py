"""Where the process spends its time, by samples from inside: for where nobody may look from outside.

A thread of ours looks at all the others, and is charged to each what its kernel says it has used of a CPU
since the last look. It gets its turn when the GIL is let go, so that it sees code that does so too often, and
C code that does not, never: the profile is GIL-biased, and says so.
"""

import os
import sys
import time
from collections import Counter
from types import CodeType, FrameType
from typing import Any, Final

from .frames import short
from .jobs import current
from .natives import get_ident, main_thread, monotonic, sleep
from .view import View

DEPTH: Final = 200
"""Innermost frames of a stack that are kept."""
MOST: Final = 20_000
"""Different stacks that are kept; of what else is seen only the number is."""
TEXT: Final = 8 * 1024 * 1024
"""Characters of the stacks in `data`, the most frequent first; the others are left out, and counted."""
_BUSY: Final = 0.05
"""Part of the time between two looks that a thread must have used of a CPU to be counted."""
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
        own = get_ident()
        tids = _tids()
        for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way
            if ident == own or not self._is_busy(ident, tids.get(ident)):
                continue
            stack = self._stack(frame)
            if not stack:
                continue
            self.samples += 1
            if stack in self.stacks or len(self.stacks) < MOST:
                self.stacks[stack] += 1
            else:
                self.left_out += 1

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

    def _is_busy(self, ident: int, tid: int | None) -> bool:
        """Whether it has used a CPU since the last look; of a thread that is not known it is assumed."""
        if tid is None:
            return True
        try:
            # pthread_getcpuclockid(3) of a thread that has ended is a crash; of a number it is an error.
            used = time.clock_gettime((~tid << 3) | _PER_THREAD_CLOCK)
        except OSError:
            return False
        before = self._used.get(ident)
        self._used[ident] = used
        return before is not None and used - before >= _BUSY * self._period


def _tids() -> dict[int, int]:
    """The kernel's numbers of threads, by ident, as far as they are known; read without a lock."""
    module: Any = sys.modules.get("threading")
    known = getattr(module, "_active", None)
    found = {}
    for ident, thread in list(known.items()) if type(known) is dict else ():
        tid = getattr(thread, "_native_id", None)
        if type(tid) is int:
            found[ident] = tid
    found[main_thread()] = os.getpid()
    return found


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
