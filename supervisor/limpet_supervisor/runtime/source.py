"""One process's output: what is done with each block of bytes that the pump reads from its FIFO."""

import fcntl
import time
from typing import Final, NamedTuple

from limpet_supervisor.model.spec import Log
from limpet_supervisor.model.tracebacks import LONGEST, Kind, Tracebacks
from limpet_supervisor.runtime import listeners
from limpet_supervisor.runtime.foreground import Foreground
from limpet_supervisor.runtime.history import LINE_CHARACTERS, Arrivals, Batch, decode, last_lines, tail
from limpet_supervisor.runtime.lines import FORMATS
from limpet_supervisor.runtime.listeners import Listener
from limpet_supervisor.runtime.logfile import LogFile

LAST_LINES: Final = 200
RETRY_SECONDS: Final = 0.05
"""First wait before a file that took nothing is tried again."""
_LAST_BYTES: Final = 64 * 1024
_TAIL: Final = 32 * 1024


class Counters(NamedTuple):
    """What a process's output has come to."""

    bytes: int
    lines_dropped: int
    """Lines that never reached the file (`on_full = "drop"`)."""
    problem: str
    """Why the file cannot be written now; empty: it can."""


class Source:
    """One process's FIFO, with its file and its listeners.

    Invariant: everything but `listeners` is touched by the pump's thread alone, once the pump has it.
    """

    def __init__(self, name: str, fd: int, file: LogFile | None, log: Log, *, adopted: bool) -> None:
        """Takes over the FIFO; the pump begins to move what is in it when it is given the source.

        Args:
            name: the process.
            fd: its FIFO.
            file: None: its output is kept nowhere.
            log: the options.
            adopted: a process already holds the FIFO, so an unfinished line in the file is its own.
        """
        self.name = name
        self.fd = fd
        self.file = file
        self.listeners: tuple[Listener, ...] = ()
        """Replaced as a whole by the loop's thread."""
        self.bytes = 0
        self.lines_dropped = 0
        self.pending = b""
        """What the file could not take yet; the FIFO is not read while there is something here."""
        self.owed = 0
        """Bytes that are copied from the FIFO and not taken out of it yet."""
        self.retry_delay = RETRY_SECONDS
        self.held = False
        """Left alone by the pump until `pending` is written."""
        self.capacity = fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
        """Bytes that the FIFO holds."""
        self.may_heat = True
        """Whether it holds enough to be looked at only now and then."""
        self.pulled = 0.0
        """When something was last read."""
        self.empty_passes = 0
        """How often in a row nothing was found, while it is hot."""
        self.closing = False
        self.closed = False
        self._form = log.format
        self._encoder = FORMATS[log.format](name)
        self._drop = log.on_full == "drop"
        self._continues = adopted
        self._carry = b""  # the beginning of a line or traceback whose end has not come
        self._tracebacks = Tracebacks()  # of what is published; at a line's start where nothing is carried
        self._tail = b""  # the last output, where no file of its own has it
        self._arrivals = Arrivals()  # of that
        self._since = 0  # bytes for the file since the last `last_lines`
        self._dropping = False
        self._dropped_in_line = False
        self._unsaid = 0  # lines dropped and not reported in the file yet
        self._retry_at = 0.0

    # -- a block comes --

    def take(self, buffer: bytearray, end: int, foreground: Foreground | None, *, more: bool = False) -> None:
        """Takes what was read: the first `end` bytes of the buffer; `more`: there is more to read at once."""
        self.bytes += end
        file = self.file
        wanted = foreground is not None or bool(self.listeners)
        if file is not None and not wanted and not file.shared and self._form == "raw" and self._continues:
            self._let_go()
            self._append(file, buffer, end)
            return
        data = bytes(memoryview(buffer)[:end])
        if not wanted and (file is None or not file.shared):
            self._let_go()
            whole = b""
        elif whole := self._whole(data):
            self._publish(whole, foreground)
        if file is None or file.shared:
            self._tail = (self._tail + data)[-_TAIL:]
            self._arrivals.note(self.bytes, time.time())
        if file is not None:
            self._encode(file, whole if file.shared else data, more=more)

    @property
    def holding(self) -> bool:
        """Whether it wants more at once, or to hear (by taking nothing) that there is none."""
        return self._encoder.holding and not self.pending

    @property
    def open(self) -> bool:
        """Whether it is inside a traceback, between two of its lines: `pause` makes it complete."""
        return self._encoder.open or (self._tracebacks.open and not self._tracebacks.in_line)

    def pause(self, foreground: Foreground | None) -> None:
        """Its writer pauses: a traceback that could go on is over."""
        file = self.file
        if self._tracebacks.open and not self._tracebacks.in_line:
            block = self._carry
            self._let_go()
            self._publish(block, foreground)
            if file is not None and file.shared:
                self._encode(file, block)
        if file is not None and self._encoder.open:
            end = self._encoder.end(in_line=file.in_line and self._continues)
            self._append(file, end, len(end))

    def _whole(self, data: bytes) -> bytes:
        """Complete lines and tracebacks, with what was begun before; the beginning of the next is kept."""
        start = len(self._carry)
        traceback = 0
        for kind, part in self._tracebacks.parts(data):
            if kind is Kind.BEGINS:
                traceback = start
            start += len(part)
        data = self._carry + data
        # The one that is open begins at the last beginning, or with what was kept.
        cut = data.rfind(b"\n", 0, traceback if self._tracebacks.open else len(data)) + 1
        self._carry = data[cut:]
        if len(self._carry) >= (LONGEST if self._tracebacks.open else listeners.LINE_BYTES):
            self._let_go()
            return data if data.endswith(b"\n") else data + b"\n"
        return data[:cut]

    def _let_go(self) -> None:
        """Nothing that was begun is kept."""
        if self._carry:
            self._carry = b""
            self._tracebacks.end()

    def _publish(self, block: bytes, foreground: Foreground | None) -> None:
        """Gives complete lines to foreground and listeners."""
        if foreground is not None:
            foreground.put(self.name, block)
        lines: Batch | None = None
        for listener in self.listeners:
            if not listener.wants(self.name):
                listener.miss(self.name, block.count(b"\n"))
                continue
            if lines is None:
                texts = listeners.split(block)
                lines = Batch(texts, (time.time(),) * len(texts))
            listener.offer(self.name, lines)

    # -- the file --

    def _encode(self, file: LogFile, data: bytes, *, more: bool = False) -> None:
        if not data and not self._encoder.holding:
            return
        file.open()  # it shows whether it ends inside a line
        goes_on = file.in_line and self._continues and not file.shared
        block = self._encoder.encode(data, in_line=goes_on, more=more and not file.shared)
        if file.shared:
            block += self._encoder.end(in_line=not block.endswith(b"\n"))
        if not block:
            return
        if file.in_line and not goes_on:
            block = self._encoder.end_line + block
            self._since -= len(self._encoder.end_line)
        self._continues = True
        self._append(file, block, len(block))

    def _append(self, file: LogFile, block: bytes | bytearray, end: int) -> None:
        if self._dropping:
            rest = self._resume(file, bytes(memoryview(block)[:end]))
            if rest is None:
                return
            block, end = rest, len(rest)
        self._since += end
        taken = file.write(block, end)
        if taken == end:
            return
        left = bytes(memoryview(block)[taken:end])
        if not self._drop:
            self.pending = left
            return
        # Guarantee: no part stays of a line that did not fit: the file holds whole lines only.
        file.take_back_line()
        self._dropping = True
        self._retry_at = time.monotonic() + RETRY_SECONDS
        self._count_dropped(left)

    def _count_dropped(self, data: bytes, *, ended: bool = False) -> None:
        """Counts the lines that end in `data`, and with `ended` one that was begun."""
        count = data.count(b"\n")
        if data:
            self._dropped_in_line = not data.endswith(b"\n")
        if ended and self._dropped_in_line:
            count += 1
            self._dropped_in_line = False
        self.lines_dropped += count
        self._unsaid += count

    def _resume(self, file: LogFile, block: bytes) -> bytes | None:
        """While lines are dropped: what of `block` can be written now, after a line that says how many."""
        if time.monotonic() < self._retry_at:
            self._count_dropped(block)
            return None
        if self._dropped_in_line:  # the end of a line whose beginning is gone
            cut = block.find(b"\n") + 1
            self._count_dropped(block[:cut] or block)
            if not cut:
                return None
            block = block[cut:]
        why = file.failure.strerror if file.failure is not None else "the file was not writable"
        lines = "1 line was" if self._unsaid == 1 else f"{self._unsaid} lines were"
        notice = self._encoder.encode(f"limpet: {lines} dropped: {why}\n".encode(), in_line=False)
        if file.write(notice, len(notice)) < len(notice):
            file.take_back_line()
            self._retry_at = time.monotonic() + RETRY_SECONDS
            self._count_dropped(block)
            return None
        self._since += len(notice)
        self._dropping = False
        self._unsaid = 0
        return block

    def retry(self) -> bool:
        """Tries again to write what is pending; True: nothing is left."""
        if self.file is not None and self.pending:
            taken = self.file.write(self.pending, len(self.pending))
            self.pending = self.pending[taken:]
        return not self.pending

    def reopen(self) -> None:
        """The next write opens the file anew."""
        self._retry_at = 0.0
        if self.file is not None:
            self.file.close()

    # -- its writer ends --

    def end_line(self, foreground: Foreground | None) -> None:
        """The process is dead: a line that it left unfinished ends here, everywhere."""
        file = self.file
        if block := self._carry:
            self._let_go()
            block = block if block.endswith(b"\n") else block + b"\n"
            self._publish(block, foreground)
            if file is not None and file.shared:
                self._encode(file, block)
        if file is None or file.shared:
            return
        if self._dropping:
            self._encoder.end(in_line=False)
            self._count_dropped(b"", ended=True)
            self._retry_at = 0.0
            self._resume(file, b"")
            return
        in_line = not self.pending.endswith(b"\n") if self.pending else file.in_line and self._continues
        end = self._encoder.end(in_line=in_line)
        self._since += len(end)
        if self.pending:
            self.pending += end
        elif (taken := file.write(end, len(end))) < len(end) and not self._drop:
            self.pending = end[taken:]

    def last_lines(self) -> tuple[str, ...]:
        """What was written since the last call, at most 200 lines."""
        if self.file is None or self.file.shared:
            block, self._tail = self._tail, b""
            return tuple(decode(block, LAST_LINES, "raw"))
        since, self._since = self._since, 0
        if not since:
            return ()
        size = min(since - len(self.pending), _LAST_BYTES)
        block = tail(self.file.path, size) + self.pending
        if since > _LAST_BYTES and b"\n" not in block[:-1]:  # one traceback, perhaps
            size = min(since - len(self.pending), 4 * LONGEST)
            block = tail(self.file.path, size) + self.pending
        if since > size + len(self.pending):
            block = block.partition(b"\n")[2]
        return tuple(decode(block, LAST_LINES, self._form))

    def history(self, count: int, most: int | None = None) -> Batch:
        """The last complete lines, of all lives; a listener that begins now gets what follows on these."""
        file = self.file
        carried = self._carry.count(b"\n") + (bool(self._carry) and not self._carry.endswith(b"\n"))
        if file is None:
            lines = decode(self._tail, count + carried + 1, "raw", self._arrivals.before_end)
            begun = not self._tail.endswith(b"\n")
        else:
            wanted = count + carried + 1
            when = file.arrivals.before_end if file.arrivals is not None else None
            lines = last_lines(file.path, wanted, self._form, when=when, most=most)
            begun = file.in_line
        if file is not None and file.shared:
            return lines.last(count)
        if begun and lines and not carried:
            carried = 1
            text = lines[-1].encode()
            if len(text) < LINE_CHARACTERS and not self.pending:
                self._carry = text  # nobody has listened yet, perhaps: the beginning is in the file
                self._tracebacks.parts(text)
        return lines.last(count, without=carried)  # what is kept will be told as a whole

    def counters(self) -> Counters:
        """The counts so far; for any thread."""
        failure = self.file.failure if self.file is not None else None
        problem = (
            f"{self.file.path}: {failure.strerror}" if self.file is not None and failure is not None else ""
        )
        return Counters(self.bytes, self.lines_dropped, problem)
