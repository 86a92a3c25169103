"""Readiness that comes early, late, or from a process that is dead."""

import os
import signal
from pathlib import Path

from limpet_supervisor.runtime import procfs
from support.node import BOUND, node, running


def test_a_line_that_is_written_at_once_is_seen() -> None:
    """The pump moves it while the node is still busy with the start: one in ten was never ready."""
    toml = "".join(
        f"""
[processes.p{number}]
command = ["sh", "-c", "echo up; exec sleep 1000"]
ready = {{ log = "up", timeout = "{BOUND:g}s" }}
"""
        for number in range(60)
    )
    with running(toml) as made:
        assert all(process.ready for process in made.status().values())


def test_a_node_is_ready_with_the_last_of_many_processes() -> None:
    """They are started in batches; those that are ready by running send nothing after the last."""
    with running('[processes.p]\ncommand = ["sleep", "1000"]\ninstances = 130\nagent = false\n') as made:
        assert len(made.status()) == 130


LAST_WORDS = """
[processes.p]
command = ["python3", "-c", '''
import os, socket, sys, time
directory = sys.argv[1]
if os.path.exists(f"{directory}/second"):
    time.sleep(1000)
open(f"{directory}/second", "w").close()
while not os.path.exists(f"{directory}/go"):
    time.sleep(0.005)
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
os._exit(1)
''', "%s"]
ready = "notify"
"""


def test_the_last_words_of_a_process_are_not_its_successors(tmp_path: Path) -> None:
    """READY=1 and then death, both found in one turn of the loop: the next life has said nothing yet."""
    with node(LAST_WORDS % tmp_path) as made:
        made.start()
        pid = made.wait_pid("p.1")
        made.wait_for((tmp_path / "second").exists)
        os.kill(made.pid, signal.SIGSTOP)
        (tmp_path / "go").touch()
        made.wait_for(lambda: (facts := procfs.stat(pid)) is None or facts.state == "Z")
        os.kill(made.pid, signal.SIGCONT)
        made.wait_for(lambda: made.status()["p.1"].pid not in (pid, None))
        assert not made.status()["p.1"].ready


def test_what_cannot_be_made_ready_for_a_start_is_a_failed_start_of_that_process_only() -> None:
    """There can be no FIFO of its name: the others are started, and its supervisor decides."""
    toml = """
[processes.a]
command = ["sleep", "1000"]
restart = "temporary"
ready = "notify"
[processes.b]
command = ["sleep", "1000"]
"""
    with node(toml) as made:
        Path(made.run.path, "output", "a.1.out").mkdir(parents=True, mode=0o700)
        made.start()
        made.wait_for(lambda: "b.1 is ready" in made.output)
        assert "a.1 could not be started" in made.output
        assert made.stop() == 0
