"""The ground a node stands on, at the moments when another one leaves it or was killed on it."""

import contextlib
import fcntl
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet_supervisor.client.directory import RunDirectory
from limpet_supervisor.daemon import ground
from limpet_supervisor.errors import BootFailed
from limpet_supervisor.runtime import procfs
from limpet_supervisor.runtime.store import Record


@pytest.fixture
def directory() -> Iterator[RunDirectory]:
    with tempfile.TemporaryDirectory(prefix="lp") as path:
        yield RunDirectory(path, "the test's")


def test_a_lock_on_a_file_that_is_gone_is_none(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node before removes its pid file after we have opened it and before we lock it."""
    lock = fcntl.flock
    calls = []

    def removed_first(descriptor: int, operation: int) -> None:
        if not calls:
            os.unlink(directory.pid_file)
        calls.append(operation)
        lock(descriptor, operation)

    monkeypatch.setattr(ground.fcntl, "flock", removed_first)
    held = ground.Ground(directory)
    with pytest.raises(BootFailed, match="A node runs here already"):
        ground.Ground(directory)
    held.leave()


def test_who_a_killed_node_has_left_is_known_until_it_is_gone(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next node may be killed, too, while it waits for them to end."""
    held = ground.Ground(directory)
    left = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        start_time = procfs.start_time(left.pid)
        assert start_time is not None
        record = Record("a.1", left.pid, start_time, time.time(), "", "")
        held.store.put(record)
        known = []

        def end(pids: list[int]) -> None:
            known.append((pids, held.store.records()))

        monkeypatch.setattr(ground, "_end", end)
        held.clear()
        assert known == [([left.pid], [record])]
        assert held.store.records() == []
    finally:
        left.kill()
        left.wait()
        with contextlib.suppress(FileNotFoundError):
            held.leave()


def test_processes_of_other_users_reach_a_socket_in_the_short_directory(directory: RunDirectory) -> None:
    """And what a killed node has left there is cleared."""
    held = ground.Ground(directory)
    held.lay_out_agent(for_others=True)
    try:
        left = Path(directory.notify("old" * 40 + ".1"))
        left.parent.mkdir(mode=0o700, parents=True)
        left.touch()
        path = held.notify("web" * 40 + ".1")
        assert path == directory.notify("web" * 40 + ".1")
        assert len(path) <= 107
        assert not left.exists()
        for above in (left.parent, left.parent.parent):
            assert above.stat().st_mode & 0o001
    finally:
        held.leave()
        os.rmdir(directory.short)


def test_a_cleaner_of_tmp_leaves_alone_what_a_node_holds(directory: RunDirectory) -> None:
    """systemd-tmpfiles passes over a directory that it cannot lock for itself alone."""
    held = ground.Ground(directory)
    cleaner = os.open(directory.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(cleaner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held.leave()
        fcntl.flock(cleaner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(cleaner)
