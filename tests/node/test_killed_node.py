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
