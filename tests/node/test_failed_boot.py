"""A node in the background that does not come up, and what is known of it afterwards."""

import json
import os
import signal

from support.node import node, running

NEVER_READY = """
max_restarts = 1
[processes.web]
command = ["sleep", "1000"]
ready = { tcp = "127.0.0.1:1", timeout = "200ms" }
"""


def test_a_process_that_never_gets_ready_ends_the_boot_though_no_window_of_restarts_is_exceeded() -> None:
    with node("max_seconds = 0.01\n" + NEVER_READY) as made:
        done = made.limpet("daemon")
        assert done.returncode == 1
        assert "web.1: killed by SIGTERM" in done.stderr
        assert "not ready within 200ms" in done.stderr
        assert not made.descendants()


def test_a_node_that_failed_is_asked_for_and_says_when_and_why() -> None:
    with node(NEVER_READY) as made:
        made.limpet("daemon")
        asked = made.limpet("status")
        assert asked.returncode == 3
        assert "it failed at 20" in asked.stderr
        assert "web.1" in asked.stderr
        assert (made.directory / "run" / "node" / "log" / "limpet.log").stat().st_mode & 0o007 == 0


def test_a_node_that_was_stopped_did_not_fail() -> None:
    with running('[processes.web]\ncommand = ["sleep", "1000"]\n') as made:
        assert made.stop() == 0
        assert "failed" not in made.limpet("status").stderr


def test_an_exit_s_event_has_the_facts_for_programs() -> None:
    with running('[processes.web]\ncommand = ["sleep", "1000"]\n') as made:
        pid = made.status()["web.1"].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        made.wait_event("exited", "web.1")
        lines = made.limpet("events", "--json").stdout.splitlines()
        (event,) = [found for found in map(json.loads, lines) if found["kind"] == "exited"]
        assert event["pid"] == pid
        assert event["detail"]["signal"] == "SIGKILL"
        assert event["detail"]["code"] is None


def test_what_is_in_the_way_of_a_socket_is_named() -> None:
    with node('[processes.web]\ncommand = ["sleep", "1000"]\n') as made:
        (made.directory / "run" / "node" / "agent.sock").mkdir(parents=True)
        done = made.limpet("start")
        assert done.returncode == 1
        assert "node cannot be brought up" in done.stderr
        assert "agent.sock" in done.stderr
