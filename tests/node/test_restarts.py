"""Crashes of real processes: restarts, strategies, escalation."""

import os
import signal

import pytest

from support.children import crash, diary, keeps_diary, pid_of, process, shell, sleeps, until_written
from support.node import node, running

NORMAL = 'restart = "transient"'


def test_a_crashed_process_is_started_again():
    with running(sleeps("a")) as made:
        pid = crash(made, "a.1")
        made.wait_event("ready", "a.1", count=2)
        now = made.status()["a.1"]
        assert now.pid != pid
        assert now.restarts == 1
        assert now.state == "running"
        assert "killed by SIGKILL" in made.wait_event("exited", "a.1").text


def test_why_shows_how_it_ended_and_its_last_words():
    script = 'echo "out of luck" >&2; exec sleep 1000'
    with running(shell("a", script, 'ready = { log = "luck" }')) as made:
        crash(made, "a.1")
        made.wait_event("ready", "a.1", count=2)
        shown = made.limpet("why", "a.1")
        assert "killed by SIGKILL" in shown.stdout
        assert "out of luck" in shown.stdout


def test_a_normal_end_of_a_transient_process_is_its_last():
    with running(process("a", ["true"], NORMAL) + sleeps("b")) as made:
        assert made.wait_event("exited", "a.1").text.startswith("a.1 (pid ")
        status = made.status()
        assert status["a.1"].state == "exited"
        assert status["a.1"].reason == "exit code 0"
        assert status["b.1"].state == "running"


def test_a_process_that_dies_at_once_ends_the_node_with_its_last_words():
    with node(shell("bad", "echo cannot open the database; exit 3") + keeps_diary("good")) as made:
        made.start()
        assert made.wait() == 1
        assert made.output.count("cannot open the database") == 4, "one start and three restarts"
        assert "bad.1" in made.output
        assert "exited with code 3" in made.output
        assert "gives up: bad.1 ended, and that is more than 3 restarts in 5s" in made.output


def test_a_command_that_is_not_there_ends_the_node_and_is_named():
    with node(process("a", ["no-such-command-here"])) as made:
        made.start()
        assert made.wait() == 1
        assert "command not found: no-such-command-here" in made.output


def test_a_port_in_use_ends_the_node_and_is_named():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with node(f'[sockets.http]\nbind = "127.0.0.1:{port}"\n{keeps_diary("a")}') as made:
            made.start()
            assert made.wait() == 1
            assert f"127.0.0.1:{port}" in made.output
            assert "in use" in made.output
            assert diary(made) == []


@pytest.mark.parametrize(
    ("strategy", "who", "then"),
    [
        ("one_for_one", "b.1", ["+b.1"]),
        ("rest_for_one", "b.1", ["-c.1", "+b.1", "+c.1"]),
        ("one_for_all", "b.1", ["-c.1", "-a.1", "+a.1", "+b.1", "+c.1"]),
    ],
)
def test_a_strategy_starts_and_stops_in_order(strategy, who, then):
    chain = 'ready = { log = "." }\nafter = ["%s"]'
    says = "echo up; "
    from support.children import DIARY

    toml = f'strategy = "{strategy}"\n'
    for name, after in (("a", ""), ("b", "a"), ("c", "b")):
        script = DIARY.replace("while", f"{says}while", 1)
        toml += shell(name, script, chain % after if after else 'ready = { log = "." }')
    with running(toml) as made:
        crash(made, who)
        names = {entry[1:] for entry in then if entry[0] == "+"}
        for name in names:
            made.wait_event("ready", name, count=2)
        assert diary(made) == ["+a.1", "+b.1", "+c.1", *then]


def test_a_nested_supervisor_gives_up_and_is_started_again():
    toml = keeps_diary("a") + (
        '[[supervisors]]\nname = "inner"\nmax_restarts = 0\n'
        + keeps_diary("b").replace("[processes.b]", "[supervisors.processes.b]")
        + keeps_diary("c").replace("[processes.c]", "[supervisors.processes.c]")
    )
    with running(toml) as made:
        until_written(made.directory / "diary", 3)
        a = pid_of(made, "a.1")
        crash(made, "b.1")
        made.wait_event("ready", "c.1", count=2)
        assert pid_of(made, "a.1") == a
        until_written(made.directory / "diary", 6)
        assert diary(made)[3] == "-c.1"
        assert sorted(diary(made)[4:]) == ["+b.1", "+c.1"]
        assert made.stop() == 0
        assert sorted(diary(made)[6:]) == ["-a.1", "-b.1", "-c.1"]
        assert diary(made)[6:] == ["-c.1", "-b.1", "-a.1"]


def test_a_process_that_keeps_failing_waits_and_status_says_how_long():
    toml = (
        "max_restarts = 100\n" + shell("a", "exit 1", 'backoff = { base = "1h", max = "1h" }') + sleeps("b")
    )
    with node(toml) as made:
        made.start().wait_event("restarting", "a.1", text="in ")
        status = made.status()["a.1"]
        assert status.state == "backoff"
        assert "exit code 1" in status.reason
        assert made.stop() == 0


def test_a_significant_process_ends_the_node_when_it_is_done():
    toml = 'auto_shutdown = "any_significant"\n' + keeps_diary("a")
    toml += shell(
        "job", "until [ -e diary ]; do sleep 0.01; done", 'restart = "temporary"\nsignificant = true'
    )
    with node(toml) as made:
        made.start()
        assert made.wait() == 0
        assert diary(made) == ["+a.1", "-a.1"]


def test_a_process_restarted_by_command_is_no_failure():
    with running("max_restarts = 0\n" + sleeps("a")) as made:
        for count in (2, 3, 4):
            assert made.limpet("ctl", "restart", "a").returncode == 0
            made.wait_event("ready", "a.1", count=count)
        assert made.status()["a.1"].restarts == 3


def test_two_interrupts_kill_what_will_not_end():
    with running(shell("a", "trap '' TERM; while :; do sleep 1; done", 'shutdown = "infinity"')) as made:
        os.kill(made.pid, signal.SIGINT)
        made.wait_event("stopping", "a.1")
        os.kill(made.pid, signal.SIGINT)
        assert made.wait() == 0
