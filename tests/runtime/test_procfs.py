"""Facts from /proc about real processes; what vanishes is a value, never an exception."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from limpet_supervisor.runtime import procfs

TREE = """
import os, sys
# a child with a child of its own, and a grandchild in a session of its own
child = os.fork()
if child == 0:
    if os.fork() == 0:
        os.setsid()
    os.write(1, b'%d\\n' % os.getpid())
    sys.stdin.read()
    os._exit(0)
os.write(1, b'%d\\n' % os.getpid())
sys.stdin.read()
"""


@contextlib.contextmanager
def running(code: str, lines: int, **options: object) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """A process that says `lines` pids and then waits for the end of its input."""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **options,  # type: ignore[call-overload]
    )
    try:
        yield process, [int(process.stdout.readline()) for _ in range(lines)]
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.read()  # to the end: whoever else had it is gone
        process.stdout.close()


def gone() -> int:
    """A pid of nobody."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_ourselves():
    facts = procfs.stat(os.getpid())
    assert facts is not None
    assert (facts.pid, facts.ppid, facts.group, facts.session) == (
        os.getpid(),
        os.getppid(),
        os.getpgid(0),
        os.getsid(0),
    )
    assert facts.state in "RS"
    assert facts.rss > 1_000_000
    assert procfs.start_time(os.getpid()) == facts.start_time > 0
    assert os.getpid() in procfs.snapshot()


def test_a_process_that_is_gone_has_no_facts():
    pid = gone()
    assert procfs.stat(pid) is None
    assert procfs.start_time(pid) is None
    assert procfs.children(pid) == []
    assert procfs.usage([pid]) == {}
    assert procfs.marker(pid) is None
    assert procfs.command(pid) == ""


def test_a_zombie_has_no_start_time():
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert procfs.start_time(pid) is None
    assert procfs.stat(pid).state == "Z"
    assert procfs.command(pid) == "[true]"
    os.waitpid(pid, 0)


def test_a_name_with_parentheses_and_spaces_confuses_nobody():
    code = "import os\nopen('/proc/self/comm', 'w').write(') R 1 (')\nprint(os.getpid(), flush=True)\ninput()"
    with running(code, 1) as (process, _pids):
        facts = procfs.stat(process.pid)
        assert facts.name == ") R 1 ("
        assert facts.ppid == os.getpid()
        process.stdin.write(b"\n")


@pytest.mark.parametrize("listed", [True, False], ids=["children file", "scan"])
def test_descendants_come_parents_first(listed, monkeypatch):
    if not listed:
        monkeypatch.setattr(procfs, "_direct_children", lambda _pid: None)
    with running(TREE, 3) as (process, pids):
        below = procfs.children(process.pid)
        assert sorted(below) == sorted(set(pids) - {process.pid})
        assert procfs.stat(below[1]).ppid == below[0]
        assert procfs.children(process.pid, recursive=False) == below[:1]
        assert below[0] in procfs.children(os.getpid())


def test_children_of_any_thread_are_found():
    code = (
        "import os, subprocess, sys, threading\n"
        "def spawn():\n"
        "    process = subprocess.Popen(['cat'], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)\n"
        "    print(process.pid, flush=True)\n"
        "    sys.stdin.read()\n"
        "    process.stdin.close(); process.wait()\n"
        "thread = threading.Thread(target=spawn); thread.start(); thread.join()\n"
    )
    with running(code, 1) as (process, pids):
        assert procfs.children(process.pid) == pids


def test_use_of_many_is_read_in_one_pass():
    used = procfs.usage([os.getpid(), gone(), os.getppid()])
    assert set(used) == {os.getpid(), os.getppid()}
    assert used[os.getpid()].rss > 1_000_000


def test_the_marker_is_the_one_it_was_started_with():
    code = "import os\nos.environ['LIMPET_PROCESS'] = 'other'\nprint(os.getpid(), flush=True)\ninput()"
    with running(code, 1, env={**os.environ, "LIMPET_PROCESS": "web.1", "NOT_LIMPET_PROCESS": "x"}) as (
        process,
        _pids,
    ):
        assert procfs.marker(process.pid) == "web.1"
        assert procfs.environ(process.pid, "LIMPET") is None
        process.stdin.write(b"\n")


def test_a_command_is_one_printable_line():
    with running("import os\nprint(os.getpid(), flush=True)\ninput()\n'\x1b[31m\u00e9'", 1) as (
        process,
        _pids,
    ):
        line = procfs.command(process.pid)
        assert line.startswith(f"{os.path.basename(sys.executable)} -c import os?print")
        assert line.endswith("'?[31m\u00e9'")
        assert procfs.command(process.pid, limit=10) == line[:9] + "…"
        process.stdin.write(b"\n")


@pytest.fixture
def subreaper() -> Iterator[int]:
    """We are the subreaper of all our descendants."""
    libc = ctypes.CDLL(None)
    libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    yield os.getpid()
    libc.prctl(36, 0, 0, 0, 0)


ORPHAN = """
import os, sys
# an orphan in a session of its own, and one that stays in our group; they stay when we are gone
for escape in (True, False):
    if os.fork() == 0:
        if os.fork() == 0:
            if escape:
                os.setsid()
            os.write(1, b'%d\\n' % os.getpid())
            sys.stdin.read()
        os._exit(0)
    os.wait()
if len(sys.argv) > 1:
    os._exit(0)
sys.stdin.read()
"""


@pytest.mark.parametrize("ended", [False, True])
def test_all_that_belongs_to_an_instance_is_found_however_it_got_away(subreaper, ended):
    """Double-forked, in another session: known by its mark; in the instance's group: known by that."""
    read, write = os.pipe()
    answers, said = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, *(["end"] if ended else [])],
        stdin=read,
        stdout=said,
        env={**os.environ, "LIMPET_PROCESS": "web.1"},
        start_new_session=True,
    )
    os.close(read)
    os.close(said)
    with os.fdopen(answers) as lines:
        orphans = {int(lines.readline()) for _ in range(2)}
        pid: int | None = process.pid
        if ended:
            process.wait()
            pid = None
        assert set(procfs.descendants_of("web.1", pid, subreaper, group=process.pid)) == orphans
        outside = procfs.descendants_of("web.2", None, subreaper)
        assert outside == []
        os.close(write)
        process.wait()
        assert lines.read() == ""
    for orphan in orphans:
        os.waitpid(orphan, 0)
    assert procfs.descendants_of("web.1", pid, subreaper, group=process.pid) == []


def test_a_stopped_and_killed_process_is_seen_as_such():
    with running("import os\nprint(os.getpid(), flush=True)\ninput()", 1) as (process, _pids):
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        assert procfs.stat(process.pid).state == "T"
        assert procfs.start_time(process.pid) is not None
        process.kill()
