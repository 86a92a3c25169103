"""A node that is killed with SIGKILL, and the one that is started after it."""

import os
import signal
from pathlib import Path

from limpet_supervisor.runtime import procfs
from support.node import node, select_for

TALKS = """
[processes.talk]
command = ["python3", "-u", "-c", '''
import os, sys, time
for n in range(200):
    print(os.getpid(), n)
open(sys.argv[1], "w").close()
time.sleep(1000)
''', "%s"]
"""


def test_what_its_processes_said_meanwhile_is_in_the_log_and_none_runs_twice(tmp_path: Path) -> None:
    with node(TALKS % (tmp_path / "said")) as made:
        made.start().wait_ready()
        pid = made.status()["talk.1"].pid
        assert pid is not None
        os.kill(made.pid, signal.SIGSTOP)  # it reads nothing from here on
        os.kill(made.pid, signal.SIGKILL)
        made.wait()
        for _ in range(3000):
            if (tmp_path / "said").exists():
                break
            select_for(0.01)
        made.start().wait_ready()
        left = procfs.stat(pid)
        assert left is None or left.state in "ZX"
        assert made.status()["talk.1"].pid != pid
        assert made.stop() == 0
        log = (Path(made.run.logs) / "talk.1.log").read_text().splitlines()
        assert [line for line in log if line.startswith(f"{pid} ")] == [f"{pid} {n}" for n in range(200)]


FLOODS = """
[processes.flood]
command = ["python3", "-c", '''
import itertools, os
pid = os.getpid()
for n in itertools.count():
    os.write(1, b"%d %d\\n" % (pid, n))
''']
log = { max_bytes = "1GiB" }
"""


def test_a_flood_loses_no_line_when_the_node_is_killed_in_the_middle_of_it() -> None:
    """What it had read and not written is in the FIFO still, and in the log once."""
    with node(FLOODS) as made:
        log = Path(made.run.logs) / "flood.1.log"
        for size in (1_000_000, 3_000_000, 7_000_000, 9_000_000):
            made.start().wait_ready()
            for _ in range(3000):
                if log.exists() and log.stat().st_size > size:
                    break
                select_for(0.01)
            os.kill(made.pid, signal.SIGKILL)
            made.wait()
        made.start().wait_ready()
        last = b"\n%d " % made.status()["flood.1"].pid
        made.wait_for(lambda: last in log.read_bytes())
        assert made.stop() == 0
        lives: dict[bytes, list[bytes]] = {}
        for line in log.read_bytes().splitlines():
            pid, number = line.split()
            lives.setdefault(pid, []).append(number)
        assert len(lives) == 5
        for numbers in lives.values():
            assert numbers == [b"%d" % number for number in range(len(numbers))]
