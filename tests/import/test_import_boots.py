"""Imported configurations run: what the other supervisor promised of its processes is kept."""

import json
import socket
import textwrap

import pytest

from limpet_shell.importing import formats, toml
from limpet_shell.importing.model import Source
from support.node import Node, node, running

ASLEEP = "import time; time.sleep(1000)"


def converted(name: str, written: str) -> str:
    """The limpet.toml, but for the node's name, which the test's node has itself."""
    source = Source(f"/nowhere/{name}", textwrap.dedent(written))
    text = toml.text(formats.FORMATS[formats.of(source)](source), name)
    return text.replace('name = "nowhere"\n', "")


def environ(made: Node, process: str) -> dict[str, str]:
    """The environment of a process."""
    pid = made.status(process)[process].pid
    with open(f"/proc/{pid}/environ", "rb") as file:
        return dict(item.split("=", 1) for item in file.read().decode().split("\0") if "=" in item)


def test_of_supervisord_numbered_processes_run_and_one_that_always_fails_ends_nothing() -> None:
    written = f"""
        [supervisord]
        environment = STAGE="live"
        [program:web]
        command = python3 -c '{ASLEEP}' %(process_num)d
        process_name = %(program_name)s-%(process_num)d
        numprocs = 2
        [program:bad]
        command = python3 -c 'raise SystemExit(1)'
        autorestart = true
        [program:off]
        command = python3 -c '{ASLEEP}'
        autostart = false
    """
    with node(converted("supervisord.conf", written)) as made:
        made.start().wait_event("exited", "bad.1", count=6)
        states = {name: status.state for name, status in made.status().items()}
        assert {name: states[name] for name in ("web-0.1", "web-1.1")} == {
            "web-0.1": "running",
            "web-1.1": "running",
        }
        assert not any(name.startswith("off.") for name in states)
        assert environ(made, "web-1.1")["STAGE"] == "live"
        assert made.limpet("ctl", "scale", "off", "1").returncode == 0
        made.wait_event("ready", "off.1")


def test_of_supervisord_a_fastcgi_process_has_the_socket_as_standard_input(tmp_path) -> None:
    path = f"/tmp/lp-{tmp_path.name[-20:]}.sock"
    accept = "import socket; s = socket.socket(fileno=0); c = s.accept()[0]; c.sendall(b'served'); c.close()"
    written = f"""
        [fcgi-program:php]
        command = python3 -c "{accept}"
        socket = unix://{path}
    """
    with running(converted("supervisord.conf", written)), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(path)
        assert client.recv(100) == b"served"


def test_of_a_procfile_the_release_comes_first() -> None:
    written = f"""
        web: python3 -c '{ASLEEP}'
        release: echo $STAGE && true
    """
    with running(converted("Procfile", written), environ={"STAGE": "live", "PORT": "1234"}) as made:
        events = made.limpet("events", "-n", "100").stdout
        assert events.index("release.1") < events.index("web.1")
        assert made.limpet("logs", "release").stdout.strip().endswith("live")
        assert environ(made, "web.1")["PORT"] == "1234"


def test_of_circus_instances_accept_on_the_nodes_socket() -> None:
    listen = "import socket; s = socket.socket(fileno=$(circus.sockets.web))"
    serve = f"{listen}; c = s.accept()[0]; c.sendall(b'served')"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    written = f"""
        [watcher:web]
        cmd = python3 -c "{serve}"
        use_sockets = True
        numprocesses = 2
        [socket:web]
        host = 127.0.0.1
        port = {port}
    """
    with running(converted("circus.ini", written)) as made:
        assert sorted(made.status()) == ["web.1", "web.2"]
        with socket.create_connection(("127.0.0.1", port), 30) as client:
            assert client.recv(100) == b"served"


def test_of_process_compose_the_shell_expands_and_dependencies_are_waited_for() -> None:
    written = f"""
        processes:
          first: {{command: "echo is $$GREETING", environment: ["GREETING=hello"]}}
          then:
            command: "python3 -c '{ASLEEP}'"
            depends_on: {{first: {{condition: process_completed_successfully}}}}
    """
    with running(converted("process-compose.yaml", written)) as made:
        assert made.limpet("logs", "first").stdout.strip().endswith("is hello")
        assert made.status("then.1")["then.1"].ready


def test_of_pm2_instances_have_ports_of_their_own(tmp_path) -> None:
    script = tmp_path / "app.py"
    script.write_text(ASLEEP)
    written = json.dumps(
        {"script": str(script), "instances": 2, "increment_var": "PORT", "env": {"PORT": 4000}}
    )
    with running(converted("ecosystem.json", written)) as made:
        assert [environ(made, f"app-{k}.1")["PORT"] for k in (0, 1)] == ["4000", "4001"]
        assert made.stop() == 0


@pytest.mark.parametrize("name", ["Procfile", "ecosystem.json"])
def test_a_source_is_named_in_what_is_made_of_it(name) -> None:
    written = "web: run" if name == "Procfile" else '{"script": "run"}'
    assert converted(name, written).startswith(f"# From {name}, by `limpet import`.")
