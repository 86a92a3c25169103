"""The output of all processes: one FIFO each, moved by the pump to its file, the foreground, its followers.

A process holds the FIFO `open` returns as its stdout and stderr, opened for reading and writing; so it
never meets SIGPIPE and waits where no one reads, and a new supervisor finds in it what it has not read.

Threads: every method is called by the loop's thread; callbacks come there. The files' users are counted
here, the pump does the rest.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Final

from limpet_supervisor.errors import LimpetError, NoSuchProcess
from limpet_supervisor.model.spec import Log
from limpet_supervisor.runtime.backups import Cap, Packer
from limpet_supervisor.runtime.foreground import Foreground
from limpet_supervisor.runtime.history import Batch, last_lines
from limpet_supervisor.runtime.inhand import InHand
from limpet_supervisor.runtime.labels import Journal, Names, is_journal
from limpet_supervisor.runtime.listeners import Follower, Match
from limpet_supervisor.runtime.logfile import LogFile, log_path
from limpet_supervisor.runtime.pump import Pump
from limpet_supervisor.runtime.reactor import Reactor
from limpet_supervisor.runtime.source import Counters, Source

MOST_LINES: Final = 10_000
"""Lines that one request for last lines may read, of all its processes together."""
_MOST_BYTES: Final = 8 * 1024 * 1024
"""The same in bytes."""
_LEAST_BYTES: Final = 64 * 1024
_CLOSED: Final = 1000
"""Processes that are gone whose last lines can still be asked for."""


class Output:
    """See the module."""

    def __init__(
        self,
        reactor: Reactor,
        fifo_directory: str,
        log_directory: str,
        *,
        stdout: int | None = None,
        color: bool = False,
        most: int = 0,
    ) -> None:
        """Starts the pump.

        Args:
            reactor: the loop on which callbacks come.
            fifo_directory: where the FIFOs are; it exists.
            log_directory: where log files are unless a process says otherwise; made with the first.
            stdout: in the foreground, what gets all lines, each behind its process's name.
            color: whether those names are coloured.
            most: bytes of all log files together; 0: as many as they come to.
        """
        self._reactor = reactor
        self._fifo_directory = fifo_directory
        self._log_directory = log_directory
        self._sources: dict[str, Source] = {}
        self._logs: dict[str, Log] = {}
        self._closed: dict[str, Log] = {}
        self._files: dict[str, LogFile] = {}
        self._listeners: list[Follower | Match] = []
        self._packer = Packer()
        self._cap = Cap(most, log_directory, self._packer.names) if most else None
        self._in_hand = InHand(fifo_directory)
        self._pump = Pump(self._failed, self._in_hand)
        if stdout is not None:
            labels = Journal() if is_journal(stdout, os.environ) else Names(color=color)
            self._pump.foreground = Foreground(stdout, self._pump.wake, labels)

    def _failed(self, error: Exception) -> None:
        """A bug in the pump, which goes on: the loop hears of it as of its own."""

        def fail() -> None:
            raise error

        self._reactor.call_from_thread(fail)

    # -- processes --

    def fifo(self, name: str) -> str:
        """The path of the FIFO of a process."""
        return os.path.join(self._fifo_directory, f"{name}.out")

    def open(self, name: str, log: Log) -> str:
        """Begins to move the output of a process, and returns the path of its FIFO.

        The FIFO is made (mode 0600) if it is missing; one that a process still holds is taken over with what
        is in it, and a line that was begun goes on. Opening again what is open does nothing.

        Raises:
            LimpetError: the FIFO cannot be made or opened.
        """
        path = self.fifo(name)
        if name in self._sources:
            return path
        try:
            fd, adopted = _open_fifo(path)
        except OSError as error:
            raise LimpetError(f"cannot make {path}", error.strerror or str(error)) from error
        file: LogFile | None = None
        if not adopted:
            self._in_hand.forget(name)
        if file_path := log_path(self._log_directory, name, log):
            if adopted:
                self._in_hand.recover(name, fd, file_path)
            file = self._files.get(file_path)
            if file is None or not file.users:
                file = self._files[file_path] = LogFile(
                    file_path,
                    log.max_bytes,
                    log.backups,
                    max_age=log.max_age,
                    timed=log.format == "raw",
                    packer=self._packer,
                    compress=log.compress,
                    cap=self._cap,
                    in_hand=self._in_hand,
                )
            file.users += 1
            file.shared = file.shared or file.users > 1
        source = Source(name, fd, file, log, adopted=adopted)
        source.listeners = tuple(each for each in self._listeners if each.names is None or name in each.names)
        if (foreground := self._pump.foreground) is not None:
            self._pump.command(lambda: foreground.add(name))
        self._sources[name] = source
        self._logs[name] = log
        self._closed.pop(name, None)
        self._pump.add(source)
        return path

    def chown(self, name: str, uid: int, gid: int) -> None:
        """Lets a process of another user open its FIFO.

        Raises:
            LimpetError: it may not be given away.
        """
        path = self.fifo(name)
        try:
            os.chown(path, uid, gid)
        except OSError as error:
            raise LimpetError(f"cannot give {path} to user {uid}", error.strerror or str(error)) from error

    def settled(self, name: str, callback: Callable[[tuple[str, ...]], None]) -> None:
        """After a death: calls back once all that was written has reached file and followers.

        A line that was left unfinished is ended. The callback gets the last lines (at most 200, of what was
        written since the last time). Should the file take nothing (a full disk), it does not wait for that.
        """
        source = self._sources.get(name)
        if source is None:
            self._reactor.call_soon(lambda: callback(()))
            return

        def settle() -> None:
            lines = self._pump.settle(source)
            self._reactor.call_from_thread(lambda: callback(lines))

        self._pump.command(settle)

    def close(self, name: str) -> None:
        """Moves what is left, then forgets the process; its FIFO is removed at once."""
        source = self._sources.pop(name, None)
        if source is None:
            return
        if source.file is not None:
            source.file.users -= 1
            if not source.file.users:
                del self._files[source.file.path]
        self._closed[name] = self._logs.pop(name)
        if len(self._closed) > _CLOSED:
            del self._closed[next(iter(self._closed))]
        with suppress(OSError):
            os.unlink(self.fifo(name))
        self._pump.command(lambda: self._pump.close(source))
        if (foreground := self._pump.foreground) is not None:
            self._pump.command(lambda: foreground.remove(name))

    def counters(self, name: str) -> Counters:
        """Bytes written so far, lines a full disk has cost, and why its file cannot be written now.

        Raises:
            NoSuchProcess: it is not open.
        """
        source = self._sources.get(name)
        if source is None:
            raise NoSuchProcess(f"there is no output of {name}")
        return source.counters()

    # -- readers --

    def last_lines(self, name: str, count: int) -> list[str]:
        """The last lines of a process, running or not, from its file; none if it keeps no file.

        It reads the disk at once: for a few lines, where the answer is needed now.
        """
        log = self._log_of(name)
        return last_lines(log_path(self._log_directory, name, log), count, log.format)

    def _log_of(self, name: str) -> Log:
        return self._logs.get(name) or self._closed.get(name) or Log()

    def read_last(
        self, names: Iterable[str], count: int, callback: Callable[[dict[str, Batch]], None]
    ) -> None:
        """Calls back with the last lines of each process, running or not; the loop waits for no disk.

        At most MOST_LINES are read in all: of many processes fewer each.
        """
        read = self._history(tuple(names), count)

        def answer() -> None:
            found = read()
            self._reactor.call_from_thread(lambda: callback(found))

        self._pump.command(answer)

    def follow(
        self,
        names: Iterable[str] | None,
        callback: Callable[[str, Batch], None],
        *,
        last: int = 0,
        past: Callable[[list[str]], None] | None = None,
    ) -> Follower:
        """Calls back with (name, complete lines) until the answer's `cancel`.

        Args:
            names: processes, open or yet to be opened; None: all of them, for ever.
            callback: slow ones lose lines, which `dropped` of the answer counts.
            last: begin with so many lines of each that came before (see `read_last`): no line is missing or
                told twice between those and the new ones.
            past: called when all of those have been told, with the names of which there were more.
        """
        wanted = None if names is None else tuple(names)
        follower = Follower(
            self._reactor, None if wanted is None else frozenset(wanted), callback, self._forget, past
        )
        if last > 0 or past is not None:
            follower.begun = False
            read = self._history(tuple(self._sources) if wanted is None else wanted, last)

            def begin() -> None:
                follower.begin(read())

            self._pump.command(begin)
        self._listen(follower)
        return follower

    def _history(self, names: tuple[str, ...], count: int) -> Callable[[], dict[str, Batch]]:
        """What reads the last lines of these processes; for the pump: nothing is moved meanwhile."""
        each = max(0, min(count, MOST_LINES // max(1, len(names))))
        most = max(_LEAST_BYTES, _MOST_BYTES // max(1, len(names)))
        places = [(name, self._sources.get(name), self._log_of(name)) for name in names]
        directory = self._log_directory

        def read() -> dict[str, Batch]:
            found = {}
            for name, source, log in places:
                if source is not None and not source.closed:
                    lines = source.history(each, most)
                else:
                    lines = last_lines(log_path(directory, name, log), each, log.format, most=most)
                if lines:
                    found[name] = lines
            return found

        return read

    def match(self, name: str, pattern: str | re.Pattern[str], callback: Callable[[str], None]) -> Match:
        """Calls back once, with the first line from now on in which `pattern` is found."""
        match = Match(self._reactor, name, pattern, callback, self._forget)
        self._listen(match)
        return match

    def _listen(self, listener: Follower | Match) -> None:
        self._listeners.append(listener)
        for name, source in self._sources.items():
            if listener.names is None or name in listener.names:
                source.listeners += (listener,)

    def _forget(self, listener: Follower | Match) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)
            for source in self._sources.values():
                if listener in source.listeners:
                    source.listeners = tuple(each for each in source.listeners if each is not listener)

    # -- the node --

    def say(self, text: str) -> None:
        """Writes lines of the node itself to the foreground, never inside another line."""
        if self._pump.foreground is not None:
            self._pump.foreground.say(text)

    def reopen(self) -> None:
        """Closes all files: the next line opens each anew, and one that was full is tried at once (USR1)."""
        self._pump.command(self._pump.reopen)

    def shutdown(self, *, keep: bool = False) -> None:
        """Moves what is left, ends the pump and frees everything.

        Args:
            keep: the processes live on and a successor opens their FIFOs; else the FIFOs are removed.
        """
        for name, source in self._sources.items():
            if not keep:
                with suppress(OSError):
                    os.unlink(self.fifo(name))
            self._pump.command(partial(self._pump.close, source, keep=keep, final=True))
        self._sources.clear()
        self._pump.stop()
        self._in_hand.close()
        self._packer.stop()


def _open_fifo(path: str) -> tuple[int, bool]:
    """A descriptor of the FIFO at `path`, and whether some process held it already."""
    adopted = False
    try:
        os.mkfifo(path, 0o600)
    except FileExistsError:
        if not stat.S_ISFIFO(os.lstat(path).st_mode):
            os.unlink(path)
            os.mkfifo(path, 0o600)
        else:
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
                adopted = True
            except OSError:  # ENXIO: nobody has it open for reading
                adopted = False
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW), adopted
