"""What a control group allows: both versions of the hierarchy, made of files."""

from pathlib import Path

import pytest

from limpet_supervisor.runtime import cgroup
from limpet_supervisor.runtime.cgroup import Bound


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def group(place: Path, lines: str) -> tuple[str, str]:
    """The root of the hierarchies, and a file that says where we are in them."""
    write(place / "self", lines)
    return str(place / "root"), str(place / "self")


def test_a_limit_of_an_ancestor_holds_and_the_tightest_counts(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root / "a/memory.max", "1000\n")
    write(root / "a/memory.current", "900\n")
    write(root / "a/b/memory.max", "max\n")
    write(root / "a/b/memory.current", "10\n")
    write(root / "a/b/pids.max", "64\n")
    write(root / "a/b/pids.current", "8\n")
    write(root / "a/b/cpu.max", "150000 100000\n")
    write(root / "a/cpu.max", "max 100000\n")
    where = group(tmp_path, "0::/a/b\n")
    assert cgroup.memory(*where) == Bound(900, 1000)
    assert cgroup.tasks(*where) == Bound(8, 64)
    assert cgroup.cpus(*where) == 1.5


def test_version_1_and_its_numbers_for_no_limit(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root / "memory/x/memory.limit_in_bytes", "9223372036854771712\n")
    write(root / "memory/x/memory.usage_in_bytes", "5\n")
    write(root / "cpu,cpuacct/x/cpu.cfs_quota_us", "-1\n")
    write(root / "cpu,cpuacct/x/cpu.cfs_period_us", "100000\n")
    write(root / "pids/x/pids.max", "100\n")
    write(root / "pids/x/pids.current", "7\n")
    where = group(tmp_path, "4:memory:/x\n3:cpu,cpuacct:/x\n2:pids:/x\n0::/\n")
    assert cgroup.memory(*where) is None
    assert cgroup.cpus(*where) is None
    assert cgroup.tasks(*where) == Bound(7, 100)
    write(root / "cpu,cpuacct/x/cpu.cfs_quota_us", "50000\n")
    assert cgroup.cpus(*where) == 0.5


@pytest.mark.parametrize("lines", ["", "0::/../..\n", "0::/gone\n"])
def test_where_nothing_is_told_there_is_no_limit(tmp_path: Path, lines: str) -> None:
    where = group(tmp_path, lines)
    assert (cgroup.memory(*where), cgroup.tasks(*where), cgroup.cpus(*where)) == (None, None, None)
