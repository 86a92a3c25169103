"""What holds for every test run: nothing that a test has started is left when it ends."""

import os
import signal
import time
from contextlib import suppress

import pytest

from limpet_supervisor.runtime import procfs

STARTED_BY = "STARTED_BY_TESTS"
"""Environment variable with our pid, that everything started by tests inherits."""
GRACE = 5.0
"""Seconds for what has been told to end, and is ending."""

os.environ[STARTED_BY] = str(os.getpid())


def left_behind() -> dict[int, str]:
    """Every living process that these tests have started, with its command."""
    found = {}
    for pid, facts in procfs.snapshot().items():
        if facts.state not in "ZX" and procfs.environ(pid, STARTED_BY) == str(os.getpid()):
            found[pid] = procfs.command(pid)
    return found


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails a run that leaves a process, and ends it."""
    deadline = time.monotonic() + GRACE
    while (left := left_behind()) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid, command in left.items():
        print(f"\nleft running by the tests: {pid} {command}")
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
