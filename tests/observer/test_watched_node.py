"""What a real node tells those who watch it."""

import os
import socket
from collections.abc import Iterator

import pytest

from limpet_supervisor.errors import NoSuchProcess
from limpet_supervisor.wire import messages as m
from support.node import PYTHON, Node, running

HOLDER = """
import socket, sys, time
listening = socket.create_server(("127.0.0.1", 0))
near = socket.create_connection(listening.getsockname())
file = open(sys.argv[1], "w")
print("holding", listening.getsockname()[1], flush=True)
time.sleep(1000)
"""


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    toml = f"""
[processes.web]
command = ["{PYTHON}", "holder.py", "held.txt", "--token", "hunter2"]
env = {{ API_KEY = "hunter2", DATABASE_URL = "postgres://shop:hunter2@db/shop", MODE = "test" }}
ready = {{ log = "holding" }}
[processes.shell]
command = ["sh", "-c", "sleep 1000; true"]
"""
    with running(toml, files={"holder.py": HOLDER}) as made:
        yield made


def test_the_system_is_the_node_its_host_and_their_limits(node: Node) -> None:
    reply: m.SystemReply = node.request(m.System())
    assert reply.own.pid == node.pid
    assert reply.own.memory > 1 << 20
    assert reply.host.cpus == len(os.sched_getaffinity(0))
    assert 0 < reply.host.available <= reply.host.memory
    assert 0 < reply.host.busy < reply.host.passed
    limits = {each.name: each for each in reply.limits}
    assert 0 < limits["memory of the host"].share < 1
    assert limits["descriptors of the node"].used > 5
    assert any(name.startswith("disk of ") for name in limits)


def test_a_sample_has_the_figures_of_every_process_with_its_children(node: Node) -> None:
    reply: m.SampleReply = node.request(m.Sample())
    assert [each.name for each in reply.figures] == ["web.1", "shell.1"]
    web, shell = reply.figures
    assert (web.processes, shell.processes) == (1, 2)
    assert web.fds is not None
    assert web.fds >= 6
    assert web.memory
    assert web.threads
    assert web.fds_limit
    assert web.written >= len("holding 1\n")
    again: m.SampleReply = node.request(m.Sample())
    assert (again.at, again.figures) == (reply.at, reply.figures), "it is taken once a second at most"


def test_the_detail_of_a_process_has_its_files_sockets_and_spec(node: Node) -> None:
    reply: m.DetailReply = node.request(m.InDetail(name="web"))
    detail = reply.detail
    assert reply.process.name == "web.1"
    assert any(each.target.endswith("/held.txt") and each.kind == "file" for each in detail.files)
    listening = next(each for each in detail.connections if each.state == "listening")
    near = next(each for each in detail.connections if each.remote == listening.local)
    assert (near.protocol, near.state) == ("tcp", "established")
    assert listening.queued == 1
    assert detail.spec["shutdown"] == "10s"
    assert detail.cwd == str(node.directory)
    assert detail.started_at is not None


def test_no_secret_leaves_the_node(node: Node) -> None:
    detail = node.request(m.InDetail(name="web.1")).detail
    assert detail.environ["API_KEY"] == detail.spec["env"]["API_KEY"] == "***"
    assert detail.environ["DATABASE_URL"] == "postgres://shop:***@db/shop"
    assert detail.environ["MODE"] == "test"
    assert detail.command[-2:] == ("--token", "***")
    assert "hunter2" not in repr(detail)


def test_the_detail_of_a_process_that_does_not_run_is_what_is_known(node: Node) -> None:
    with pytest.raises(NoSuchProcess):
        node.request(m.InDetail(name="nobody"))


def test_a_shell_is_told_of_as_one_that_cannot_be_looked_into(node: Node) -> None:
    node.wait_for(lambda: any(each.process for each in node.request(m.Lints()).findings))
    findings = [each for each in node.request(m.Lints()).findings if each.process]
    assert [(each.rule, each.process) for each in findings] == [("no_agent", "shell.1")]


def test_connections_that_nobody_accepts_are_counted_at_the_nodes_sockets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    toml = f'[sockets.http]\nbind = "127.0.0.1:{port}"\n[processes.idle]\ncommand = ["sleep", "1000"]\n'
    with running(toml) as node, socket.create_connection(("127.0.0.1", port)):
        (listening,) = node.request(m.System()).sockets
    assert (listening.name, listening.bind, listening.waiting) == ("http", f"127.0.0.1:{port}", 1)
    assert listening.backlog > 0


def test_ctl_says_what_is_wrong_and_what_to_do(node: Node) -> None:
    node.wait_for(lambda: bool(node.request(m.Lints()).findings))
    done = node.limpet("ctl", "lints")
    assert done.returncode == 0
    assert "i shell.1: no agent: " in done.stdout
    assert '"rule":"no_agent"' in node.limpet("ctl", "lints", "--json").stdout


def test_a_process_that_is_stopped_by_a_signal_is_found(node: Node) -> None:
    node.request(m.Signal(name="shell", signal="STOP"))
    try:
        node.wait_for(lambda: any(each.rule == "halted" for each in node.request(m.Lints()).findings))
    finally:
        node.request(m.Signal(name="shell", signal="CONT"))
    node.wait_for(lambda: not any(each.rule == "halted" for each in node.request(m.Lints()).findings))
