"""`limpet stacks`, `limpet profile` and the black box, on a real node."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet_supervisor.errors import LimpetError, NoSuchProcess, UsageError
from limpet_supervisor.runtime import procfs
from limpet_supervisor.wire import messages as m
from support.children import pid_of, process, python, shell, sleeps
from support.node import PYTHON, Node, running

COMPUTES = """
import re
def dear():
    return sum(range(20000))
print("up", flush=True)
while True:
    dear()
"""
STUCK = """
import re
def hopeless():
    re.match("(a+)+$", "a" * 64 + "b")
print("up", flush=True)
hopeless()
"""
FORKS = """
import os, time
def child_waits():
    time.sleep(1000)
if os.fork() == 0:
    child_waits()
print("up", flush=True)
os.wait()
"""
UP = 'ready = { log = "up" }\n'


@pytest.fixture(scope="module")
def made() -> Iterator[Node]:
    """A node that no test stops."""
    toml = (
        process("web", [PYTHON, "computes.py"], UP + "instances = 2\n")
        + process("forks", [PYTHON, "forks.py"], UP)
        + process("stuck", [PYTHON, "stuck.py"], UP + 'shutdown = "brutal_kill"\n')
        + sleeps("other")
    )
    files = {"computes.py": COMPUTES, "forks.py": FORKS, "stuck.py": STUCK}
    with running(toml, files=files) as there:
        yield there


def test_stacks_of_a_process_are_those_of_all_below_it(made: Node) -> None:
    done = made.limpet("stacks", "forks")
    assert (done.returncode, done.stderr) == (0, "")
    (pid,) = procfs.children(pid_of(made, "forks.1"))
    assert f"forks.1 (pid {pid_of(made, 'forks.1')}, sleeping): " in done.stdout
    assert f"forks.1/{pid} (pid {pid}, sleeping): " in done.stdout
    assert "\n    time.sleep(1000)\n" in done.stdout
    facts = json.loads(made.limpet("stacks", f"forks.1/{pid}", "--json").stdout)
    assert facts["schema"] == 1
    (alone,) = facts["processes"]
    assert (alone["process"], alone["pid"], alone["rung"]) == (f"forks.1/{pid}", pid, "agent")
    assert alone["stacks"][0]["frames"][-1]["function"] == "child_waits"


def test_a_stuck_process_has_stacks_and_says_which_way(made: Node) -> None:
    done = made.limpet("ctl", "stacks", "stuck")
    assert "not by agent: no answer within 2s" in done.stdout
    assert ", in hopeless\n" in done.stdout
    assert "re.match(" in done.stdout, "the source line"


def test_every_instance_is_looked_at(made: Node) -> None:
    with made.client() as client:
        reply = client.request(m.Stacks(name="web"), timeout=60)
    assert [each.process for each in reply.processes] == ["web.1", "web.2"]


@pytest.mark.parametrize(
    ("name", "error"), [("nobody", NoSuchProcess), ("web.1/1", NoSuchProcess), ("other", None)]
)
def test_names(made: Node, name: str, error: type[LimpetError] | None) -> None:
    with made.client() as client:
        if error is None:
            (found,) = client.request(m.Stacks(name=name), timeout=60).processes
            assert {lack.why for lack in found.lacks} == {"sleep is no Python"}
        else:
            with pytest.raises(error):
                client.request(m.Stacks(name=name), timeout=60)


def test_one_that_does_not_run_has_no_stacks() -> None:
    with running(sleeps("a") + sleeps("b")) as there:
        there.request(m.StopProcess(name="a"))
        done = there.limpet("stacks", "a")
    assert done.returncode == 1
    assert done.stderr == "limpet: a does not run. see limpet why a\n"


def test_a_profile_is_a_table_and_a_file(made: Node) -> None:
    done = made.limpet("profile", "web", "--seconds", "1", "-o", "graph.svg")
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("saved to graph.svg (svg)\n")
    head, _, columns, *rows = done.stdout.splitlines()
    assert head.startswith(f"web.1 (pid {pid_of(made, 'web.1')}): ")
    assert head.endswith("100 a second, by py-spy")
    assert columns.split() == ["SELF", "TOTAL", "FUNCTION", "FILE"]
    first = rows[0].split()
    assert first[2:] == ["dear", "computes.py"]
    assert float(first[0].rstrip("%")) > 50
    assert "<title>dear (computes.py) (" in (made.directory / "graph.svg").read_text()


def test_a_profile_in_the_console_and_by_ctl_is_saved_as_well(made: Node) -> None:
    done = made.limpet("remote", input=":profile web.1 1s -o c.svg\n:profile web.1 1s -o /nowhere/c.svg\n")
    assert "dear" in done.stdout
    assert "saved to c.svg (svg)\n" in done.stdout
    assert (made.directory / "c.svg").read_text().startswith("<?xml")
    assert done.stderr == "limpet: /nowhere/c.svg cannot be written. say -o with another FILE\n"
    facts = json.loads(made.limpet("ctl", "profile", "web.1", "1s", "-o", "c.json", "--json").stdout)
    assert facts["profiles"][0]["process"] == "web.1"
    assert json.loads((made.directory / "c.json").read_text())["profiles"][0]["type"] == "sampled"


def test_a_profile_goes_to_standard_output_in_a_format(made: Node) -> None:
    done = made.limpet("profile", "web.2", "--seconds", "1", "--format", "collapsed")
    stacks = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    assert any(stack.endswith(";dear (computes.py)") for stack in stacks)
    done = made.limpet("profile", "web.2", "--seconds", "1", "--format", "speedscope")
    (profile,) = json.loads(done.stdout)["profiles"]
    assert profile["name"] == f"web.2 (pid {pid_of(made, 'web.2')})"


def test_all_processes_of_a_name_are_profiled_together(made: Node) -> None:
    done = made.limpet("profile", "web", "--all", "--seconds", "1", "--format", "collapsed")
    assert {line.partition(";")[0] for line in done.stdout.splitlines()} == {"web.1", "web.2"}


def test_what_cannot_be_profiled_says_why(made: Node) -> None:
    done = made.limpet("profile", "other", "--seconds", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "limpet: other.1 cannot be profiled. sleep is no Python" in done.stderr
    done = made.limpet("profile", "web", "-o", "/nowhere/at/all.svg")
    assert "/nowhere/at/all.svg cannot be written" in done.stderr
    assert made.limpet("profile", "web", "--seconds", "0").returncode == 2
    with made.client() as client, pytest.raises(UsageError):
        client.request(m.Profile(name="web", rate=0.0))


def test_a_profile_ends_with_its_client(made: Node) -> None:
    def samplers() -> list[int]:
        children = procfs.children(made.pid, recursive=False)
        return [pid for pid in children if "py-spy record" in procfs.command(pid)]

    client = made.client()
    client.stream(m.Profile(name="web.1", seconds=600.0))
    made.wait_for(samplers)
    client.close()
    made.wait_for(lambda: not samplers())
    assert made.status()["web.1"].restarts == 0


def test_a_cancelled_profile_has_what_there_is_by_then(made: Node) -> None:
    with made.client() as client:
        stream = client.stream(m.Profile(name="web.1", seconds=600.0), timeout=60)
        next(item for item in stream if isinstance(item, m.ProgressItem))
        stream.cancel()
        (found,) = stream.reply().profiles
    assert found.samples > 0


def test_one_that_is_killed_while_stuck_in_c_has_its_stacks_in_the_black_box() -> None:
    stuck = python("stuck", STUCK, UP + 'shutdown = "100ms"\nstop_signal = "WINCH"\n')
    with running(stuck + shell("other", "sleep 1000")) as there:
        there.request(m.StopProcess(name="stuck"))
        death = there.request(m.Why(name="stuck.1")).deaths[0]
        box = Path(death.black_box or "").read_text()
    assert "by py-spy in " in box, box
    assert "in hopeless" in box
