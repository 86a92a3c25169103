"""Processes below a supervised one that have agents, such as a server's workers: asked, named, gone to."""

import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from support.node import PYTHON, Node, running
from support.terminal import Terminal

SERVER = """
[processes.web]
command = ["python3", "server.py"]
ready = { log = "up" }
"""
APP = """
import os, time
from multiprocessing import resource_tracker

resource_tracker.ensure_running()
role = "main"
for _ in range(2):
    if not os.fork():
        role = "worker"
        break
else:
    print("up", flush=True)
while True:
    time.sleep(1000)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Node]:
    """A server with two workers, and a resource tracker of multiprocessing's."""
    with running(SERVER, files={"server.py": APP}) as made:
        # Each has said hello before it goes on; the node may hear it a moment later.
        made.wait_for(lambda: len(made.status()["web.1"].agents) == 3)
        yield made


def workers(made: Node) -> list[str]:
    """Names of the two workers."""
    return [name for name in made.status()["web.1"].agents if "/" in name]


def console(made: Node, *words: str) -> Terminal:
    """A console of that node."""
    return Terminal([PYTHON, "-m", "limpet_shell", *words], made.environ, cwd=str(made.directory))


def test_the_main_process_is_named_first_and_multiprocessing_s_own_not_at_all(server: Node) -> None:
    main, *rest = server.status()["web.1"].agents
    tree = json.loads(server.limpet("tree", "--json").stdout)["tree"]
    members = {each["pid"]: each["agent"] for each in tree["children"][0]["members"]}
    assert main == "web.1"
    assert rest == [f"web.1/{pid}" for pid, agent in sorted(members.items()) if agent == "ready"]
    assert sorted(members.values()) == ["helper", "ready", "ready"]


def test_rpc_all_asks_the_workers_too(server: Node) -> None:
    done = server.limpet("rpc", "--all", "--json", "__import__('__main__').role")
    answers = {each["process"]: each["value"] for each in json.loads(done.stdout)}
    assert answers == {"web.1": "'main'", **dict.fromkeys(workers(server), "'worker'")}


def test_all_in_a_pipe_asks_the_workers_too(server: Node) -> None:
    done = server.limpet("remote", input=":all __import__('os').getpid()\n")
    lines = done.stdout.splitlines()
    assert lines[1:] == [f"{name}: {name.partition('/')[2]}" for name in workers(server)], done.stderr


def test_all_of_one_process_asks_its_workers_and_puts_equal_answers_together(server: Node) -> None:
    first, second = workers(server)
    done = server.limpet("remote", input=":all web __import__('__main__').role\n")
    assert done.stdout == f"web.1: 'main'\n{first}, {second}: 'worker'\n"
    done = server.limpet("rpc", "--all", "--process", "web", "__import__('__main__').role")
    assert done.stdout == f"web.1: 'main'\n{first}, {second}: 'worker'\n"


def test_the_console_says_which_workers_there_are_and_goes_there(server: Node) -> None:
    first, second = workers(server)
    with console(server, "remote") as terminal:
        terminal.wait_for(f"2 processes below web.1 have agents: :use {first}, {second}")
        terminal.wait_for("web.1 [1]>")
        terminal.send(":all __import__('__main__').role\r")
        terminal.wait_for(f"{first}, {second}: 'worker'")
        terminal.send(f":use {first}\r")
        terminal.wait_for(f"{first} [1]>")
        assert terminal.text.count("below web.1 have agents") == 1
        terminal.send("__import__('os').getpid()\r")
        terminal.wait_for(f"\n{first.partition('/')[2]}\n")


def test_bash_completes_the_workers_where_a_process_with_an_agent_is_meant(server: Node) -> None:
    script = f"""
limpet() {{ {PYTHON} -m limpet_shell "$@"; }}
eval "$(limpet completion bash)"
for verb in rpc remote; do
  COMP_WORDS=(limpet $verb --process web.1/); COMP_CWORD=3
  _limpet_complete
  printf '%s\\n' "${{COMPREPLY[@]}}"
done
"""
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **server.environ},
        cwd=server.directory,
    )
    assert done.stdout.split() == workers(server) * 2
