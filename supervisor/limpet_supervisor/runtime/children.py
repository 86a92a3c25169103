"""Deaths of our children, each told once: by pidfd, and by SIGCHLD for orphans that became ours.

Guarantee: nothing else in the daemon waits for a child, so no exit status is ever lost to another.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from limpet_supervisor.model.status import Exit

from .reactor import Priority, Reactor

OnExit = Callable[[Exit], None]


class Children:
    """Watches children of this process, and reaps orphans that nobody watches (we are their subreaper)."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._watched: dict[int, tuple[int, OnExit]] = {}
        try:
            self._list = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._list = -1  # a kernel without CONFIG_PROC_CHILDREN
        reactor.on_signal(signal.SIGCHLD, self.reap)

    def watch(self, pid: int, on_exit: OnExit) -> None:
        """Calls `on_exit` once the child `pid` has ended; it is reaped by then."""
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            pidfd = -1  # no descriptor is left: SIGCHLD alone will tell
        self._watched[pid] = (pidfd, on_exit)
        if pidfd >= 0:
            self._reactor.add(pidfd, lambda _events: self._ended(pid), priority=Priority.DEATH)

    def signal(self, pid: int, number: int) -> bool:
        """Sends a signal to a watched child, and never to another that took its number; False: it is gone."""
        if (entry := self._watched.get(pid)) is None:
            return False
        try:
            if entry[0] >= 0:
                signal.pidfd_send_signal(entry[0], number)
            else:
                os.kill(pid, number)  # ours and not reaped yet, so the number is its own
        except ProcessLookupError:
            return False
        return True

    def may_have_strays(self) -> bool:
        """Whether we have children that nobody watches: orphans of a watched one, since we are a subreaper.

        They come to our first thread, which is also the one that spawns: one small file tells. True also
        where the kernel has no such file.
        """
        if self._list < 0:
            return True
        size = 4096
        while len(listed := os.pread(self._list, size, 0)) == size:
            size *= 4
        return listed.count(b" ") > len(self._watched)

    def reap(self) -> None:
        """Reaps whoever has ended: watched children are told of, orphans are just gone."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            if ended.si_pid in self._watched:
                self._ended(ended.si_pid)
            else:
                with suppress(ChildProcessError):
                    os.waitpid(ended.si_pid, os.WNOHANG)

    def _ended(self, pid: int) -> None:
        # Race: pidfd and SIGCHLD both tell of a death; whichever comes second finds nothing here.
        if (entry := self._watched.get(pid)) is None:
            return
        pidfd, on_exit = entry
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
        if ended is None:
            return
        del self._watched[pid]
        if pidfd >= 0:
            self._reactor.remove(pidfd)
            os.close(pidfd)
        on_exit(exit_of(ended))

    def __contains__(self, pid: int) -> bool:
        return pid in self._watched

    def __len__(self) -> int:
        return len(self._watched)


def exit_of(ended: os.waitid_result) -> Exit:
    """How a process ended, from waitid(2)."""
    if ended.si_code == os.CLD_EXITED:
        return Exit(code=ended.si_status)
    try:
        name = signal.Signals(ended.si_status).name
    except ValueError:
        name = f"SIG{ended.si_status}"
    return Exit(signal=name, core=ended.si_code == os.CLD_DUMPED)
