"""Rotated logs: by age, compressed, and never more of all of them together than is allowed."""

import gzip
import os
import time
from pathlib import Path

import pytest

from limpet_supervisor.model.units import Duration
from limpet_supervisor.runtime.backups import PACKING, Packer
from limpet_supervisor.runtime.birth import made_at
from limpet_supervisor.runtime.history import last_lines
from limpet_supervisor.runtime.logfile import LogFile
from support.agent import until
from support.output import Rig, rig

NUMBERED = "import sys\nfor number in range(int(sys.argv[1])): print('line', number)"


def write(file: LogFile, data: bytes) -> None:
    assert file.write(data, len(data)) == len(data)


@pytest.fixture
def packer():
    made = Packer()
    yield made
    made.stop()


# -- age --------------------------------------------------------------------------------------------------


def test_a_file_that_is_old_enough_is_rotated_at_the_next_line_and_not_inside_one(tmp_path):
    path = tmp_path / "a.log"
    file = LogFile(str(path), 0, 3, max_age=0.01)
    write(file, b"begun")
    until(lambda: time.time() - path.stat().st_mtime > 0.02, "its age")
    write(file, b" and ended\n")
    assert not Path(f"{path}.1").exists()
    write(file, b"next\n")
    file.close()
    assert (Path(f"{path}.1").read_bytes(), path.read_bytes()) == (b"begun and ended\n", b"next\n")


def test_the_age_of_a_file_counts_from_when_it_was_made_by_whatever_node(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"old\n")
    made = made_at(str(path))
    assert made is None or abs(made - path.stat().st_mtime) < 60
    until(lambda: time.time() - (made or path.stat().st_mtime) > 0.02, "its age")
    os.utime(path, (1.0, 1.0) if made is None else None)
    file = LogFile(str(path), 0, 3, max_age=0.02)
    write(file, b"new\n")
    file.close()
    assert (Path(f"{path}.1").read_bytes(), path.read_bytes()) == (b"old\n", b"new\n")


def test_a_young_file_is_not_rotated_and_none_that_is_empty(tmp_path):
    path = tmp_path / "a.log"
    path.touch()
    file = LogFile(str(path), 0, 3, max_age=3600.0)
    for _ in range(3):
        write(file, b"line\n")
    file.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.log"]
    assert made_at(str(tmp_path / "none")) is None


def test_an_old_file_that_cannot_be_rotated_is_appended_to(tmp_path):
    path = tmp_path / "a.log"
    (tmp_path / "a.log.1" / "in the way").mkdir(parents=True)
    file = LogFile(str(path), 0, 1, max_age=1e-9)
    for _ in range(3):
        write(file, b"line\n")
    file.close()
    assert path.read_bytes() == b"line\n" * 3


# -- compression ------------------------------------------------------------------------------------------


def packed(directory: Path) -> bool:
    """Whether all backups but the latest are compressed, and nothing is being written."""
    names = {each.name for each in directory.iterdir()}
    return not any(name.endswith(PACKING) for name in names) and not any(
        name.rpartition(".")[2].isdigit() and not name.endswith(".log.1") for name in names
    )


def test_backups_are_compressed_but_for_the_latest_and_read_as_before(tmp_path):
    with rig(tmp_path) as node:
        node.open(compress=True, max_bytes=50_000, backups=100)
        node.run(NUMBERED, 50_000)
        until(lambda: packed(node.logs), "the compression")
        names = {each.name for each in node.logs.iterdir()}
        assert "web.1.log.1" in names
        assert "web.1.log.2.gz" in names
        assert gzip.decompress((node.logs / "web.1.log.3.gz").read_bytes()).endswith(b"\n")
        assert node.output.last_lines("web.1", 100_000) == [f"line {number}" for number in range(50_000)]


def test_rotations_meanwhile_lose_nothing(tmp_path, packer):
    """Backups get other numbers while they are compressed."""
    path = tmp_path / "a.log"
    file = LogFile(str(path), 20_000, 1000, packer=packer, compress=True)
    for number in range(20_000):
        write(file, b"line %06d\n" % number)
        if number % 1000 == 0:
            packer.pack(str(path))
    file.close()
    until(lambda: packed(tmp_path), "the compression")
    assert last_lines(str(path), 100_000) == [f"line {number:06}" for number in range(20_000)]


def test_what_a_killed_node_has_left_is_read_once_and_mended(tmp_path, packer):
    """It was killed between the compressed file's name and the plain one's end; or while it wrote."""
    path = tmp_path / "a.log"
    for number in (1, 2, 3):
        Path(f"{path}.{number}").write_bytes(b"line %d\n" % -number)
    Path(f"{path}.3.gz").write_bytes(gzip.compress(b"line -3\n"))
    Path(f"{path}{PACKING}").write_bytes(b"half of")
    path.write_bytes(b"line 0\n")
    wanted = ["line -3", "line -2", "line -1", "line 0"]
    assert last_lines(str(path), 10) == wanted
    file = LogFile(str(path), 100, 5, packer=packer, compress=True)
    file.open()
    file.close()
    until(lambda: packed(tmp_path), "the compression")
    assert last_lines(str(path), 10) == wanted
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "a.log",
        "a.log.1",
        "a.log.2.gz",
        "a.log.3.gz",
    ]


def test_a_damaged_backup_gives_what_can_be_read_of_it(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"last\n")
    Path(f"{path}.1").write_bytes(b"before\n")
    whole = gzip.compress(b"".join(b"line %d\n" % number for number in range(1000)))
    Path(f"{path}.2.gz").write_bytes(whole[: len(whole) // 2])
    found = last_lines(str(path), 10_000)
    assert found[-2:] == ["before", "last"]
    assert found[0] == "line 0"


def test_a_stop_leaves_a_backup_as_it_was(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"")
    Path(f"{path}.1").write_bytes(b"x\n")
    Path(f"{path}.2").write_bytes(os.urandom(20_000_000))
    packer = Packer()
    packer.pack(str(path))
    packer.stop()
    names = {each.name for each in tmp_path.iterdir()}
    assert "a.log.2" in names or "a.log.2.gz" in names
    assert not any(name.endswith(PACKING) for name in names)


# -- the cap ----------------------------------------------------------------------------------------------


def total(node: Rig) -> int:
    """Bytes of all that is in the logs' directory; 0 if something went while it was looked at.

    Else, as files only grow, there were at least so many at once: when the last one was looked at.
    """
    if not node.logs.exists():
        return 0
    try:
        seen = {name: os.stat(node.logs / name) for name in os.listdir(node.logs)}
        same = all(os.stat(node.logs / name).st_ino == facts.st_ino for name, facts in seen.items())
    except FileNotFoundError:
        return 0
    return sum(facts.st_size for facts in seen.values()) if same else 0


@pytest.mark.parametrize(
    "options",
    [
        {"max_bytes": 50_000, "backups": 100},
        {"max_bytes": 0},
        {"max_bytes": 50_000, "backups": 100, "compress": True},
        {"max_bytes": 50_000, "backups": 20, "format": "json"},
    ],
    ids=["backups", "no rotation", "compressed", "json"],
)
def test_all_logs_together_never_come_to_more_than_they_may(tmp_path, options):
    most = 400_000
    with rig(tmp_path, most=most) as node:
        for name in ("web.1", "web.2"):
            node.open(name, **options)
        writers = [node.spawn(NUMBERED, 60_000, name=name) for name in ("web.1", "web.2")]
        sizes = [0]
        node.until(lambda: sizes.append(total(node)) or all(each.poll() is not None for each in writers))
        for name in ("web.1", "web.2"):
            node.settle(name)
        sizes.append(total(node))
        assert max(sizes) <= most
        assert sizes[-1] > most // 4
        last = {name: node.output.last_lines(name, 1) for name in ("web.1", "web.2")}
        assert ["line 59999"] in last.values()


def test_the_oldest_backups_go_first_also_those_of_processes_that_are_gone(tmp_path):
    with rig(tmp_path, most=400_000) as node:
        node.logs.mkdir()
        for number, name in enumerate(("gone.1.log.2", "gone.1.log.1.gz", "web.1.log.1")):
            (node.logs / name).write_bytes(b"x" * 120_000)
            os.utime(node.logs / name, (1000 + number, 1000 + number))
        (node.logs / "limpet.log").write_bytes(b"the node's own\n")
        node.open(max_bytes=0)
        node.run("print('y' * 40_000)")
        names = {each.name for each in node.logs.iterdir()}
        assert names == {"web.1.log", "web.1.log.1", "gone.1.log.1.gz", "limpet.log"}


def test_a_log_elsewhere_counts_and_nothing_else_is_touched_there(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "other.log.1").write_bytes(b"x" * 400_000)
    (elsewhere / "app.txt.1").write_bytes(b"x" * 360_000)
    with rig(tmp_path, most=400_000) as node:
        node.open(file=str(elsewhere / "app.txt"))
        node.run("print('y' * 40_000)")
    assert {each.name for each in elsewhere.iterdir()} == {"other.log.1", "app.txt"}


def test_options_of_the_log_reach_the_file(tmp_path):
    with rig(tmp_path) as node:
        node.open(max_age=Duration(1e-6))
        for number in range(3):
            node.write(b"line %d\n" % number)
            node.settle()
        assert node.all_files() == [b"line 0\n", b"line 1\n", b"line 2\n"]
