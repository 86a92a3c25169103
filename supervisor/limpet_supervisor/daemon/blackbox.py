"""The black box: what a process was doing when we had to end it, written before we do.

The stacks of all its processes and their asyncio tasks, whether they answer or not; memory; the last lines.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from limpet_supervisor.model.stacks import ProcessStacks
from limpet_supervisor.model.units import format_size
from limpet_supervisor.runtime import procfs
from limpet_supervisor.runtime.output import Output
from limpet_supervisor.runtime.reactor import Reactor

if TYPE_CHECKING:
    from limpet_supervisor.runtime.stacks import Ladder

_WITHIN: Final = 6.0
"""Seconds that looking at its processes may take; each rung of the ladder has less."""
_MOST: Final = 100
"""Processes of which the stacks are looked at."""
_LINES: Final = 200
_KEPT: Final = 10
"""Black boxes kept of each process."""

OnWritten = Callable[[str | None], None]


class BlackBoxes:
    """Writes black boxes into a directory.

    Args:
        directory: where; made 0700 when first needed.
        ladder: who looks at processes; loaded when the first one is to be killed.
    """

    def __init__(
        self, reactor: Reactor, directory: str, output: Output, ladder: Callable[[], "Ladder"]
    ) -> None:
        self._reactor = reactor
        self._directory = directory
        self._output = output
        self._ladder = ladder

    def write(self, name: str, pid: int, cause: str, on_written: OnWritten) -> None:
        """Calls `on_written` with the path of the box, or None if it could not be written; soon, and once."""
        from limpet_supervisor.runtime.stacks import BEFORE_KILL

        pids = [pid, *procfs.children(pid)]
        used = procfs.usage(pids)  # now: before a kill, not after whatever looking takes
        found: dict[int, ProcessStacks] = {}
        waiting = set(pids[:_MOST])
        done = False

        def finish() -> None:
            nonlocal done
            if not done:
                done = True
                timer.cancel()
                memory = format_size(sum(each.rss for each in used.values()))
                facts = [f"cause    {cause}", f"memory   {memory}, processes {len(used)}", ""]
                on_written(self._write(name, pid, [*facts, *_of_each(used, found, waiting)]))

        def looked(stacks: ProcessStacks) -> None:
            waiting.discard(stacks.pid)
            found[stacks.pid] = stacks
            if not waiting:
                finish()

        timer = self._reactor.call_later(_WITHIN, finish)
        for each in pids[:_MOST]:
            self._ladder().climb(name, each, looked, patience=BEFORE_KILL)

    def _write(self, name: str, pid: int, facts: list[str]) -> str | None:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = f"{self._directory}/{name}-{stamp}-{pid}.txt"
        parts = [f"process  {name}", f"pid      {pid}", f"time     {stamp}", *facts]
        parts.append(f"== last lines of {name}")
        parts += self._output.last_lines(name, _LINES)
        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8", errors="replace") as file:
                file.write("\n".join(parts) + "\n")
            self._prune(name)
        except OSError:
            return None
        return path

    def _prune(self, name: str) -> None:
        boxes = sorted(entry for entry in os.listdir(self._directory) if entry.startswith(f"{name}-"))
        for entry in boxes[:-_KEPT]:
            os.unlink(f"{self._directory}/{entry}")


def _of_each(used: Iterable[int], found: dict[int, ProcessStacks], silent: set[int]) -> Iterator[str]:
    """Lines about each process: those `found`; those that were looked at in vain; those that were not."""
    for pid in used:
        if pid in found:
            first, *rest = found[pid].lines()
            yield f"== {first}"
            yield from rest
        elif pid in silent:
            yield f"== pid {pid}: nothing could be seen of it within {_WITHIN:g}s"
        else:
            yield f"== pid {pid}: left out, there are too many"
        yield ""
