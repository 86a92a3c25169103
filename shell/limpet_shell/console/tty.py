"""The terminal's mode while an input is worked on."""

import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def unechoed() -> Iterator[None]:
    """Keys typed ahead are neither shown nor edited by the kernel, and wait for the next prompt as they are.

    In the kernel's line mode a Ctrl-D that comes between two prompts would be lost. Ctrl-C stays a signal.
    """
    try:
        before = termios.tcgetattr(sys.stdin)
    except termios.error:  # standard input is no terminal
        yield
        return
    mode = termios.tcgetattr(sys.stdin)
    mode[0] &= ~termios.ICRNL
    mode[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(sys.stdin, termios.TCSANOW, mode)
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(sys.stdin, termios.TCSANOW, before)
