"""The black box: what a process was doing when we had to end it, written before we do.

All thread stacks and asyncio tasks (from its agents, if they answer in time), memory, and the last lines.
"""

import os
import time
from collections.abc import Callable
from typing import Final

from limpet_supervisor.model.units import format_size
from limpet_supervisor.runtime import procfs
from limpet_supervisor.runtime.agents import Agents
from limpet_supervisor.runtime.output import Output
from limpet_supervisor.runtime.reactor import Reactor
from limpet_supervisor.wire.agent import AgentAnswer

_WITHIN: Final = 1.0
"""Seconds that the agents have to tell their stacks."""
_LINES: Final = 200
_KEPT: Final = 10
"""Black boxes kept of each process."""

OnWritten = Callable[[str | None], None]


class BlackBoxes:
    """Writes black boxes into a directory.

    Args:
        directory: where; made 0700 when first needed.
    """

    def __init__(self, reactor: Reactor, directory: str, output: Output, agents: Agents) -> None:
        self._reactor = reactor
        self._directory = directory
        self._output = output
        self._agents = agents

    def write(self, name: str, pid: int, cause: str, on_written: OnWritten) -> None:
        """Calls `on_written` with the path of the box, or None if it could not be written; soon, and once."""
        asked = self._agents.of(name)
        stacks: dict[int, str] = {}
        waiting = {connection.pid for connection in asked}
        done = False

        def finish() -> None:
            nonlocal done
            if not done:
                done = True
                timer.cancel()
                on_written(self._write(name, pid, cause, stacks, waiting))

        timer = self._reactor.call_later(_WITHIN, finish)
        for connection in asked:

            def answered(answer: AgentAnswer, from_pid: int = connection.pid) -> None:
                if answer.re:
                    waiting.discard(from_pid)
                    stacks[from_pid] = answer.text or answer.error or ""
                    if not waiting:
                        finish()

            connection.request("stacks", answered)
        if not asked:
            self._reactor.call_soon(finish)

    def _write(self, name: str, pid: int, cause: str, stacks: dict[int, str], silent: set[int]) -> str | None:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = f"{self._directory}/{name}-{stamp}-{pid}.txt"
        pids = [pid, *procfs.children(pid)]
        used = procfs.usage(pids)
        parts = [
            f"process  {name}",
            f"pid      {pid}",
            f"time     {stamp}",
            f"cause    {cause}",
            f"memory   {format_size(sum(each.rss for each in used.values()))}, processes {len(used)}",
            "",
        ]
        for each in pids:
            facts = procfs.stat(each)
            parts.append(f"== pid {each}: {procfs.command(each)} (state {facts.state if facts else '?'})")
            if each in stacks:
                parts.append(stacks[each].rstrip())
            elif each in silent:
                parts.append(f"its agent did not answer within {_WITHIN:g}s: stuck in C, or stopped")
            else:
                parts.append("no agent")
            parts.append("")
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
