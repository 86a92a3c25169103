"""Log files: rotation at line ends, with nothing lost or torn, and reading from the end."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from limpet_supervisor.model.spec import Log
from limpet_supervisor.runtime.history import last_lines, tail
from limpet_supervisor.runtime.logfile import LogFile, log_path


def write(file: LogFile, data: bytes) -> int:
    return file.write(data, len(data))


def contents(path: Path) -> list[bytes]:
    """Backups and file, the oldest first."""
    backups = sorted(path.parent.glob(f"{path.name}.*"), key=lambda each: -int(each.suffix[1:]))
    return [each.read_bytes() for each in (*backups, path)]


@given(
    st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"") + b"\n"), min_size=1), st.data()
)
def test_rotation_keeps_every_line_whole_and_in_order(lines, data):
    whole = b"".join(lines)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "a.log")
        file = LogFile(str(path), 40, 1000)
        rest = whole
        while rest:
            count = data.draw(st.integers(1, len(rest)))
            assert write(file, rest[:count]) == count
            rest = rest[count:]
        file.close()
        found = contents(path)
    assert b"".join(found) == whole
    assert all(each.endswith(b"\n") for each in found)
    assert all(len(each) <= 40 + 20 for each in found)  # a line that came in pieces ends where it began


def test_only_as_many_backups_are_kept_as_asked_for(tmp_path):
    path = tmp_path / "a.log"
    file = LogFile(str(path), 10, 2)
    for number in range(9):
        write(file, b"line %03d\n" % number)
    file.close()
    assert contents(path) == [b"line 006\n", b"line 007\n", b"line 008\n"]


def test_with_no_backups_the_old_file_is_gone(tmp_path):
    path = tmp_path / "a.log"
    file = LogFile(str(path), 10, 0)
    for number in range(3):
        write(file, b"line %03d\n" % number)
    file.close()
    assert contents(path) == [b"line 002\n"]


def test_a_line_longer_than_the_file_is_kept_whole_up_to_twice_its_limit(tmp_path):
    path = tmp_path / "a.log"
    file = LogFile(str(path), 100, 100)
    write(file, b"short\n")
    write(file, b"x" * 150)
    write(file, b"x" * 30 + b"\n" + b"next\n")
    file.close()
    assert contents(path) == [b"short\n", b"x" * 180 + b"\n", b"next\n"]


def test_a_line_without_an_end_does_not_fill_the_disk(tmp_path):
    path = tmp_path / "a.log"
    file = LogFile(str(path), 100, 3)
    for _ in range(50):
        write(file, b"x" * 77)
    file.close()
    assert sum(map(len, contents(path))) <= 4 * 200


def test_zero_bytes_mean_no_rotation(tmp_path):
    path = tmp_path / "a.log"
    file = LogFile(str(path), 0, 3)
    write(file, b"line\n" * 1000)
    file.close()
    assert contents(path) == [b"line\n" * 1000]


def test_what_cannot_be_rotated_is_appended_to(tmp_path):
    path = tmp_path / "a.log"
    (tmp_path / "a.log.1" / "in the way").mkdir(parents=True)
    file = LogFile(str(path), 10, 1)
    for number in range(5):
        assert write(file, b"line %03d\n" % number) == 9
    file.close()
    assert path.read_bytes() == b"".join(b"line %03d\n" % number for number in range(5))


def test_a_missing_directory_is_made_and_a_file_that_cannot_be_is_a_value(tmp_path):
    file = LogFile(str(tmp_path / "deep" / "er" / "a.log"), 0, 0)
    assert write(file, b"line\n") == 5
    file.close()
    (tmp_path / "file").touch()
    refused = LogFile(str(tmp_path / "file" / "a.log"), 0, 0)
    assert write(refused, b"line\n") == 0
    assert refused.failure is not None


def test_a_fifo_that_nobody_reads_is_a_failure_and_no_wait_for_ever(tmp_path):
    os.mkfifo(tmp_path / "a.log")
    file = LogFile(str(tmp_path / "a.log"), 0, 0)
    data = b"x" * 1_000_000
    assert write(file, data) < len(data)
    assert file.failure is not None
    file.close()


def test_a_device_is_written_to_and_never_rotated():
    file = LogFile("/dev/null", 10, 3)
    assert write(file, b"line\n" * 100) == 500
    file.close()
    assert Path("/dev/null").is_char_device()


def test_an_unfinished_line_is_found_at_opening(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"whole\nbegun")
    file = LogFile(str(path), 0, 0)
    assert file.open()
    assert file.in_line
    write(file, b" and ended\n")
    assert not file.in_line
    file.close()
    assert path.read_bytes() == b"whole\nbegun and ended\n"


def test_a_line_that_did_not_fit_is_taken_back(tmp_path):
    """RLIMIT_FSIZE stands for a full disk: the write is cut short, and no part of the torn line stays."""
    code = (
        "import resource, sys\n"
        "from limpet_supervisor.runtime.logfile import LogFile\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (25, 25))\n"
        "file = LogFile(sys.argv[1], 0, 0)\n"
        "data = b'line 1234\\n' * 5\n"
        "taken = file.write(data, len(data))\n"
        "torn = file.in_line\n"
        "file.take_back_line()\n"
        "sys.exit(0 if (taken, torn, file.in_line) == (25, True, False) else 1)\n"
    )
    path = tmp_path / "a.log"
    assert subprocess.run([sys.executable, "-c", code, path], check=False, timeout=60).returncode == 0
    assert path.read_bytes() == b"line 1234\n" * 2


def test_the_last_lines_come_from_the_backups_too(tmp_path):
    path = tmp_path / "a.log"
    file = LogFile(str(path), 1000, 5)
    for number in range(300):
        write(file, b"line %04d\n" % number)
    file.close()
    assert last_lines(str(path), 3) == ["line 0297", "line 0298", "line 0299"]
    assert last_lines(str(path), 250) == [f"line {number:04}" for number in range(50, 300)]
    assert last_lines(str(path), 1000) == [f"line {number:04}" for number in range(300)]
    assert last_lines(str(path), 0) == []


def test_a_line_that_spans_blocks_is_read_whole_and_shown_shortened(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"first\n" + b"x" * 200_000 + b"\nlast\n")
    first, long, last = last_lines(str(path), 10)
    assert (first, last) == ("first", "last")
    assert long == "x" * 8192 + "…"


def test_no_file_has_no_lines(tmp_path):
    assert last_lines(str(tmp_path / "none.log"), 10) == []
    assert last_lines("", 10) == []
    assert tail(str(tmp_path / "none.log"), 10) == b""


def test_the_end_of_the_output_is_found_across_a_rotation(tmp_path):
    path = tmp_path / "a.log"
    path.with_name("a.log.1").write_bytes(b"one\ntwo\n")
    path.write_bytes(b"three\n")
    assert tail(str(path), 10) == b"two\nthree\n"
    assert tail(str(path), 100) == b"one\ntwo\nthree\n"


def test_where_the_log_is():
    assert log_path("/logs", "web.1", Log()) == "/logs/web.1.log"
    assert log_path("/logs", "web.1", Log(file="x.log")) == "/logs/x.log"
    assert log_path("/logs", "web.1", Log(file="/var/x.log")) == "/var/x.log"
    assert log_path("/logs", "web.1", Log(file="none")) == ""
