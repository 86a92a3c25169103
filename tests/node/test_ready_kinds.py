"""When a real process counts as ready, and when it no longer may run."""

import json
import os
import socket

import pytest

from limpet_supervisor.wire import messages as m
from support.children import diary, keeps_diary, pid_of, python, shell, sleeps
from support.node import node, running

NOTIFY = """\
import os, socket, time
while not os.path.exists("go"):
    time.sleep(0.01)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.sendto(b"READY=1\\nSTATUS=open for business", os.environ["NOTIFY_SOCKET"])
time.sleep(1000)
"""
LISTEN = """\
import os, socket, time
while not os.path.exists("go"):
    time.sleep(0.01)
with socket.create_server(("127.0.0.1", %d)) as s:
    time.sleep(1000)
"""
HTTP = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if os.path.exists("go") else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", %d), Handler).serve_forever()
"""
GROWS = """\
import os, time
if not os.path.exists("grown"):
    open("grown", "w").close()
    grown = b"x" * 80_000_000
print("up", flush=True)
time.sleep(1000)
"""
FIRST = {
    "notify": lambda _port: python("first", NOTIFY, 'ready = "notify"'),
    "tcp": lambda port: python("first", LISTEN % port, f'ready = {{ tcp = "127.0.0.1:{port}" }}'),
    "http": lambda port: python("first", HTTP % port, f'ready = {{ http = "http://127.0.0.1:{port}/" }}'),
    "log": lambda _port: shell(
        "first",
        'until [ -e go ]; do sleep 0.01; done; echo "serving on 1"; exec sleep 1000',
        'ready = { log = "^serving on [0-9]$" }',
    ),
    "exec": lambda _port: sleeps("first", 'ready = { exec = ["test", "-e", "go"] }'),
    "completed": lambda _port: shell(
        "first", "until [ -e go ]; do sleep 0.01; done", 'ready = "completed"\nrestart = "transient"'
    ),
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@pytest.mark.parametrize("kind", FIRST)
def test_what_is_after_a_process_starts_when_that_is_ready(kind):
    with node(FIRST[kind](free_port()) + keeps_diary("second", 'after = ["first"]')) as made:
        made.start()
        status = made.status()
        assert status["second.1"].state == "starting"
        assert status["second.1"].reason == "waits for first.1"
        assert not status["first.1"].ready
        (made.directory / "go").touch()
        made.wait_ready()
        made.wait_for(lambda: diary(made) == ["+second.1"])
        assert made.status()["first.1"].ready


def test_what_a_process_says_by_status_is_shown():
    with node(python("first", NOTIFY, 'ready = "notify"')) as made:
        (made.directory / "go").touch()
        made.start().wait_ready()
        assert made.status()["first.1"].reason == "open for business"


def test_a_process_with_a_long_name_says_that_it_is_ready_too() -> None:
    """Its socket's path would have more than 107 bytes: it is a short one elsewhere, and gone afterwards."""
    name = "first" * 18
    with node(python(name, NOTIFY, 'ready = "notify"'), files={"go": ""}) as made:
        made.start().wait_ready()
        directory = made.run.short
        assert [entry.partition("-")[0] for entry in os.listdir(directory)] == ["notify"]
        made.stop()
        assert os.listdir(directory) == []
        os.rmdir(directory)


def test_not_ready_in_time_is_boxed_stopped_and_counted():
    toml = "max_restarts = 0\n" + shell(
        "slow", "echo still at it; exec sleep 1000", 'ready = { log = "never", timeout = "200ms" }'
    )
    with node(toml) as made:
        made.start()
        assert made.wait() == 1
        assert "slow.1: not ready within 200ms" in made.output
        boxes = os.listdir(os.path.join(made.run.path, "blackbox"))
        assert len(boxes) == 1
        assert "still at it" in (made.directory / "run" / "node" / "blackbox" / boxes[0]).read_text()


def test_a_process_that_fails_its_liveness_check_is_restarted_and_why_says_so():
    check = 'liveness = { exec = ["test", "!", "-e", "sick"], every = "50ms", failures = 2 }'
    with running(sleeps("a", check)) as made:
        pid = pid_of(made, "a.1")
        (made.directory / "sick").touch()
        made.wait_event("fault", "a.1")
        (made.directory / "sick").unlink()
        made.wait_event("ready", "a.1", count=2)
        death = made.request(m.Why(name="a")).deaths[0]
        assert death.pid == pid
        assert death.cause.startswith("liveness check failed")
        assert death.black_box is not None


def test_a_process_above_its_max_memory_is_restarted():
    with running(python("a", GROWS, 'max_memory = "64MiB"\nready = { log = "up" }')) as made:
        assert "above max_memory of 64.0 MiB" in made.wait_event("fault", "a.1").text
        made.wait_event("ready", "a.1", count=2)
        assert made.request(m.Why(name="a")).deaths[0].black_box is not None


def test_a_process_that_reaches_its_max_age_is_restarted_and_that_is_no_failure():
    with running("max_restarts = 0\n" + sleeps("a", 'max_age = "200ms"')) as made:
        assert made.wait_event("exited", "a.1", count=2).text.endswith("reached max_age")
        assert made.process.poll() is None


def test_a_task_that_fails_to_complete_ends_the_node_and_starts_nothing_after_it():
    task = shell("migrate", "echo no such table; exit 2", 'ready = "completed"\nrestart = "transient"')
    with node("max_restarts = 1\n" + task + keeps_diary("web", 'after = ["migrate"]')) as made:
        made.start()
        assert made.wait() == 1
        assert diary(made) == []
        assert made.output.count("no such table") == 2


def test_readiness_is_in_the_contract_of_status():
    with node(sleeps("first", 'ready = { exec = ["false"] }')) as made:
        made.start()
        made.client().close()
        shown = json.loads(made.limpet("status", "--json").stdout)
        assert shown["node"]["state"] == "starting"
        assert shown["processes"][0]["ready"] is False
        assert shown["processes"][0]["state"] == "starting"
