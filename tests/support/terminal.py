"""A real terminal: a pseudo-terminal with pyte as its screen; answers what terminals are asked."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Self

import pyte

BOUND = 30.0
"""Seconds after which what is waited for has failed to happen."""


class _Screen(pyte.Screen):
    """A screen that answers, such as ESC[6n (where is the cursor?)."""

    def __init__(self, columns: int, lines: int, master: int) -> None:
        super().__init__(columns, lines)
        self._master = master

    def write_process_input(self, data: str) -> None:
        with contextlib.suppress(OSError):  # the program is gone
            os.write(self._master, data.encode())


class Terminal:
    """A program on a terminal of its own; used as a context manager, which kills it if it still runs.

    Args:
        arguments: the program and its arguments.
        environ: its environment; TERM is set unless it is there.
        columns: of the terminal.
        lines: of the terminal.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        *,
        columns: int = 100,
        lines: int = 50,
        cwd: str | None = None,
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen = _Screen(columns, lines, self._master)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        # setsid -c makes the terminal the controlling one: Ctrl-C becomes a signal.
        self.process = subprocess.Popen(
            ["setsid", "-c", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={"TERM": "xterm-256color", **environ},
            cwd=cwd,
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(BOUND)
        os.close(self._master)

    @property
    def text(self) -> str:
        """What the screen shows, without trailing blanks."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def send(self, text: str) -> None:
        """Types."""
        os.write(self._master, text.encode())

    def paste(self, text: str) -> None:
        """Pastes, as a terminal with bracketed paste does."""
        self.send(f"\x1b[200~{text}\x1b[201~")

    def resize(self, columns: int, lines: int) -> None:
        """Makes the terminal another size; the kernel tells the program by SIGWINCH."""
        self.screen.resize(lines, columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def terminate(self) -> None:
        """Asks the program to end."""
        self.process.terminate()

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def wait_for(self, text: str, count: int = 1) -> str:
        """The screen, once `text` is on it `count` times."""
        deadline = time.monotonic() + BOUND
        while self.text.count(text) < count:
            assert self._read(deadline), f"{text!r} did not come; the screen:\n{self.text}"
        return self.text

    def wait_until_gone(self, text: str) -> str:
        """The screen, once `text` is no longer on it."""
        deadline = time.monotonic() + BOUND
        while text in self.text:
            assert self._read(deadline), f"{text!r} stays; the screen:\n{self.text}"
        return self.text

    def wait(self) -> int:
        """The program's exit code, once it has ended and all it wrote is on the screen."""
        deadline = time.monotonic() + BOUND
        while self._read(deadline):
            pass
        return self.process.wait(max(0.0, deadline - time.monotonic()))

    def _read(self, deadline: float) -> bool:
        """Feeds the screen with what comes; False at the end, or when nothing comes in time."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: nobody holds the other end any more
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)
