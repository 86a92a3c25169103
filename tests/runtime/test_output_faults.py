"""A file that cannot be written: the writer waits, or lines are dropped whole and counted."""

import contextlib
import fcntl
import json
import os
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet_supervisor.runtime import pump
from limpet_supervisor.runtime.lines import plain
from limpet_supervisor.runtime.source import Source
from support.output import Rig, rig

NUMBERED = "import sys\nfor number in range(int(sys.argv[1])): print('line', number)"


@contextlib.contextmanager
def full_disk(node: Rig, name: str = "web.1") -> Iterator[None]:
    """The file of `name` answers ENOSPC; after the block there is room."""
    node.logs.mkdir(exist_ok=True)
    path = node.logs / f"{name}.log"
    path.symlink_to("/dev/full")
    yield
    path.unlink()
    node.output.reopen()


def waiting(node: Rig, name: str = "web.1") -> int:
    """Bytes in the FIFO."""
    fd = os.open(node.output.fifo(name), os.O_RDWR)
    try:
        return int(struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"))[0])
    finally:
        os.close(fd)


@pytest.mark.parametrize("form", ["raw", "prefix", "json"])
def test_on_a_full_disk_the_writer_waits_and_every_line_comes_once_there_is_room(tmp_path, form):
    with rig(tmp_path) as node:
        node.open(format=form, max_bytes=0)
        with full_disk(node):
            process = node.spawn(NUMBERED, 200_000)
            node.until(
                lambda: "No space left" in node.output.counters("web.1").problem and waiting(node) > 60_000
            )
            taken = node.output.counters("web.1").bytes
            assert taken <= 128 * 1024  # one block; the rest is the kernel's, and the writer's
            assert process.poll() is None
        node.until(lambda: process.poll() is not None)
        node.settle()
        assert [plain(line, form) for line in node.file().decode().splitlines()] == [
            f"line {number}" for number in range(200_000)
        ]
        assert node.output.counters("web.1").problem == ""


def test_others_are_not_held_up_by_one_whose_file_is_full(tmp_path):
    with rig(tmp_path) as node:
        node.open("web.1")
        node.open("web.2")
        with full_disk(node):
            node.write(b"held\n")
            assert node.settle() == ("held",)
            node.run(NUMBERED, 1000, name="web.2")
            assert node.file("web.2").count(b"\n") == 1000
        node.until(lambda: (node.logs / "web.1.log").exists() and node.file() == b"held\n")


def test_what_a_closed_process_could_not_write_is_written_once_there_is_room(tmp_path):
    with rig(tmp_path) as node:
        node.open()
        with full_disk(node):
            node.write(b"one\n")
            node.settle()
            node.write(b"two\n")
            node.output.close("web.1")
            assert list(node.fifos.glob("*.out")) == []
        node.until(lambda: (node.logs / "web.1.log").exists() and node.file() == b"one\ntwo\n")


def test_a_shutdown_does_not_wait_for_a_full_disk(tmp_path):
    with rig(tmp_path) as node:
        node.open()
        node.logs.mkdir()
        (node.logs / "web.1.log").symlink_to("/dev/full")
        node.write(b"lost\n")
        node.settle()


@pytest.mark.parametrize("form", ["raw", "prefix", "json"])
def test_with_drop_the_writer_goes_on_and_the_file_says_how_many_lines_are_missing(tmp_path, form):
    with rig(tmp_path) as node:
        node.open(format=form, on_full="drop", max_bytes=0)
        with full_disk(node):
            node.run(NUMBERED, 50_000)
            assert node.output.counters("web.1").lines_dropped == 50_000
        node.run("print('after')")
        lines = [plain(line, form) for line in node.file().decode().splitlines()]
        assert lines == ["limpet: 50000 lines were dropped: No space left on device", "after"]
        assert node.output.counters("web.1").lines_dropped == 50_000


def test_with_drop_a_line_is_there_whole_or_not_at_all(tmp_path):
    """Its first half was dropped, so is its second half, and it is counted once."""
    with rig(tmp_path) as node:
        node.open(on_full="drop")
        with full_disk(node):
            node.write(b"first ha")
            node.until(lambda: node.output.counters("web.1").bytes == 8)
        node.write(b"lf\nwhole\n")
        node.settle()
        node.write(b"next\n")
        node.settle()
        assert node.output.counters("web.1").lines_dropped == 1
        lines = node.file().decode().splitlines()
        assert lines[0].startswith("limpet: 1 line was dropped")
        assert lines[1:] == ["whole", "next"]


def test_with_drop_the_loss_is_reported_also_if_nothing_more_is_written(tmp_path):
    with rig(tmp_path) as node:
        node.open(on_full="drop")
        with full_disk(node):
            node.write(b"one\ntwo")
            node.settle()
        node.settle()
        assert node.file().startswith(b"limpet: 2 lines were dropped")


def test_a_directory_that_may_not_be_made_is_like_a_full_disk(tmp_path):
    with rig(tmp_path) as node:
        node.logs.touch()  # a file where the directory should be
        node.open(format="json")
        node.write(b"line\n")
        node.until(lambda: node.output.counters("web.1").problem)
        node.logs.unlink()
        node.until(node.logs.is_dir)
        node.settle()
        assert json.loads(node.file())["line"] == "line"


def test_what_comes_in_the_turn_in_which_the_file_fills_up_waits_behind_what_could_not_be_written(tmp_path):
    """One turn of the pump: the FIFO is ready, and a settle finds the disk full before it is read."""
    with rig(tmp_path) as node:
        node.open()
        held = threading.Event()
        with full_disk(node):
            node.output._pump.command(held.wait)
            node.write(b"one\n")
            settled: list[object] = []
            node.output.settled("web.1", settled.append)
            node.output._pump.command(lambda: node.write(b"two\n"))
            held.set()
            node.until(lambda: settled)
            node.settle()
        node.until(lambda: (node.logs / "web.1.log").exists() and node.file().count(b"\n") == 2)
        assert node.file() == b"one\ntwo\n"


def test_a_bug_in_one_block_is_told_to_the_loop_and_output_goes_on(tmp_path, monkeypatch):
    with rig(tmp_path) as node:
        node.open()
        errors: list[Exception] = []
        node.reactor.on_error = errors.append
        with monkeypatch.context() as patch:
            patch.setattr(Source, "take", lambda *_arguments, **_options: 1 // 0)
            node.write(b"lost\n")
            node.until(lambda: errors)
        node.write(b"kept\n")
        node.settle()
        assert isinstance(errors[0], ZeroDivisionError)
        assert node.file() == b"kept\n"


def test_where_no_pipe_may_be_enlarged_all_lines_come_as_well(tmp_path, monkeypatch):
    """An unprivileged user's pipes share a limit (pipe(7)); a small pipe is not left to fill up."""
    monkeypatch.setattr(pump, "_LARGE_PIPES", 0)
    with rig(tmp_path) as node:
        node.open(max_bytes=0)
        node.run(NUMBERED, 200_000)
        assert node.file() == b"".join(b"line %d\n" % number for number in range(200_000))


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
@pytest.mark.parametrize("form", ["raw", "prefix", "json"])
@pytest.mark.parametrize("on_full", ["block", "drop"])
def test_a_disk_that_fills_up_in_the_middle_of_a_line_leaves_whole_lines(tmp_path, form, on_full):
    with contextlib.ExitStack() as stack:
        node = stack.enter_context(rig(tmp_path))
        node.logs.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", node.logs], check=True)
        stack.callback(subprocess.run, ["umount", "-l", node.logs], check=True)
        ballast = Path(node.logs, "ballast")
        ballast.write_bytes(b"x" * 400_000)
        node.open(format=form, on_full=on_full, max_bytes=0)
        process = node.spawn(
            "import sys\nfor number in range(3001): print('line', number, '.' * 50)\n"
            "sys.stdout.flush()\nsys.stdin.readline()"
        )
        node.until(lambda: node.output.counters("web.1").problem)
        if on_full == "drop":
            node.until(lambda: node.output.counters("web.1").bytes > 3000 * 60)
            assert node.file().endswith(b"\n")
        ballast.unlink()
        assert process.stdin is not None
        process.stdin.close()
        node.until(lambda: process.poll() is not None)
        node.settle()
        lines = [plain(line, form) for line in node.file().decode().split("\n")[:-1]]
        counted = node.output.counters("web.1").lines_dropped
        wanted = [f"line {number} {'.' * 50}" for number in range(3001)]
        if on_full == "block":
            assert lines == wanted
            assert counted == 0
        else:
            notices = [line for line in lines if line.startswith("limpet: ")]
            assert [line for line in lines if line in set(wanted)] == [
                line for line in lines if line not in notices
            ]
            assert len(lines) - len(notices) + counted == 3001
            assert sum(int(line.split()[1]) for line in notices) == counted > 0
