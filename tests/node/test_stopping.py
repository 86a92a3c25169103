"""Stop means gone: order, black boxes, whatever got away."""

import os
import signal
import threading
import time
from pathlib import Path

from limpet_supervisor.wire import messages as m
from support.children import (
    alive,
    crash,
    diary,
    keeps_diary,
    pid_of,
    python,
    shell,
    sleeps,
    until_gone,
    until_written,
)
from support.node import node, running

STUBBORN = """\
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def busy_with_nothing():
    print("deaf", flush=True)
    while True:
        time.sleep(1)
busy_with_nothing()
"""
GETS_AWAY = """\
import os, time
open("main", "w").write(f"{os.getpid()}\\n")
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open("away", "w").write(f"{os.getpid()}\\n")
        time.sleep(1000)
    os._exit(0)
os.wait()
time.sleep(1000)
"""


def test_a_node_stops_its_processes_in_reverse_order():
    with running(keeps_diary("a") + keeps_diary("b") + keeps_diary("c")) as made:
        until_written(made.directory / "diary", 3)
        assert made.stop() == 0
        assert diary(made)[3:] == ["-c.1", "-b.1", "-a.1"]
        assert "node is stopped" in made.output


def test_one_that_ignores_term_is_killed_and_why_has_its_stacks():
    rest = 'shutdown = "300ms"\nready = { log = "deaf" }'
    with running(python("deaf", STUBBORN, rest) + sleeps("b")) as made:
        pid = pid_of(made, "deaf.1")
        made.request(m.StopProcess(name="deaf"))
        assert not alive(pid)
        death = made.request(m.Why(name="deaf.1")).deaths[0]
        assert death.exit.signal == "SIGKILL"
        assert death.cause == "stopped by a command; its shutdown time of 300ms passed"
        assert death.last_lines == ("deaf",)
        box = Path(death.black_box).read_text()
        assert "busy_with_nothing" in box
        assert "deaf" in box
        assert oct(os.stat(death.black_box).st_mode & 0o777) == "0o600"
        shown = made.limpet("why", "deaf").stdout
        assert "SIGKILL" in shown
        assert death.black_box in shown


def test_stop_names_what_had_to_be_killed_and_where_its_black_box_is():
    rest = 'shutdown = "300ms"\nready = { log = "deaf" }'
    brutal = sleeps("c") + 'shutdown = "brutal_kill"\n'
    with running(python("deaf", STUBBORN, rest) + sleeps("b") + brutal) as made:
        cause = "deaf.1 had to be killed: stopped by a command; its shutdown time of 300ms passed"
        done = made.limpet("ctl", "stop", "deaf")
        first, second = done.stdout.splitlines()
        assert first == "deaf is stopped"
        assert second.startswith(f"{cause}; what it was doing is in {made.run.path}/")
        assert made.limpet("ctl", "start", "deaf").returncode == 0
        done = made.limpet("stop")
        assert done.stdout == "node stopped\n"
        said = done.stderr.splitlines()
        assert len(said) == 1, done.stderr
        assert said[0].startswith("deaf.1 had to be killed: ")
        assert "busy_with_nothing" in Path(said[0].rpartition(" is in ")[2]).read_text()


def test_a_stop_of_a_process_ends_what_got_away_from_it():
    with running(python("a", GETS_AWAY) + sleeps("b")) as made:
        away = int(until_written(made.directory / "away")[0])
        made.request(m.StopProcess(name="a"))
        assert not alive(away)
        assert made.status()["a.1"].state == "stopped"


def test_a_crash_ends_what_got_away_before_the_next_start():
    with running(python("a", GETS_AWAY)) as made:
        away = int(until_written(made.directory / "away")[0])
        crash(made, "a.1")
        made.wait_event("ready", "a.1", count=2)
        assert not alive(away)


def test_a_stop_of_the_node_ends_what_got_away():
    with running(python("a", GETS_AWAY)) as made:
        away = int(until_written(made.directory / "away")[0])
        assert made.stop() == 0
        assert not alive(away)


def test_what_will_not_go_is_named_while_it_is_waited_for():
    with running(python("deaf", STUBBORN, 'shutdown = "1h"\nready = { log = "deaf" }')) as made:
        pid = pid_of(made, "deaf.1")
        with made.client() as client:
            stream = client.stream(m.StopProcess(name="deaf"), timeout=30)
            said = next(answer.text for answer in stream if isinstance(answer, m.ProgressItem))
            assert f"deaf.1 (pid {pid})" in said
            os.kill(pid, signal.SIGKILL)
            assert isinstance(stream.reply(), m.Done)


def test_the_stop_signal_is_the_one_that_is_specified():
    script = (
        "trap 'echo USR1 > got; exit 0' USR1; trap '' TERM; echo up; while :; do sleep 1000 & wait $!; done"
    )
    with running(shell("a", script, 'stop_signal = "USR1"\nready = { log = "up" }')) as made:
        assert made.stop() == 0
        assert (made.directory / "got").read_text() == "USR1\n"


def test_brutal_kill_kills_at_once():
    with running(keeps_diary("a", 'shutdown = "brutal_kill"')) as made:
        until_written(made.directory / "diary")
        made.request(m.StopProcess(name="a"))
        assert diary(made) == ["+a.1"]
        assert made.request(m.Why(name="a")).deaths[0].exit.signal == "SIGKILL"


def test_restart_of_a_node_keeps_its_pid_and_reads_its_configuration_anew():
    with running(keeps_diary("a")) as made:
        until_written(made.directory / "diary")
        pid, before = made.pid, pid_of(made, "a.1")
        path = made.directory / "limpet.toml"
        path.write_text(path.read_text() + keeps_diary("b"))
        assert made.limpet("restart").returncode == 0
        made.wait_ready()
        assert made.process.poll() is None
        assert made.request(m.Ping()).pid == pid
        status = made.status()
        assert set(status) == {"a.1", "b.1"}
        assert status["a.1"].pid != before
        assert not alive(before)


def test_hup_of_a_node_without_a_terminal_changes_nothing():
    with running(sleeps("a")) as made:
        pid = pid_of(made, "a.1")
        os.kill(made.pid, signal.SIGHUP)
        assert pid_of(made, "a.1") == pid
        made.process.send_signal(signal.SIGTERM)
        assert made.wait() == 0
        assert "HUP" in made.output


def test_a_second_node_in_the_same_place_is_refused_and_names_the_first():
    with running(keeps_diary("a")) as made:
        until_written(made.directory / "diary")
        refused = made.limpet("start")
        assert refused.returncode == 1
        assert f"pid {made.pid}" in refused.stderr
        assert diary(made) == ["+a.1"]
        assert made.status()["a.1"].state == "running"


def test_what_a_killed_node_left_is_cleared_and_ended_before_the_next_start():
    toml = python("a", GETS_AWAY) + keeps_diary("b")
    with running(toml) as made:
        until_written(made.directory / "diary")
        main = int(until_written(made.directory / "main")[0])
        away = int(until_written(made.directory / "away")[0])
        os.kill(made.pid, signal.SIGKILL)
        made.wait()
        assert alive(main)
        assert os.path.exists(made.run.control)
        made.start().wait_ready()
        for pid in (main, away):
            assert not alive(pid)
        assert until_written(made.directory / "diary", 3) == ["+b.1", "-b.1", "+b.1"]
        assert "ending them" in made.output
        assert made.stop() == 0


def test_what_got_away_is_ended_though_its_process_died_after_the_node():
    with running(python("a", GETS_AWAY)) as made:
        main = int(until_written(made.directory / "main")[0])
        away = int(until_written(made.directory / "away")[0])
        os.kill(made.pid, signal.SIGKILL)
        made.wait()
        os.kill(main, signal.SIGKILL)
        until_gone(main)
        made.start().wait_ready()
        assert not alive(away)
        assert made.stop() == 0


def test_nothing_of_a_node_is_left_in_its_directory_but_logs():
    with running(shell("a", "echo hello; exec sleep 1000", 'ready = { log = "hello" }')) as made:
        assert made.stop() == 0
        assert sorted(os.listdir(made.run.path)) == ["log"]


def test_a_process_that_is_stopped_by_another_hand_while_the_node_stops_is_no_crash():
    with node(
        keeps_diary("a") + shell("b", "trap '' TERM; while :; do sleep 1; done", 'shutdown = "200ms"')
    ) as made:
        made.start().wait_ready()
        a = pid_of(made, "a.1")
        made.process.send_signal(signal.SIGTERM)
        made.wait_event("stopping", "b.1")
        os.kill(a, signal.SIGKILL)
        assert made.wait() == 0
        assert diary(made).count("+a.1") == 1


LEAVES = """\
import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: open("asked", "w").close())
open("here", "w").close()
while not os.path.exists("go"):
    time.sleep(0.01)
"""


def test_a_pause_of_the_node_and_its_processes_is_no_part_of_a_shutdown():
    """A container was frozen while it stopped: once it was thawed, whatever had not ended yet was killed."""
    with running(python("a", LEAVES, 'shutdown = "5s"')) as made:
        made.wait_for((made.directory / "here").exists)
        pid = pid_of(made, "a.1")
        stopping = threading.Thread(target=made.request, args=(m.StopProcess(name="a"),))
        stopping.start()
        made.wait_for((made.directory / "asked").exists)
        os.kill(pid, signal.SIGSTOP)
        os.kill(made.pid, signal.SIGSTOP)
        until = time.monotonic() + 6
        made.wait_for(lambda: time.monotonic() > until)
        os.kill(made.pid, signal.SIGCONT)
        made.wait_for(lambda: "the node could not run for" in made.output)
        (made.directory / "go").touch()
        os.kill(pid, signal.SIGCONT)
        stopping.join()
        death = made.request(m.Why(name="a.1")).deaths[0]
        assert (death.exit.code, death.exit.signal) == (0, None)
