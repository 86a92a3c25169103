"""The verbs that ask a node: their output, their JSON and their exit codes."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from limpet_supervisor.model.status import State
from limpet_supervisor.runtime.output import MOST_LINES
from limpet_supervisor.wire import messages as m
from support.command import BOUND, Shops, open_shop, shop
from support.fake_node import FakeNode
from support.told import BACKOFF, answers, process, telling

# -- status and health --


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (State.RUNNING, 0),
        (State.EXITED, 0),
        (State.STARTING, 3),
        (State.STOPPING, 3),
        (State.STOPPED, 3),
        (State.BACKOFF, 3),
        (State.FAILED, 3),
    ],
)
def test_status_exits_0_only_if_all_run(state: State, code: int) -> None:
    with open_shop(telling(process("web.1"), process("web.2", state=state))) as (place, _):
        assert place.run("status").returncode == code


def test_a_node_that_is_a_zombie_does_not_run() -> None:
    with shop() as place, subprocess.Popen(["true"]) as node:
        os.waitid(os.P_PID, node.pid, os.WEXITED | os.WNOWAIT)
        os.mkdir(f"{place.directory}/bookshop")
        with open(f"{place.directory}/bookshop/pid", "w") as file:
            file.write(f"{node.pid}\n")
        assert place.run("pid").returncode == 69
        assert place.run("status").returncode == 3


def test_status_of_a_node_that_does_not_run_exits_3() -> None:
    with shop() as place:
        done = place.run("status")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("limpet: bookshop is not running. ")


def test_status_that_cannot_be_known_exits_4() -> None:
    """Its pid lives, and its socket is not there: it starts, or stops, or somebody removed it."""
    with shop() as place:
        os.mkdir(f"{place.directory}/bookshop", mode=0o700)
        with open(f"{place.directory}/bookshop/pid", "w") as file:
            file.write(f"{os.getpid()}\n")
        done = place.run("status")
    assert done.returncode == 4
    assert f"pid {os.getpid()} of {place.directory}/bookshop lives" in done.stderr


def test_status_json_is_the_contract() -> None:
    with open_shop(telling(process("web.1"), BACKOFF)) as (place, _):
        facts = json.loads(place.run("status", "--json").stdout)
    assert facts["schema"] == 1
    assert set(facts["node"]) >= {"name", "version", "pid", "uptime", "state"}
    first, second = facts["processes"]
    wanted = {"name", "state", "ready", "pid", "uptime", "restarts", "cpu", "memory", "agent", "agent_reason"}
    assert set(first) >= wanted
    assert (first["state"], first["uptime"], first["memory"]) == ("running", 12.5, 31457280)
    assert (second["pid"], second["reason"]) == (None, "exit code 1; next try in 3s")


def test_status_asks_for_the_names_it_is_given(bookshop: Shops) -> None:
    place, node = bookshop
    place.run("status", "web", "worker.1")
    request = node.wait_for(m.Status)
    assert request.names == ("web", "worker.1")


def test_health_is_0_when_all_is_well(bookshop: Shops) -> None:
    place, _ = bookshop
    done = place.run("health")
    first, header, *rest = done.stdout.splitlines()
    assert (done.returncode, first) == (0, "bookshop is running: 2 of 2 processes ready")
    assert header.split() == ["CHECK", "STATUS", "PROCESS", "AGE", "REASON"]
    assert rest[-1].split() == ["database", "ok", "web.1"]


def test_health_is_1_and_names_what_is_not_well_first() -> None:
    with open_shop(telling(process("web.1"), BACKOFF)) as (place, _):
        done = place.run("health")
        facts = json.loads(place.run("health", "--json").stdout)
    assert done.returncode == 1
    assert " ".join(done.stdout.splitlines()[2].split()) == "web.2 failing exit code 1; next try in 3s"
    assert (facts["schema"], facts["healthy"], facts["status"]) == (1, False, 503)
    assert (facts["ready"], facts["wanted"]) == (1, 2)
    assert facts["checks"] == {"web.1": "ok", "web.2": "failing"}
    assert facts["lines"][1]["reason"] == "exit code 1; next try in 3s"


def test_health_asks_for_names_and_leaves_checks_out(bookshop: Shops) -> None:
    place, node = bookshop
    place.run("health", "web", "--exclude", "database", "--exclude", "disk")
    assert node.wait_for(m.Health) == m.Health(names=("web",), exclude=("database", "disk"))


def test_metrics_are_printed_as_they_come(bookshop: Shops) -> None:
    place, _ = bookshop
    assert place.run("metrics").stdout == "# EOF\n"


# -- pid, version, paths --


def test_pid_is_that_of_a_living_node() -> None:
    with shop() as place:
        assert place.run("pid").returncode == 69
        os.mkdir(f"{place.directory}/bookshop", mode=0o700)
        with open(f"{place.directory}/bookshop/pid", "w") as file:
            file.write(f"{os.getpid()}\n")
        assert place.run("pid").stdout == f"{os.getpid()}\n"


def test_version_needs_no_node() -> None:
    with shop() as place:
        done = place.run("version")
    assert (done.returncode, done.stdout) == (0, "bookshop 1.0.0\n")


def test_version_of_a_node_by_name_asks_it(bookshop: Shops) -> None:
    place, _ = bookshop
    assert place.run("version", "--node", "bookshop").stdout == "bookshop 1.0.0\n"


def test_paths_say_what_was_chosen_and_why() -> None:
    with shop() as place:
        text = place.run("paths").stdout
        facts = json.loads(place.run("paths", "--json").stdout)
    assert (
        f"{place.directory}/bookshop  (RELEASE_TMP is set; the node does not run; it would be here)" in text
    )
    assert facts["control"] == f"{place.directory}/bookshop/control.sock"
    assert (facts["running"], facts["why"]) == (False, "RELEASE_TMP is set")


# -- logs, events, why, tree, ctl --


def test_logs_carry_names_unless_one_instance_is_asked_for(bookshop: Shops) -> None:
    place, _ = bookshop
    done = place.run("logs")
    assert done.stdout == "web.1 | one\nweb.1 | two \x1b]0;evil\x07\n"
    assert done.stderr == "(2 lines were dropped: they came faster than they were read)\n"
    assert place.run("logs", "web.1").stdout.startswith("one\n")


def test_help_says_how_many_lines_logs_shows_at_most(bookshop: Shops) -> None:
    place, _ = bookshop
    assert f"the last {MOST_LINES:,} at most" in " ".join(place.run("logs", "--help").stdout.split())


def test_logs_json_is_an_object_a_line(bookshop: Shops) -> None:
    place, _ = bookshop
    lines = place.run("logs", "--json").stdout.splitlines()
    assert json.loads(lines[0]) == {
        "schema": 1,
        "process": "web.1",
        "time": None,
        "level": None,
        "line": "one",
    }


def test_ctl_leaves_a_look_s_deadline_to_the_node() -> None:
    """Which tells that the process does not answer; the command only knows that it has heard nothing."""
    silence = m.EvaluateReply(process="web.1", ok=False, error="no answer within 0.2s", timed_out=True)

    def script(request: m.Request) -> Iterator[m.Item | m.Reply]:
        if isinstance(request, m.Inspect):
            threading.Event().wait(1)  # longer than the deadline, as a node takes
            yield silence

    with open_shop(script) as (place, node):
        done = place.run("ctl", "--timeout", "0.2s", "tasks", "web.1")
        assert node.wait_for(m.Inspect).timeout == 0.2
    assert "web.1 cannot tell. no answer within 0.2s" in done.stderr


def test_logs_follow_until_ctrl_c() -> None:
    def script(request: m.Request) -> Iterator[m.Item | m.Reply]:
        if isinstance(request, m.Logs):
            yield m.LogItem(process="web.1", lines=("first",))
            yield m.LogsPast()

    with (
        open_shop(script) as (place, node),
        subprocess.Popen(
            place.arguments("logs", "-f", "web"), stdout=subprocess.PIPE, env=place.environ, text=True
        ) as command,
    ):
        assert command.stdout is not None
        assert command.stdout.readline() == "web.1 | first\n"
        node.say(node.wait_for(m.Logs), m.LogItem(process="web.2", lines=("later",)))
        assert command.stdout.readline() == "web.2 | later\n"
        command.send_signal(signal.SIGINT)
        assert command.wait(BOUND) == 130
        assert node.wait_for(m.Logs) == m.Logs(names=("web",), lines=150, follow=True)


def test_logs_of_the_node_itself_come_from_its_file_while_it_runs(bookshop: Shops) -> None:
    place, _ = bookshop
    os.mkdir(f"{place.directory}/bookshop/log")
    with open(f"{place.directory}/bookshop/log/limpet.log", "w") as file:
        file.write("bookshop 1.0.0 starts\nbookshop 1.0.0 is ready\n")
    assert place.run("logs", "limpet", "-n", "1").stdout == "bookshop 1.0.0 is ready\n"
    followed = place.run("logs", "limpet", "-f")
    assert (followed.returncode, followed.stderr.count("limpet events -f")) == (2, 1)


def test_logs_of_a_node_that_does_not_run_come_from_its_files() -> None:
    with shop() as place:
        os.makedirs(f"{place.directory}/bookshop/log")
        for name in ("web.10", "web.2", "worker.1"):
            with open(f"{place.directory}/bookshop/log/{name}.log", "wb") as file:
                file.write(
                    b"".join(b"%s line %d\n" % (name.encode(), k) for k in range(20_000)) + b"\xff end"
                )
        several = place.run("logs", "web", "-n", "1")
        alone = place.run("logs", "worker.1", "-n", "2")
        none = place.run("logs", "nobody")
    assert several.stdout == "web.2 | \ufffd end\nweb.10 | \ufffd end\n"
    assert alone.stdout == "worker.1 line 19999\n\ufffd end\n"
    assert none.returncode == 1
    assert "there is no such log file" in none.stderr


def test_events_and_tree_are_shown_and_are_json(bookshop: Shops) -> None:
    place, _ = bookshop
    assert place.run("events").stdout.endswith("exited             web.1 died\n")
    event = json.loads(place.run("events", "--json").stdout)
    assert (event["schema"], event["kind"], event["process"]) == (1, "exited", "web.1")
    assert "└─ nested  one_for_all" in place.run("tree").stdout
    assert json.loads(place.run("tree", "--json").stdout)["tree"]["children"][0]["name"] == "web.1"


def test_why_shows_the_deaths_and_fails_for_nobody(bookshop: Shops) -> None:
    place, _ = bookshop
    assert "killed by SIGKILL" in place.run("why", "web.1").stdout
    assert json.loads(place.run("why", "web.1", "--json").stdout)["deaths"][0]["exit"]["signal"] == "SIGKILL"
    done = place.run("why", "nobody")
    assert (done.returncode, done.stderr) == (1, "limpet: There is no process nobody. there is web\n")


def test_ctl_runs_a_command_once(bookshop: Shops) -> None:
    place, node = bookshop
    done = place.run("ctl", "restart", "web", "worker")
    assert (done.returncode, done.stdout) == (0, "web is restarted\nworker is restarted\n")
    assert place.run("ctl", "scale", "web", "-1").returncode == 0
    assert node.wait_for(m.Scale) == m.Scale(name="web", to="-1")


def test_ctl_begins_nothing_if_one_of_its_names_is_wrong() -> None:
    def script(request: m.Request) -> Iterator[m.Item | m.Reply]:
        if isinstance(request, m.Status) and "nope" in request.names:
            yield m.Failure("NoSuchProcess", "There is no process nope")
        else:
            yield from answers(request)

    with open_shop(script) as (place, node):
        asked = place.run("ctl", "restart", "web", "nope")
        assert (asked.returncode, asked.stdout) == (1, "")
        assert "There is no process nope" in asked.stderr
        assert not [request for request in node.requests if isinstance(request, m.RestartProcess)]


def test_ctl_takes_json_after_its_command_too(bookshop: Shops) -> None:
    place, _ = bookshop
    for words in (("ctl", "--json", "restart", "web"), ("ctl", "restart", "web", "--json")):
        assert json.loads(place.run(*words).stdout) == {"schema": 1, "re": "done", "text": "web is restarted"}


def test_ctl_leaves_the_console_what_is_the_consoles(bookshop: Shops) -> None:
    place, _ = bookshop
    assert place.run("ctl", "use", "web").returncode == 2
    assert "  scale NAME" in place.run("ctl").stdout


# -- stop and restart --


def stopping(child: "subprocess.Popen[bytes]", *, ends: bool) -> object:
    """A script whose node is the process `child`, which ends, or not, when it is asked to stop."""

    def script(request: m.Request) -> Iterator[m.Item | m.Reply]:
        match request:
            case m.Ping():
                yield m.Pong(node="bookshop", version="1.0.0", pid=child.pid, limpet="0.1.0")
            case m.StopNode():
                yield m.ProgressItem(text="stopping web.1")
                if ends:
                    yield m.Done(text="bookshop is stopped")
                    child.kill()
            case _:
                pass

    return script


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process_:
        yield process_
        process_.kill()


def test_stop_returns_when_the_nodes_pid_is_gone(child: "subprocess.Popen[bytes]") -> None:
    with open_shop(stopping(child, ends=True)) as (place, _):
        done = place.run("stop")
    assert (done.returncode, done.stdout) == (0, "bookshop stopped\n")
    assert child.wait(BOUND) == -signal.SIGKILL


def test_stop_gives_up_after_its_timeout(child: "subprocess.Popen[bytes]") -> None:
    with open_shop(stopping(child, ends=False)) as (place, _):
        done = place.run("stop", "--timeout", "50ms")
    assert done.returncode == 75
    assert child.poll() is None


def test_a_node_that_vanishes_while_it_stops_has_stopped() -> None:
    """Its last words may be lost with it: its pid tells."""
    with (
        shop() as place,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process_,
        FakeNode(f"{place.directory}/bookshop", stopping(process_, ends=False)) as node,  # type: ignore[arg-type]
        subprocess.Popen(
            place.arguments("stop"), stdout=subprocess.PIPE, env=place.environ, text=True
        ) as stop,
    ):
        node.wait_for(m.StopNode)
        process_.kill()
        node.stop()
        output, _ = stop.communicate(timeout=BOUND)
    assert (stop.returncode, output) == (0, "bookshop stopped\n")


def test_stop_without_a_node_says_so_and_exits_69() -> None:
    with shop() as place:
        done = place.run("stop")
    assert done.returncode == 69
    assert "bookshop is not running" in done.stderr


def test_restart_waits_for_the_node(bookshop: Shops) -> None:
    place, _ = bookshop
    done = place.run("restart")
    assert (done.returncode, done.stdout) == (0, "bookshop restarted\n")


@pytest.mark.parametrize("ok", [True, False])
def test_ctrl_c_ends_a_tool_of_ctl_with_what_there_is_by_then(ok: bool) -> None:
    def script(request: m.Request) -> Iterator[m.Item | m.Reply]:
        if isinstance(request, m.Evaluate):
            yield m.OutputItem(stream="stdout", text="a call\n")

    with (
        open_shop(script) as (place, node),
        subprocess.Popen(
            place.arguments("ctl", "trace", "web.1", "shop:price"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=place.environ,
            text=True,
        ) as command,
    ):
        assert command.stdout is not None
        assert command.stdout.readline() == "a call\n"
        command.send_signal(signal.SIGINT)
        node.wait_for(m.Cancel)
        reply = m.EvaluateReply(
            process="web.1", ok=ok, value="lines: 1", error="Interrupted", interrupted=True
        )
        node.say(node.wait_for(m.Evaluate), reply)
        shown = command.communicate(timeout=BOUND)
        assert (command.returncode, shown) == (130, ("lines: 1\n" if ok else "", ""))
