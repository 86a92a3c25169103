"""Byte code that is the same wherever and whenever it is made: no file's time, no path of the build in it."""

import os
import subprocess
from typing import Final

from limpet_supervisor.errors import LimpetError

_OPTIONS: Final = ("-q", "-q", "-f", "--invalidation-mode", "unchecked-hash")


class Compilation:
    """A compiler at work on some directories, beside whatever else is done.

    Args:
        python: the interpreter that will run the byte code.
        root: what the paths in tracebacks are relative to, until a module is imported from its true place.
        directories: what is compiled, below the root.
    """

    def __init__(self, python: str, root: str, directories: list[str]) -> None:
        # In one process, in the order of names: what one file interns shows in the next one's byte code.
        self._process = subprocess.Popen(
            [python, "-I", "-S", "-m", "compileall", *_OPTIONS, "-s", root, "-p", "", *directories],
            env={**os.environ, "PYTHONHASHSEED": "0"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def wait(self) -> None:
        """Waits for its end. A file that is no valid Python, as templates may be, is left as it is.

        Raises:
            LimpetError: the compiler itself cannot run.
        """
        said, _ = self._process.communicate()
        if self._process.returncode not in (0, 1):
            raise LimpetError("The byte code cannot be compiled", said.decode(errors="replace")[-500:])

    def stop(self) -> None:
        """Ends it."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
