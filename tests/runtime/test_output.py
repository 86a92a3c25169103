"""Captured output, with real FIFOs and processes: nothing is lost, torn or out of order."""

import fcntl
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from limpet_supervisor.errors import LimpetError, NoSuchProcess
from limpet_supervisor.model.spec import Log
from limpet_supervisor.runtime.inhand import InHand
from limpet_supervisor.runtime.lines import plain
from limpet_supervisor.runtime.pump import BUFFER
from limpet_supervisor.runtime.source import Counters
from support.output import Rig, rig

NUMBERED = "import sys\nfor number in range(int(sys.argv[1])): print('line', number)"
READ_A_LINE = "import sys\nsys.stdin.readline()\n"


def plain_lines(files: list[bytes], form: str) -> list[str]:
    """The lines of whole files; each must end with a line end."""
    assert all(file.endswith(b"\n") for file in files)
    return [plain(line, form) for file in files for line in file.decode().split("\n")[:-1]]


@pytest.mark.parametrize("form", ["raw", "prefix", "json"])
def test_a_hundred_thousand_lines_over_many_rotations_are_all_there(tmp_path, form):
    with rig(tmp_path) as node:
        node.open(format=form, max_bytes=200_000, backups=1000)
        last = node.run(NUMBERED, 100_000)
        assert plain_lines(node.all_files(), form) == [f"line {number}" for number in range(100_000)]
        assert len(node.all_files()) > 5
        assert last == tuple(f"line {number}" for number in range(99_800, 100_000))


@pytest.mark.parametrize("form", ["raw", "prefix", "json"])
def test_what_a_killed_process_wrote_last_is_kept_and_its_line_ended(tmp_path, form):
    code = "import os, signal\nos.write(1, b'one\\ntwo')\nos.kill(os.getpid(), signal.SIGKILL)"
    with rig(tmp_path) as node:
        node.open(format=form)
        heard: list[str] = []
        node.output.follow(["web.1"], lambda _name, lines: heard.extend(lines))
        assert node.run(code) == ("one", "two")
        assert node.run("print('three')") == ("three",)
        assert plain_lines(node.all_files(), form) == ["one", "two", "three"]
        node.until(lambda: len(heard) == 3)
        assert heard == ["one", "two", "three"]


def test_stdout_and_stderr_come_in_the_order_they_were_written(tmp_path):
    code = "import os\nfor number in range(100): os.write(1 + number % 2, b'line %d\\n' % number)"
    with rig(tmp_path) as node:
        node.open()
        node.run(code)
        assert node.file().decode().split() == " ".join(f"line {number}" for number in range(100)).split()


def test_the_last_words_are_those_of_the_last_life(tmp_path):
    with rig(tmp_path) as node:
        node.open()
        node.run("print('first life')")
        assert node.run("print('second life')") == ("second life",)
        assert node.settle() == ()
        assert node.output.last_lines("web.1", 10) == ["first life", "second life"]


def test_a_process_that_is_not_open_settles_with_nothing(tmp_path):
    with rig(tmp_path) as node:
        assert node.settle("nobody.1") == ()
        with pytest.raises(NoSuchProcess):
            node.output.counters("nobody.1")


def test_any_bytes_reach_the_file_as_they_are(tmp_path):
    code = "import os, sys\nsys.stdout.buffer.write(bytes(range(256)) * 4000)"
    with rig(tmp_path) as node:
        node.open(max_bytes=0)
        heard: list[str] = []
        node.output.follow(None, lambda _name, lines: heard.extend(lines))
        node.run(code)
        written = bytes(range(256)) * 4000
        assert node.file() == written + b"\n"  # its last line had no end
        node.until(lambda: len(heard) == 4001)
        assert heard[-1] == written.rpartition(b"\n")[2].decode("utf-8", "replace")


def test_a_process_with_no_file_still_has_last_words_and_followers(tmp_path):
    with rig(tmp_path) as node:
        node.open(file="none")
        heard: list[str] = []
        node.output.follow(["web.1"], lambda _name, lines: heard.extend(lines))
        assert node.run("print('one'); print('two', end='')") == ("one", "two")
        node.until(lambda: len(heard) == 2)
        assert not node.logs.exists()
        assert node.output.last_lines("web.1", 5) == []


@pytest.mark.parametrize("form", ["raw", "prefix", "json"])
def test_two_processes_with_one_file_never_break_into_each_others_lines(tmp_path, form):
    code = (
        "import os, sys\n"
        "for number in range(2000):\n"
        "    os.write(1, f'{sys.argv[1]} '.encode()); os.write(1, b'line %d\\n' % number)\n"
        "os.write(1, b'end')\n"
    )
    with rig(tmp_path) as node:
        for name in ("web.1", "web.2"):
            node.open(name, file="web.log", format=form, max_bytes=20_000, backups=100)
        both = [node.spawn(code, name, name=name) for name in ("web.1", "web.2")]
        node.until(lambda: all(process.poll() is not None for process in both))
        assert [node.settle(name)[-2:] for name in ("web.1", "web.2")] == [
            (f"{name} line 1999", "end") for name in ("web.1", "web.2")
        ]
        lines = plain_lines(node.all_files("web"), form)
        for name in ("web.1", "web.2"):
            assert [line for line in lines if line.startswith(name)] == [
                f"{name} line {number}" for number in range(2000)
            ]
        assert len(lines) == 4002


def test_a_line_longer_than_any_buffer_is_whole_in_the_file_and_comes_in_parts(tmp_path):
    with rig(tmp_path) as node:
        node.open(format="json")
        heard: list[str] = []
        node.output.follow(["web.1"], lambda _name, lines: heard.extend(lines))
        node.run("print('x' * 500_000); print('next')")
        assert [json.loads(line)["line"] for line in node.file().splitlines()] == ["x" * 500_000, "next"]
        node.until(lambda: "next" in heard)
        assert "".join(heard[:-1]) == "x" * 500_000
        assert all(len(line) <= 65536 for line in heard)


def test_a_thousand_processes_are_moved_and_each_has_its_file(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 3000:
        pytest.skip("needs 3,000 descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (3000, hard))
    try:
        with rig(tmp_path) as node:
            names = [f"web.{number}" for number in range(1000)]
            for name in names:
                node.open(name)
            for name in names:
                node.write(f"I am {name}\n".encode(), name)
            last: dict[str, tuple[str, ...]] = {}
            for name in names:
                node.output.settled(name, lambda lines, name=name: last.update({name: lines}))
            node.until(lambda: len(last) == 1000)
            assert last == {name: (f"I am {name}",) for name in names}
            assert all(node.file(name) == f"I am {name}\n".encode() for name in names)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_idle_pump_does_not_wake_up(tmp_path):
    def switches() -> list[str]:
        found = []
        for task in Path("/proc/self/task").iterdir():
            if (task / "comm").read_text() == "pump\n" or int(task.name) in pumps:
                status = (task / "status").read_text()
                found += [line for line in status.splitlines() if "ctxt_switches" in line]
        return found

    with rig(tmp_path) as node:
        pumps = {node.output._pump._thread.native_id}
        for number in range(20):
            node.open(f"web.{number}")
            node.write(b"line\n", f"web.{number}")
            node.settle(f"web.{number}")
        node.run(NUMBERED, 20_000, name="web.1")  # a busy writer is looked at often; no more once it is gone
        while (before := switches()) != (subprocess.run(["sleep", "0.05"], check=True), switches())[1]:
            pass  # it cools
        subprocess.run(["sleep", "0.3"], check=True)
        assert switches() == before


def test_counters_count_bytes(tmp_path):
    with rig(tmp_path) as node:
        node.open()
        node.run("print('x' * 999)")
        assert node.output.counters("web.1") == Counters(1000, 0, "")


# -- the FIFO ---------------------------------------------------------------------------------------------


def test_the_fifo_is_for_its_owner_alone_and_goes_with_the_process(tmp_path):
    with rig(tmp_path) as node:
        path = node.open()
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert node.open() == path
        node.write(b"last\n")
        node.output.close("web.1")
        assert not os.path.exists(path)
        node.open()
        assert node.settle() == ()
        assert node.file() == b"last\n"
        node.write(b"new\n")
        node.settle()
        assert node.file() == b"last\nnew\n"


def test_something_else_at_the_fifos_path_is_replaced(tmp_path):
    with rig(tmp_path) as node:
        (node.fifos / "web.1.out").write_text("not a FIFO")
        assert stat.S_ISFIFO(os.stat(node.open()).st_mode)


def test_a_fifo_that_cannot_be_made_is_an_error_with_its_path(tmp_path):
    with rig(tmp_path) as node:
        shutil.rmtree(node.fifos)
        with pytest.raises(LimpetError, match=r"web\.1\.out.*No such file"):
            node.open()
        node.fifos.mkdir()


def test_a_shutdown_moves_what_is_left_and_removes_the_fifos(tmp_path):
    with rig(tmp_path) as node:
        node.open()
        node.open("web.2")
        node.write(b"begun")
    assert node.file() == b"begun\n"
    assert list(node.fifos.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
@pytest.mark.root
def test_a_fifo_can_be_given_to_another_user(tmp_path):
    with rig(tmp_path) as node:
        path = node.open()
        node.output.chown("web.1", 65534, 65534)
        assert os.stat(path).st_uid == 65534


def test_a_fifo_of_nobody_cannot_be_given_away(tmp_path):
    with rig(tmp_path) as node, pytest.raises(LimpetError, match=r"web\.9"):
        node.output.chown("web.9", 1, 1)


# -- a successor ------------------------------------------------------------------------------------------

DAEMON = """
import sys
from limpet_supervisor.model.spec import Log
from limpet_supervisor.runtime.output import Output
from limpet_supervisor.runtime.reactor import Reactor
fifos, logs, form = sys.argv[1:]
reactor = Reactor()
output = Output(reactor, fifos, logs)
output.open("web.1", Log(format=form))
print("open", flush=True)
reactor.run()
"""


@pytest.mark.parametrize("form", ["raw", "prefix", "json"])
def test_no_line_is_lost_when_the_reader_is_killed_and_a_successor_comes(tmp_path, form):
    """The process lives on (no SIGPIPE), waits where its FIFO is full, and goes on in the same line."""
    code = (
        "import sys\n"
        "for number in range(20000): sys.stdout.write(f'line {number}\\n')\n"
        "sys.stdout.write('begun '); sys.stdout.flush()\n"
        "sys.stdin.readline()\n"
        "for number in range(20000): print('ended', number)\n"
    )
    (tmp_path / "fifo").mkdir()
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(tmp_path / "fifo"), str(tmp_path / "log"), form],
        stdout=subprocess.PIPE,
    )
    assert daemon.stdout is not None
    assert daemon.stdout.readline() == b"open\n"
    fifo = os.open(tmp_path / "fifo" / "web.1.out", os.O_RDWR)
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=fifo)
    os.close(fifo)
    assert process.stdin is not None
    daemon.send_signal(signal.SIGKILL)
    daemon.wait()
    daemon.stdout.close()
    with rig(tmp_path) as node:
        node.open(format=form)
        process.stdin.write(b"\n")
        process.stdin.close()
        node.until(lambda: process.poll() is not None)
        node.settle()
        wanted = [f"line {number}" for number in range(20_000)]
        wanted += ["begun ended 0", *(f"ended {number}" for number in range(1, 20_000))]
        assert plain_lines([node.file()], form) == wanted
        assert process.returncode == 0


KILLED = """
import errno, os, signal, sys
from limpet_supervisor.model.spec import Log
from limpet_supervisor.model.units import Size
from limpet_supervisor.runtime.inhand import InHand
from limpet_supervisor.runtime.output import Output
from limpet_supervisor.runtime.reactor import Reactor
fifos, logs, form, where, longest = sys.argv[1:]
write, end, take = os.write, InHand.end, InHand.take
blocks, full = [], []
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def written(fd, data):
    if len(blocks) == 2 and where == "before it grows":
        die()
    if len(blocks) == 2 and where == "half written":
        write(fd, data[:len(data) // 2 + 3])
        die()
    if len(blocks) == 2 and where == "on a full disk":
        if full:
            raise OSError(errno.ENOSPC, "full")
        full.append(1)
        return write(fd, data[:len(data) // 2 + 3])
    return write(fd, data)
def ended(self, **waits):
    if waits and where == "on a full disk":
        end(self, **waits)
        die()
    blocks.append(1)
    if len(blocks) == 3 and where == "taken":
        die()
    end(self, **waits)
def taken(self, fd, count):
    if len(blocks) == 2 and where == "written":
        die()
    take(self, fd, count)
os.write, InHand.end, InHand.take = written, ended, taken
reactor = Reactor()
output = Output(reactor, fifos, logs)
output.open("web.1", Log(format=form, max_bytes=Size(int(longest)), backups=99))
reactor.run()
"""


@pytest.mark.parametrize("form", ["raw", "prefix", "json"])
@pytest.mark.parametrize("longest", [0, 200_000], ids=["one file", "rotated"])
@pytest.mark.parametrize("where", ["before it grows", "half written", "on a full disk", "written", "taken"])
def test_a_block_that_was_in_hand_when_the_reader_was_killed_is_not_lost(tmp_path, form, longest, where):
    """Nor torn, nor there twice, but for what was rotated in the middle of it."""
    (tmp_path / "fifo").mkdir()
    os.mkfifo(tmp_path / "fifo" / "web.1.out")
    fifo = os.open(tmp_path / "fifo" / "web.1.out", os.O_RDWR)
    fcntl.fcntl(fifo, fcntl.F_SETPIPE_SZ, 1024 * 1024)
    wanted = [f"line {number:06}" for number in range(40_000)]
    assert os.write(fifo, "".join(f"{line}\n" for line in wanted).encode()) == 480_000
    arguments = [tmp_path / "fifo", tmp_path / "log", form, where, longest]
    killed = subprocess.run([sys.executable, "-c", KILLED, *map(str, arguments)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with rig(tmp_path) as node:
        node.open(format=form, max_bytes=longest, backups=99)
        node.settle()
        found = plain_lines(node.all_files(), form)
        assert [name for name in os.listdir(tmp_path / "fifo") if name.endswith(".in_hand")] == []
    os.close(fifo)
    if longest and found != wanted:
        assert set(wanted) <= set(found)
        assert len(found) - len(wanted) <= BUFFER / len("line 000000\n") + 1
    else:
        assert found == wanted


def test_what_somebody_else_has_read_keeps_nobody_waiting(tmp_path, monkeypatch):
    """`cat` of a FIFO took what was copied: before Linux 5.1 splice(2) then waited for more, and all did."""
    splice, flags = os.splice, []

    def spliced(source, target, count, **options):
        flags.append(options.get("flags", 0))
        return splice(source, target, count, **options)

    monkeypatch.setattr(os, "splice", spliced)
    read, write = os.pipe2(os.O_NONBLOCK)
    os.write(write, b"two")
    in_hand = InHand(str(tmp_path))
    in_hand.take(read, 5)
    in_hand.close()
    os.close(read)
    os.close(write)
    assert flags == [os.SPLICE_F_NONBLOCK] * 2


@pytest.mark.parametrize("form", ["raw", "prefix", "json"])
def test_a_line_that_was_begun_before_a_handover_is_ended_after_it(tmp_path, form):
    first = Rig(tmp_path)
    first.open(format=form)
    process = first.spawn(
        "import sys\nsys.stdout.write('be'); sys.stdout.flush()\nsys.stdin.readline()\nprint('gun')"
    )
    first.until(lambda: first.output.counters("web.1").bytes == 2)
    first.output.shutdown(keep=True)
    first.reactor.close()
    with rig(tmp_path) as node:
        node.processes.append(process)
        node.open(format=form)
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        node.until(lambda: process.poll() is not None)
        node.settle()
        assert plain_lines([node.file()], form) == ["begun"]


@pytest.mark.parametrize(
    ("form", "begun"), [("raw", b"dead"), ("json", b'{"time":"t","process":"p","line":"dead')]
)
def test_an_unfinished_line_of_a_process_that_is_gone_is_ended_before_the_next_begins(tmp_path, form, begun):
    with rig(tmp_path) as node:
        node.logs.mkdir()
        (node.logs / "web.1.log").write_bytes(begun)
        node.open(format=form)
        node.run("print('alive')")
        assert plain_lines([node.file()], form) == ["dead", "alive"]


def test_files_are_opened_anew_after_a_rotation_by_someone_else(tmp_path):
    with rig(tmp_path) as node:
        node.open()
        node.run("print('old')")
        (node.logs / "web.1.log").rename(node.logs / "moved")
        node.output.reopen()
        node.run("print('new')")
        assert (node.logs / "moved").read_bytes() == b"old\n"
        assert node.file() == b"new\n"


def test_the_last_lines_of_a_closed_process_are_still_there(tmp_path):
    with rig(tmp_path) as node:
        node.open(format="json", file="other.log")
        node.run("print('one')")
        node.output.close("web.1")
        assert node.output.last_lines("web.1", 5) == ["one"]
        assert Log(format="json").file == ""
