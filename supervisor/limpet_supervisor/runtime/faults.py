"""Stacks by a signal: `faulthandler`, in the process, writes them to a file in memory that we read.

The agent has everything ready (`limpet.agent.Stacks`): the handler of SIGRTMAX-2, in a thread of its own that
no other thread waits for, and the file. It works while C code holds the GIL, and takes no right to ptrace(2).

Guarantee: the signal goes to one thread, the agent's, never to a process's first; and only if there is a
handler just before, that thread takes it, and the file that the handler writes to is still the agent's. An
execve(2) ends all other threads before it takes the handlers away: a signal on its way ends with its thread,
a later one finds none.

Race: a process that itself gives the signal its deadly default back, after the last look and before the
signal some microseconds later, is killed by it. The kernel sends none on the condition that it is handled.
"""

import ctypes
import os
import signal
import stat
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Final

from limpet_supervisor.model.stacks import Stack

from . import threads
from .reactor import Reactor, Timer
from .written import by_faulthandler

SIGNAL: Final = signal.SIGRTMAX - 2
_LINK: Final = "/memfd:limpet-stacks (deleted)"
_USUAL: Final = 900
"""The number from which on an agent takes the first that is free (`limpet.agent.LOW_DESCRIPTOR`)."""
_NEAR: Final = 64
_LOOKS: Final = 2048
"""Descriptors that are looked at beside those numbers."""
_LIMIT: Final = 1024 * 1024
_WITHIN: Final = 1.0
_LOOK_EVERY: Final = 0.01
_QUIET: Final = 4
"""Looks without a change after which it has written everything; it takes it 1 or 2 ms."""

OnStacks = Callable[[tuple[Stack, ...], str], None]
"""Called with the stacks, or with none and why there are none."""


class Faults:
    """One such request; answered once, never before the constructor has returned, and not after `cancel`."""

    def __init__(self, reactor: Reactor, pid: int, on_stacks: OnStacks) -> None:
        self._reactor = reactor
        self._on_stacks: OnStacks | None = on_stacks
        self._file = -1
        self._began = reactor.now()
        self._before = self._size = self._quiet = 0
        self._timer: Timer | None = None
        why = self._ask(pid)
        if why:
            reactor.call_soon(lambda: self._answer((), why))
        else:
            self._timer = reactor.call_later(_LOOK_EVERY, self._look)

    def cancel(self) -> None:
        """It is not answered."""
        self._on_stacks = None
        self._answer((), "")

    def _ask(self, pid: int) -> str:
        """Sends the signal; why not, if not."""
        try:
            self._file = open_file(pid)
        except PermissionError:
            return "its file in memory may not be read: that takes CAP_SYS_PTRACE"
        except OSError:
            return "it has ended"
        if self._file < 0:
            return "there is no handler: it has no agent, or has closed its file"
        head = os.pread(self._file, 100, 0).partition(b"\n")[0].split()
        if len(head) != 2 or head[0] != b"%d" % pid or not head[1].isdigit():
            return "its agent is not ready for it yet"
        thread = int(head[1])
        if thread == pid:  # it outlives an exec, its handlers do not
            return "its file in memory is not the agent's"
        if threads.stop_is_pending(pid):
            return "it is stopped: signals wait until it goes on"
        self._before = self._size = os.fstat(self._file).st_size
        tgkill = ctypes.CDLL(None, use_errno=True).tgkill
        # Race: see the module's. Nothing may come between this look and the signal.
        if not threads.handles(pid, SIGNAL, thread):
            return "its agent's handler is gone"
        if tgkill(pid, thread, int(SIGNAL)):
            return os.strerror(ctypes.get_errno())
        return ""

    def _look(self) -> None:
        size = os.fstat(self._file).st_size
        if size != self._size:
            self._size, self._quiet = size, 0
        elif size > self._before:
            self._quiet += 1
        if self._quiet >= _QUIET or size - self._before > _LIMIT:
            text = os.pread(self._file, _LIMIT, self._before).decode("ascii", "replace")
            found = by_faulthandler(text.lstrip("\0"))
            # What is read is given back; what is written next begins where this ended, after a hole.
            with suppress(OSError):
                os.ftruncate(self._file, len(os.pread(self._file, 100, 0).partition(b"\n")[0]) + 1)
            self._answer(found, "" if found else "what it wrote cannot be read")
        elif self._reactor.now() - self._began > _WITHIN:
            self._answer((), f"its handler wrote nothing within {_WITHIN:g}s")
        else:
            self._timer = self._reactor.call_later(_LOOK_EVERY, self._look)

    def _answer(self, stacks: tuple[Stack, ...], why: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        on_stacks, self._on_stacks = self._on_stacks, None
        if on_stacks is not None:
            on_stacks(stacks, why)


def open_file(pid: int) -> int:
    """A descriptor of our own of the agent's file; -1 if the process has none, or it is not found among many.

    Of a hundred thousand descriptors some thousands are looked at: each look takes 4 us, on the loop.

    Raises:
        OSError: its descriptors may not be seen, or it is gone.
    """
    directory = f"/proc/{pid}/fd"
    for number in range(_USUAL, _USUAL + _NEAR):
        if (file := _opened(f"{directory}/{number}")) >= 0:
            return file
    with os.scandir(directory) as entries:  # a child's whose parent had the usual numbers in use
        for entry in islice(entries, _LOOKS):
            if (file := _opened(entry.path)) >= 0:
                return file
    return -1


def _opened(path: str) -> int:
    """The file, if it is an agent's; else -1."""
    with suppress(FileNotFoundError):
        if os.readlink(path) != _LINK:
            return -1
        file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        facts = os.fstat(file)
        if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 0:
            return file
        os.close(file)
    return -1
