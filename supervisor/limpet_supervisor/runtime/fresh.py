"""A fresh process of the application's interpreter, for code that is the user's: it never runs in ours.

Results come back through a memory file (memfd_create(2)): no pipe that could fill, nothing on a disk.
"""

import os
import select
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from limpet_supervisor.errors import ConfigError

TIME: Final = 60.0
"""Seconds that it may take."""

_RUN: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); import limpet; del sys.path[0]; "
    "from importlib import import_module; sys.exit(import_module(sys.argv[2]).main(sys.argv[3:]))"
)
"""Makes the package `limpet` importable, and nothing else that lies beside it."""


def tied(code: str) -> str:
    """Python code for `-c` that ends with this process, should we be killed (PR_SET_PDEATHSIG).

    The new interpreter asks for it itself: ours is never forked. An interpreter without ctypes does not.
    """
    return (
        "import os\n"
        "try:\n"
        "    import ctypes\n"
        f"    ctypes.CDLL(None).prctl(1, {int(signal.SIGKILL)})\n"
        "except (ImportError, AttributeError):\n"
        "    pass\n"
        # Race: we may have ended before it asked to end with us.
        f"if os.getppid() != {os.getpid()}:\n"
        "    os._exit(1)\n"
        f"{code}"
    )


def run(
    python: str,
    module: str,
    *arguments: str,
    agent_root: str,
    cwd: str,
    environ: Mapping[str, str],
    descriptors: tuple[int, ...],
    timeout: float,
) -> int | None:
    """Calls `main(arguments)` of a module of the agent's in a new interpreter; blocks until it has ended.

    What it prints goes to our standard error: standard output belongs to whoever called us. What it started
    and left in its session ends with it. It ends with us, should we be killed; so it must be the main thread
    that calls this, or another that lives as long.

    Args:
        python: the interpreter.
        module: such as `limpet.runtime_config`.
        arguments: its main's.
        agent_root: the directory in which the package `limpet` is.
        cwd: its working directory, first in its module search path.
        environ: its environment.
        descriptors: what it inherits, under the same numbers.
        timeout: seconds that it may take.

    Returns:
        Its exit code, negative for a signal; None if it took too long and was killed.

    Raises:
        ConfigError: the interpreter cannot be run.
    """
    try:
        process = subprocess.Popen(
            [python, "-c", tied(_RUN), agent_root, module, *arguments],
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=2,
            pass_fds=descriptors,
            start_new_session=True,
        )
    except OSError as error:
        raise ConfigError(f"{python} cannot be run in {cwd}", str(error.strerror)) from None
    over = False
    try:
        over = _wait(process.pid, timeout)
    finally:
        # Invariant: its end has not been collected yet, so its number is still its own.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return process.returncode if over else None


@contextmanager
def memory_file(content: bytes = b"") -> Iterator[int]:
    """The descriptor of an anonymous file in memory."""
    descriptor = os.memfd_create("limpet")
    try:
        while content:
            content = content[os.write(descriptor, content) :]
        yield descriptor
    finally:
        os.close(descriptor)


def content_of(descriptor: int) -> bytes:
    """All that was written to a memory file."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def ended(how: int) -> str:
    """How a process ended, in words."""
    return f"was killed by {signal.Signals(-how).name}" if how < 0 else f"ended with exit code {how}"


def _wait(pid: int, timeout: float) -> bool:
    """Whether the process ends within so many seconds; its end is left to be collected."""
    descriptor = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(timeout * 1000))
    finally:
        os.close(descriptor)
