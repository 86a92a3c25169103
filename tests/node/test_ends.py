"""How a node ends: whatever happens at that moment, it does, with nothing left, and says so truthfully."""

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from limpet_supervisor.errors import LimpetError
from limpet_supervisor.wire import messages as m
from support.node import BOUND, Node, node, running

TWO = """
[processes.a]
command = ["sleep", "1000"]
[processes.b]
command = ["sleep", "1000"]
"""
STUBBORN = """
[processes.a]
command = ["python3", "-c", '''
import os, signal, sys, time
def end(*_):
    open(sys.argv[1] + "/asked", "w").close()
    while not os.path.exists(sys.argv[1] + "/go"):
        time.sleep(0.005)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
open(sys.argv[1] + "/up", "a").write("x")
while True:
    time.sleep(1000)
''', "%s"]
shutdown = "infinity"
ready = { exec = ["test", "-e", "%s/up"] }
"""


def start(made: Node, *command: str) -> None:
    """Starts the node by another command, with a standard output that takes nothing."""
    with open("/dev/full", "wb") as full:
        made.process = subprocess.Popen(
            [sys.executable, *command, str(made.directory / "limpet.toml")],
            cwd=made.directory,
            env=made.environ,
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=full,
        )
    made.wait_ready()


BACKGROUND = """
import sys
from limpet_supervisor.daemon.background import child_main

sys.exit(child_main(sys.argv[1], "", -1))
"""


def test_a_full_disk_costs_a_node_in_the_background_nothing_but_lines_of_its_log() -> None:
    with node(TWO) as made:
        start(made, "-c", BACKGROUND)
        assert made.stop() == 0
        assert made.descendants() == []


FAULTY = """
import sys
from limpet_supervisor.config import load
from limpet_supervisor.daemon.start import Daemon

def log(text):
    if text.startswith("stopping a.1"):
        raise OSError("no room")

sys.exit(Daemon(load.load(sys.argv[1], release=None), stdout=None, log=log).run())
"""


def test_what_goes_wrong_in_one_effect_costs_none_of_the_others() -> None:
    """The stop signal stands behind the line that says so: it was never sent."""
    with node(TWO) as made:
        start(made, "-c", FAULTY)
        assert made.stop() == 0


def test_a_node_whose_directory_was_removed_can_be_stopped() -> None:
    with running(TWO) as made:
        shutil.rmtree(made.run.path)
        assert made.stop() == 0


def test_a_boot_that_is_stopped_leaves_nothing() -> None:
    """Its run-time configuration is a process of its own, in a session of its own."""
    with node(
        TWO, files={"config/runtime.py": "import time\nopen('up', 'w').close()\ntime.sleep(1000)\n"}
    ) as made:
        made.start()
        made.wait_for((made.directory / "up").exists)
        assert made.stop() == 0
        assert made.descendants() == []
        assert not os.path.exists(made.run.pid_file)


def test_a_stop_during_a_restart_is_a_stop(tmp_path: Path) -> None:
    with running(STUBBORN % (tmp_path, tmp_path)) as made, made.client() as client:
        client.send(m.RestartNode())
        made.wait_for((tmp_path / "asked").exists)
        assert made.process is not None
        made.process.send_signal(signal.SIGTERM)
        client.request(m.Ping(), timeout=BOUND)
        (tmp_path / "go").touch()
        assert made.wait() == 0
        assert (tmp_path / "up").read_text() == "x"


def test_an_interrupt_after_a_stop_kills_what_is_left(tmp_path: Path) -> None:
    with running(STUBBORN % (tmp_path, tmp_path)) as made:
        assert made.process is not None
        made.process.send_signal(signal.SIGTERM)
        made.wait_for((tmp_path / "asked").exists)
        made.process.send_signal(signal.SIGINT)
        assert made.wait() == 0


def test_the_next_life_gives_its_processes_the_limits_that_the_first_one_was_given(tmp_path: Path) -> None:
    """The node raises its own limit of descriptors; a program that closes them all would take for ever."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    toml = f"""
[processes.a]
command = ["sh", "-c", "ulimit -Sn >> {tmp_path}/limits; exec sleep 1000"]
ready = {{ exec = ["test", "-e", "{tmp_path}/limits"] }}
"""
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        with running(toml) as made:
            made.request(m.RestartNode())
            made.wait_for(lambda: len((tmp_path / "limits").read_text().split()) == 2)
            assert set((tmp_path / "limits").read_text().split()) == {str(min(soft, 512))}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ready_is_said_again_to_a_service_manager_that_could_not_take_it() -> None:
    """Its queue is short, and full of what others say while many boot."""
    path = f"/tmp/lp{os.getpid()}.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        try:
            others = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            with others, contextlib.suppress(BlockingIOError):
                while True:
                    others.sendto(b"STATUS=busy", path)
            toml = '[processes.a]\ncommand = ["sleep", "1000"]\nready = { exec = ["true"] }\n'
            with running(toml, environ={"NOTIFY_SOCKET": path}):
                manager.settimeout(BOUND)
                while b"READY=1" not in manager.recv(65536):
                    pass
        finally:
            os.unlink(path)


def test_a_daemon_that_is_told_to_end_before_its_node_is_ready_leaves_nothing() -> None:
    with node('[processes.a]\ncommand = ["sleep", "1000"]\nready = { exec = ["false"] }\n') as made:
        command = [sys.executable, "-m", "limpet_shell", "daemon"]
        made.process = subprocess.Popen(command, cwd=made.directory, env=made.environ)
        made.wait_pid("a.1")
        made.process.send_signal(signal.SIGTERM)
        assert made.process.wait(BOUND) == 128 + signal.SIGTERM
        assert made.limpet("status").returncode == 3


def test_a_command_that_is_cancelled_gets_its_final_reply(tmp_path: Path) -> None:
    """Who leaves off waiting for a stop is told so; the stop goes on."""
    with running(STUBBORN % (tmp_path, tmp_path)) as made, made.client() as client:
        stream = client.stream(m.StopProcess(name="a"), timeout=BOUND)
        made.wait_for((tmp_path / "asked").exists)
        stream.cancel()
        with pytest.raises(LimpetError, match="No longer waited for"):
            for _answer in stream:
                pass
        (tmp_path / "go").touch()
        made.wait_for(lambda: made.status()["a.1"].state == "stopped")
