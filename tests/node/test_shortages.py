"""What the system is short of: processes, descriptors, space; and what must not be seen."""

import errno
import json
import os
import re
import shutil
import subprocess

import pytest

from limpet_supervisor.client import Client
from limpet_supervisor.wire import messages as m
from support.children import crash, keeps_diary, pid_of, process, python, shell, sleeps
from support.node import Node, node, running

requires_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
requires_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


def first_spawn(made: Node) -> int:
    """Which of the node's clones is its first spawn: those before it make threads."""
    trace = made.directory / "trace"
    made.through = ["strace", "-D", "-o", str(trace), "-e", "trace=clone3"]
    made.start().wait_ready()
    assert made.stop() == 0
    made.wait_for(lambda: "+++ exited" in trace.read_text())
    clones = [line for line in trace.read_text().splitlines() if "clone3(" in line]
    return next(k for k, line in enumerate(clones, 1) if "CLONE_VFORK" in line)


@requires_strace
@pytest.mark.parametrize("error", ["EAGAIN", "ENOMEM"])
def test_a_process_that_cannot_be_forked_is_tried_again_and_nobody_is_to_blame(error):
    with node("max_restarts = 0\n" + sleeps("a")) as made:
        inject = f"inject=clone3:error={error}:when={first_spawn(made)}"
        made.through = ["strace", "-D", "-o", "/dev/null", "-e", "trace=clone3", "-e", inject]
        made.start().wait_ready()
        assert os.strerror(getattr(errno, error)) in made.wait_event("start_failed", "a.1").text
        assert made.status()["a.1"].state == "running"
        assert made.stop() == 0


def test_a_node_without_descriptors_to_spare_goes_on():
    toml = "max_restarts = 0\n" + sleeps("a", "instances = 60")
    with node(toml) as made:
        made.through = ["prlimit", "--nofile=96"]
        made.start()
        made.wait_event("start_failed")
        up = {name for name, line in made.status().items() if line.state == "running"}
        assert up
        made.request(m.StopProcess(name=min(up)))
        assert made.stop() == 0


@requires_root
@pytest.mark.root
def test_a_full_disk_below_the_nodes_directory_stops_no_process():
    with node(sleeps("a") + sleeps("b")) as made:
        run = made.directory / "run"
        run.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", run], check=True)
        try:
            made.start().wait_ready()
            kept = pid_of(made, "b.1")
            filler = run / "filler"
            subprocess.run(["dd", "if=/dev/zero", f"of={filler}"], check=False, capture_output=True)
            crash(made, "a.1")
            made.wait_event("ready", "a.1", count=2)
            made.request(m.RestartProcess(name="a"))
            assert pid_of(made, "b.1") == kept
            assert made.status()["a.1"].state == "running"
            assert made.stop() == 0
        finally:
            subprocess.run(["umount", "-l", run], check=True)


def test_a_record_that_cannot_be_written_is_written_as_soon_as_it_can() -> None:
    """Without it, a successor would not know of the process."""
    with running(sleeps("a") + sleeps("b")) as made:
        records = made.directory / "run" / "node" / "processes"
        aside = records.with_name("aside")
        records.rename(aside)
        crash(made, "a.1")
        made.wait_event("exited", "a.1")
        pid = made.wait_pid("a.1")
        assert made.status("b").keys() == {"b.1"}  # answered a turn later: it has been tried
        aside.rename(records)
        record = records / "a.1.json"
        made.wait_for(lambda: record.exists() and json.loads(record.read_text())["pid"] == pid)


def test_a_black_box_that_cannot_be_written_keeps_no_process_alive():
    deaf = "trap '' TERM; echo up; while :; do sleep 1; done"
    with running(shell("a", deaf, 'shutdown = "100ms"\nready = { log = "up" }')) as made:
        (made.directory / "run" / "node" / "blackbox").write_text("in the way")
        made.request(m.StopProcess(name="a"))
        death = made.request(m.Why(name="a")).deaths[0]
        assert death.exit.signal == "SIGKILL"
        assert death.black_box is None


SECRET = "hunter2-is-not-to-be-seen"


def test_no_secret_is_in_arguments_status_events_logs_or_black_boxes():
    runtime = (
        "from limpet.config import config, env, secret\n"
        "config('shop', password=secret(env('SHOP_PASSWORD')))\n"
    )
    reads = """\
import signal, time
from limpet import config
assert len(config.get("shop", "password")) == 25
print(config.get("shop"))
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
while True:
    time.sleep(1)
"""
    toml = python("a", reads, 'shutdown = "100ms"\nready = { log = "up" }')
    files = {"config/runtime.py": runtime}
    with running(toml, files=files, environ={"SHOP_PASSWORD": SECRET, "RELEASE_COOKIE": SECRET}) as made:
        seen = [
            made.limpet(*verb).stdout
            for verb in (["status", "--json"], ["logs", "a"], ["tree"], ["why", "a"])
        ]
        for pid in [made.pid, *made.descendants()]:
            with open(f"/proc/{pid}/cmdline") as file:
                seen.append(file.read())
        made.request(m.StopProcess(name="a"))
        seen += [made.limpet("why", "a").stdout, made.limpet("events", "--json").stdout, made.output]
        made.stop()
        for directory, _, names in os.walk(made.run.path):
            for name in names:
                with open(os.path.join(directory, name), errors="replace") as file:
                    seen.append(file.read())
        assert not [text for text in seen if SECRET in text]
        assert any("up" in text for text in seen)


def test_a_background_node_returns_when_all_is_ready_and_writes_its_own_log():
    with node(keeps_diary("a", 'ready = { exec = ["test", "-e", "diary"] }')) as made:
        began = made.limpet("daemon")
        assert began.returncode == 0, began.stderr
        try:
            pid = int(re.search(r"pid (\d+)", began.stdout)[1])
            with Client(made.run.control) as client:
                assert client.request(m.Ping()).pid == pid
                assert client.request(m.Status()).processes[0].ready
        finally:
            assert made.limpet("stop").returncode == 0
        assert not made.descendants()
        assert "a.1 is ready" in (made.directory / "run" / "node" / "log" / "limpet.log").read_text()


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (
            shell("bad", "echo cannot reach the database; exit 3"),
            ["bad.1", "exit code 3", "cannot reach the database"],
        ),
        (process("bad", ["no-such-command"]), ["bad.1", "command not found: no-such-command"]),
        (
            shell(
                "bad",
                "echo waiting for a sign; exec sleep 1000",
                'ready = { log = "never", timeout = "200ms" }',
            ),
            ["bad.1", "not ready within 200ms", "waiting for a sign"],
        ),
    ],
    ids=["dies", "is not there", "is not ready"],
)
def test_a_background_node_that_does_not_come_up_says_why_and_leaves_nothing(bad, said):
    with node("max_restarts = 1\n" + keeps_diary("a") + bad) as made:
        failed = made.limpet("daemon")
        assert failed.returncode == 1
        assert failed.stdout == ""
        for text in said:
            assert text in failed.stderr
        assert not made.descendants()
        assert not os.path.exists(made.run.control)


def test_a_background_node_that_is_not_ready_in_time_is_stopped_again():
    with node(sleeps("a", 'ready = { exec = ["false"] }')) as made:
        failed = made.limpet("daemon", "--timeout", "1s")
        assert failed.returncode == 75
        assert not made.descendants()
