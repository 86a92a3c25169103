"""Polled functions are called again and again, whatever they do."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from limpet import telemetry
from limpet.telemetry import poller

BOUND = 30.0
AGENT = Path(telemetry.__file__).parents[2]


class Called:
    """Counts its calls, and can be waited for."""

    def __init__(self, *errors: BaseException) -> None:
        self.count = 0
        self._errors = list(errors)
        self._changed = threading.Condition()

    def __call__(self) -> None:
        with self._changed:
            self.count += 1
            self._changed.notify_all()
        if self._errors:
            raise self._errors.pop(0)

    def until(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.count >= count, BOUND)


def test_a_function_is_called_until_it_is_stopped() -> None:
    called = Called()
    poll = telemetry.poll(called, every="1ms")
    called.until(3)
    (thread,) = (thread for thread in threading.enumerate() if thread.name == f"poll {poll.name}")
    assert thread.daemon
    poll.stop()
    thread.join(BOUND)
    assert not thread.is_alive()


def test_one_that_fails_is_reported_and_called_again(heard) -> None:
    telemetry.attach("h", poller.FAILURE, heard)
    called = Called(ValueError("no database"), ValueError("still none"))
    poll = telemetry.poll(called, every="1ms")
    called.until(2 + 2)
    (failure,) = telemetry.failures()
    assert failure.failed == 2
    assert failure.reason == "ValueError: still none"
    assert not failure.quarantined
    assert heard.names() == [".".join(poller.FAILURE)] * 2
    assert heard[0][2]["poll"] == poll.name
    assert heard[0][2]["kind"] == "ValueError"


def test_one_that_hangs_holds_up_no_other() -> None:
    hangs = threading.Event()
    began = threading.Event()

    def hang() -> None:
        began.set()
        hangs.wait(BOUND)

    stuck = telemetry.poll(hang, every="1ms")
    assert began.wait(BOUND)
    called = Called()
    telemetry.poll(called, every="1ms")
    called.until(3)
    stuck.stop()
    hangs.set()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_it_goes_on_in_a_forks_child() -> None:
    called = Called()
    telemetry.poll(called, every="1ms")
    called.until(1)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            called.__init__()  # the lock may have been another thread's
            called.until(2)
            os.write(writer, json.dumps(called.count >= 2).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as said:
        assert said.read() == b"true"
    os.waitpid(child, 0)


@pytest.mark.parametrize("every", ["soon", "0s", 0, -1, "31d", float("nan")])
def test_a_period_that_is_none_is_refused(every) -> None:
    with pytest.raises(ValueError, match=r"expected a duration|a period is"):
        telemetry.poll(print, every=every)


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a function"):
        telemetry.poll("print", every=1)


def test_the_childs_thread_is_known_to_threading_whoever_has_imported_that_first() -> None:
    program = f"""
import os, sys
sys.path.insert(0, {str(AGENT)!r})
from limpet import telemetry
telemetry.poll(bool, every="10s")
import threading
if not os.fork():
    print(*(thread.name for thread in threading.enumerate()), flush=True)
    os._exit(0)
os.wait()
"""
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "MainThread poll bool\n"
