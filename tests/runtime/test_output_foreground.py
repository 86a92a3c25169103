"""The foreground: whole lines, each behind its process's name; a stuck or closed stdout does no harm."""

import os
import threading

import pytest

from limpet_supervisor.runtime import foreground
from support.output import rig

NUMBERED = "import sys\nfor number in range(int(sys.argv[1])): print('line', number)"


class Reader(threading.Thread):
    """Reads a pipe to its end."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.fd, self.stdout = os.pipe()
        self.data = b""
        self.start()

    def run(self) -> None:
        while block := os.read(self.fd, 65536):
            self.data += block

    def finish(self) -> bytes:
        os.close(self.stdout)
        self.join()
        os.close(self.fd)
        return self.data


def test_lines_are_whole_behind_their_names_and_aligned(tmp_path):
    reader = Reader()
    with rig(tmp_path, stdout=reader.stdout) as node:
        node.open("web.1")
        node.open("worker.1", file="none")
        node.write(b"one, be", "web.1")
        node.write(b"two\nthree\n", "worker.1")
        node.settle("worker.1")
        node.write(b"gun\n\nlast", "web.1")
        node.settle("web.1")
        node.output.say("node says")
    lines = reader.finish().decode().splitlines()
    assert lines == [
        "worker.1 | two",
        "worker.1 | three",
        "web.1    | one, begun",
        "web.1    | ",
        "web.1    | last",
        "node says",
    ]
    assert node.file("web.1") == b"one, begun\n\nlast\n"


def test_names_that_are_gone_take_no_room(tmp_path):
    reader = Reader()
    with rig(tmp_path, stdout=reader.stdout) as node:
        node.open("web.1")
        node.open("worker.1")
        node.write(b"one\n", "web.1")
        node.settle("web.1")
        node.write(b"last\n", "worker.1")
        node.output.close("worker.1")
        node.write(b"two\n", "web.1")
        node.settle("web.1")
    assert reader.finish().decode().splitlines() == ["web.1    | one", "worker.1 | last", "web.1 | two"]


def test_each_name_has_a_colour_of_its_own(tmp_path):
    reader = Reader()
    with rig(tmp_path, stdout=reader.stdout, color=True) as node:
        for name in ("web.1", "web.2"):
            node.open(name)
            node.write(b"line\n", name)
            node.settle(name)
    first, second = reader.finish().decode().splitlines()
    assert first == "\x1b[36mweb.1 | \x1b[0mline"
    assert second == "\x1b[33mweb.2 | \x1b[0mline"


def test_all_lines_of_several_busy_processes_come_through_whole(tmp_path):
    reader = Reader()
    names = [f"web.{number}" for number in range(3)]
    with rig(tmp_path, stdout=reader.stdout) as node:
        for name in names:
            node.open(name, max_bytes=0)
        processes = [node.spawn(NUMBERED, 30_000, name=name) for name in names]
        node.until(lambda: all(process.poll() is not None for process in processes))
        for name in names:
            node.settle(name)
    lines = reader.finish().decode().splitlines()
    for name in names:
        assert [line for line in lines if line.startswith(name)] == [
            f"{name} | line {number}" for number in range(30_000)
        ]


def test_a_reader_that_is_gone_ends_the_foreground_and_not_the_files(tmp_path):
    read, write = os.pipe()
    os.close(read)
    with rig(tmp_path, stdout=write) as node:
        node.open(max_bytes=0)
        node.run(NUMBERED, 300_000)
        assert node.file().count(b"\n") == 300_000
    os.close(write)


def test_while_nothing_is_read_writers_wait_and_then_go_on_without_it(tmp_path, monkeypatch):
    monkeypatch.setattr(foreground, "STALL_SECONDS", 0.2)
    read, write = os.pipe()
    with rig(tmp_path, stdout=write) as node:
        node.open(max_bytes=0)
        node.run(NUMBERED, 400_000)
        assert node.file().count(b"\n") == 400_000
        shown = node.output._pump.foreground
        assert shown is not None
        assert shown.dropped > 0
        reader = threading.Thread(target=lambda: [None for _ in iter(lambda: os.read(read, 65536), b"")])
        reader.start()
    os.close(write)
    reader.join()
    os.close(read)


def test_what_was_not_shown_is_said_once_there_is_room(tmp_path, monkeypatch):
    monkeypatch.setattr(foreground, "STALL_SECONDS", 0.05)
    read, write = os.pipe()
    with rig(tmp_path, stdout=write) as node:
        node.open(max_bytes=0)
        node.run(NUMBERED, 300_000)
        shown = node.output._pump.foreground
        assert shown is not None
        dropped = shown.dropped
        assert dropped > 0
        data = b""
        while shown._size > foreground.ROOM // 4:
            data += os.read(read, 65536)
        node.write(b"after\n")
        node.settle()
        while not data.endswith(b"after\n"):
            data += os.read(read, 65536)
    os.close(write)
    os.close(read)
    lines = data.decode().splitlines()
    assert lines[-2:] == [f"limpet: {dropped} lines were not shown here: nothing took them", "web.1 | after"]
    assert len(lines) - 2 + dropped == 300_000


@pytest.mark.parametrize("blocking", [True, False])
def test_a_slow_reader_gets_everything(tmp_path, blocking):
    """Also where someone has made the descriptor non-blocking: no flag of it is changed."""
    reader = Reader()
    os.set_blocking(reader.stdout, blocking)
    with rig(tmp_path, stdout=reader.stdout) as node:
        node.open(max_bytes=0)
        node.run(NUMBERED, 200_000)
    assert os.get_blocking(reader.stdout) is blocking
    assert reader.finish().count(b"\n") == 200_000
