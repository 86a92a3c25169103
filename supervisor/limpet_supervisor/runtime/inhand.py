"""What the pump has in hand: copied from a FIFO, and not in its file yet; SIGKILL loses none of it.

A block is copied out of the FIFO by tee(2), written, and only then taken out of it. Before a file grows by a
block, the file, its size, and the block's two ends are noted. Whoever comes after a pump that was killed
looks for these in the FIFO: if the block is still there, the file is cut back, and what it has got of the
block is not there twice, nor torn. Only what a rotation in the middle of a block has put away already is.
(Killed between the taking and the end of the note, with a next block as long and with the same ends, it has
lost the first: a matter of microseconds, and of lines that say nothing that tells them apart.)
Of a block that its file has not taken whole, on a full disk, the note is kept in a file of the FIFO's own.
"""

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from struct import Struct
from typing import Final, NamedTuple

_NAME: Final = "in_hand"
_KEPT: Final = ".in_hand"
"""Behind a FIFO's name: the note of a block that waits for its file."""
_PIPE: Final = 256 * 1024
"""Twice a block: a page of a pipe may be half full."""
_SPLICE_F_NONBLOCK: Final = 2
_END: Final = 64
"""Bytes of each end of a block by which it is known."""
_HEAD: Final = Struct(f"<QQII{_END}s{_END}s")
"""The file's inode and size, the block's length, the length of what follows (the FIFO's name and the file's
path, a NUL between), the block's ends."""
_MOST: Final = 64 * 1024
_NOTHING: Final = b"\0" * _HEAD.size

_tee = ctypes.CDLL(None, use_errno=True).tee
_tee.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_size_t, ctypes.c_uint]
_tee.restype = ctypes.c_ssize_t


class Note(NamedTuple):
    """A file that was to grow by a block."""

    fifo: str
    path: str
    inode: int
    size: int
    """Its bytes before."""
    length: int
    """The block's."""
    ends: tuple[bytes, bytes]
    """The block's; filled up with NUL."""

    def cut_back(self) -> None:
        """Takes back what the file has got of the block, if it is still the same file."""
        with suppress(OSError):
            fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                facts = os.fstat(fd)
                if facts.st_ino == self.inode and facts.st_size > self.size:
                    os.ftruncate(fd, self.size)
            finally:
                os.close(fd)


class InHand:
    """One block at a time. The loop's thread recovers, the pump's does the rest."""

    def __init__(self, directory: str) -> None:
        """Opens the note in `directory`, and reads what an earlier pump has left there."""
        self._directory = directory
        self._path = os.path.join(directory, _NAME)
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._left = {(note.fifo, note.path): note for note in _left_in(directory, self._fd)}
        self._read_fd, self._write_fd = _pipe()
        self._null = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)
        self._copies = True
        self._fifo = ""
        """Whose block is in hand; empty: none is, or its file is noted already."""
        self._block = memoryview(b"")
        self._noted = b""
        """What is noted now."""
        self._kept = {name.removesuffix(_KEPT) for name in os.listdir(directory) if name.endswith(_KEPT)}
        """FIFOs whose blocks wait for their files."""

    def recover(self, fifo: str, fd: int, path: str) -> None:
        """A FIFO of an earlier pump's is taken over, whose output is kept in the file at `path`."""
        left = self._left.pop((fifo, path), None)
        if left is not None:
            _cut_back(left, fd)
        self.forget(fifo)

    def forget(self, fifo: str) -> None:
        """No block of that FIFO waits for its file any more."""
        if fifo in self._kept:
            self._kept.discard(fifo)
            with suppress(OSError):
                os.unlink(self._place(fifo))

    def _place(self, fifo: str) -> str:
        return os.path.join(self._directory, f"{fifo}{_KEPT}")

    def look(self, fd: int, view: memoryview) -> int:
        """Copies what is in a FIFO, at most the view's length; `take` removes it. 0: there is nothing."""
        try:
            if self._copies:
                count: int = _tee(fd, self._write_fd, len(view), _SPLICE_F_NONBLOCK)
                if count >= 0:
                    return os.readv(self._read_fd, [view]) if count else 0
                if ctypes.get_errno() in (errno.EAGAIN, errno.EINTR):
                    return 0
                self._copies = False  # a sandbox without tee(2): what is read is in hand, as long as we live
            return os.readv(fd, [view])
        except BlockingIOError:
            return 0

    def begin(self, fifo: str, block: memoryview) -> None:
        """The block that was copied from there is written from here on."""
        if self._copies and block:
            self._fifo = fifo
            self._block = block

    def grows(self, path: str, inode: int, size: int) -> None:
        """A file is to be written to, which is so long; the first after `begin`, or a rotation, is noted."""
        if self._fifo:
            names = os.fsencode(f"{self._fifo}\0{path}")
            self._fifo = ""
            head = _HEAD.pack(inode, size, len(self._block), len(names), *_ends(self._block))
            self._noted = head + names
            with suppress(OSError):  # a full disk: then the block may be there twice
                os.pwrite(self._fd, self._noted, 0)

    def end(self, waits: str = "") -> None:
        """The block is taken out of the FIFO; or stays there, in `waits`, until its file takes all of it."""
        self._fifo = ""
        noted, self._noted = self._noted, b""
        if noted:
            with suppress(OSError):  # a full disk: then a part of the block may be there twice
                if waits:
                    self._keep(waits, noted)
                os.pwrite(self._fd, _NOTHING, 0)

    def _keep(self, fifo: str, note: bytes) -> None:
        self._kept.add(fifo)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(self._place(fifo), flags, 0o600)
        try:
            os.pwrite(fd, note, 0)
        finally:
            os.close(fd)

    def take(self, fd: int, count: int) -> None:
        """Removes what was copied from the FIFO."""
        while self._copies and count > 0:
            try:
                # Before Linux 5.1 a pipe's own O_NONBLOCK did not count here (fs/splice.c).
                count -= os.splice(fd, self._null, count, flags=os.SPLICE_F_NONBLOCK)
            except BlockingIOError:  # somebody else has read it
                return

    def close(self) -> None:
        """Nothing is in hand any more."""
        for fd in (self._fd, self._read_fd, self._write_fd, self._null):
            os.close(fd)
        with suppress(OSError):
            os.unlink(self._path)


def _left_in(directory: str, own: int) -> Iterator[Note]:
    """All notes that are there; the one of what was moved just then is the last."""
    for name in os.listdir(directory):
        if name.endswith(_KEPT):
            with suppress(OSError):
                fd = os.open(os.path.join(directory, name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    if (note := _read(fd)) is not None:
                        yield note
                finally:
                    os.close(fd)
    if (note := _read(own)) is not None:
        yield note


def _cut_back(left: Note, fd: int) -> None:
    """If the block is still in the FIFO."""
    block = memoryview(bytearray(left.length))
    read, write = _pipe()
    try:
        if _tee(fd, write, left.length, _SPLICE_F_NONBLOCK) == left.length:
            os.readv(read, [block])
            if _ends(block) == left.ends:
                left.cut_back()
    finally:
        os.close(read)
        os.close(write)


def _read(fd: int) -> Note | None:
    found = os.pread(fd, _MOST, 0)
    if len(found) < _HEAD.size:
        return None
    inode, size, length, names, first, last = _HEAD.unpack_from(found)
    fifo, _, path = os.fsdecode(found[_HEAD.size : _HEAD.size + names]).partition("\0")
    return Note(fifo, path, inode, size, min(length, _PIPE), (first, last)) if inode and path else None


def _pipe() -> tuple[int, int]:
    read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    with suppress(OSError):
        fcntl.fcntl(read, fcntl.F_SETPIPE_SZ, _PIPE)
    return read, write


def _ends(block: memoryview) -> tuple[bytes, bytes]:
    return bytes(block[:_END]).ljust(_END, b"\0"), bytes(block[-_END:]).ljust(_END, b"\0")
