"""The verbs and the console with a real node and its agents."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from support.node import BOUND, PYTHON, Node, node, running
from support.terminal import Terminal

SHOP = """
[processes.web]
command = ["python3", "app.py"]
ready = { log = "up" }

[processes.worker]
command = ["python3", "app.py"]
ready = { log = "up" }

[processes.sleep]
command = ["sleep", "1000"]
"""
APP = """
import time

class Shop:
    touched = 0

    @property
    def stock(self):
        Shop.touched += 1
        return 7

    def order(self, isbn, count=1):
        '''Orders some.'''
        return isbn, count

shop = Shop()
print("up", flush=True)
while True:
    time.sleep(1000)
"""
RELEASE = "def migrate():\n    print('migrated')\n    return 3\n"
FILES = {"app.py": APP, "release.py": RELEASE}


@pytest.fixture(scope="module")
def shop() -> Iterator[Node]:
    """A node that no test stops."""
    with running(SHOP, files=FILES) as made:
        yield made


def console(made: Node, *words: str) -> Terminal:
    """A console of that node."""
    home = made.directory / "home"
    home.mkdir(exist_ok=True)
    environ = {**made.environ, "HOME": str(home)}
    environ.pop("XDG_STATE_HOME", None)
    return Terminal([PYTHON, "-m", "limpet_shell", *words], environ, cwd=str(made.directory))


def test_status_shows_every_process(shop: Node) -> None:
    done = shop.limpet("status", "--json")
    facts = {each["name"]: each for each in json.loads(done.stdout)["processes"]}
    assert done.returncode == 0
    assert {name: each["agent"] for name, each in facts.items()} == {
        "web.1": "ready",
        "worker.1": "ready",
        "sleep.1": "none",
    }
    assert facts["sleep.1"]["agent_reason"]
    assert shop.limpet("pid").stdout == f"{shop.pid}\n"
    assert json.loads(shop.limpet("pid", "--json").stdout) == {"schema": 1, "name": "node", "pid": shop.pid}
    assert shop.limpet("version").stdout == "node 1.0.0\n"
    version = json.loads(shop.limpet("version", "--json").stdout)
    assert version == {"schema": 1, "name": "node", "version": "1.0.0"}


def test_rpc_evaluates_in_the_live_process(shop: Node) -> None:
    assert shop.limpet("rpc", "__import__('__main__').shop.order('x', count=2)").stdout == "('x', 2)\n"
    done = shop.limpet("rpc", "release:migrate", "--process", "worker")
    assert (done.stdout, done.returncode) == ("migrated\n3\n", 0)
    everywhere = shop.limpet("rpc", "--all", "--json", "__import__('os').environ['LIMPET_PROCESS']")
    assert [each["value"] for each in json.loads(everywhere.stdout)] == ["'web.1'", "'worker.1'"]


def test_rpc_that_takes_too_long_is_interrupted(shop: Node) -> None:
    done = shop.limpet("rpc", "--timeout", "100ms", "while True: pass")
    assert (done.returncode, done.stdout) == (75, "")
    assert "deadline" in done.stderr
    for words in (("--json",), ("--json", "--all")):
        done = shop.limpet("rpc", "--timeout", "100ms", *words, "while True: pass")
        answers = json.loads(done.stdout)
        assert done.returncode == 75
        assert all(each["timed_out"] for each in (answers if isinstance(answers, list) else [answers]))


def test_rpc_into_a_process_without_an_agent_says_why(shop: Node) -> None:
    done = shop.limpet("rpc", "--process", "sleep", "1")
    assert done.returncode == 1
    assert done.stderr.startswith("limpet: sleep has no agent. ")


def test_eval_starts_nothing_and_needs_no_node() -> None:
    with node(SHOP, files=FILES) as made:
        done = made.limpet("eval", "import sys; print(release.migrate(), sys.argv[1:])", "a", "b")
        assert (done.returncode, done.stdout) == (0, "migrated\n3 ['a', 'b']\n")
        failed = made.limpet("eval", "1/0")
        assert (failed.returncode, failed.stdout) == (1, "")
        assert "ZeroDivisionError" in failed.stderr
        assert made.limpet("status").returncode == 3


def test_eval_as_json_is_one_object_whatever_the_expression_prints() -> None:
    with node(SHOP, files=FILES) as made:
        done = made.limpet("eval", "--json", "print(release.migrate(), sys.argv[1:])", "--json")
        facts = {"schema": 1, "ok": True, "exit_code": 0, "stdout": "migrated\n3 ['--json']\n", "stderr": ""}
        assert (done.returncode, json.loads(done.stdout)) == (0, facts)
        failed = made.limpet("eval", "--json", "1/0")
        facts = json.loads(failed.stdout)
        assert (failed.returncode, facts["ok"], facts["exit_code"]) == (1, False, 1)
        assert facts["stderr"].endswith("ZeroDivisionError: division by zero\n")


def test_check_reports_all_problems_and_starts_nothing() -> None:
    broken = (
        SHOP + '[processes.gone]\ncommand = ["no-such-command"]\n[processes.bad]\nentry = "nowhere:main"\n'
    )
    with node(SHOP, files=FILES) as made:
        done = made.limpet("check", "--json")
        assert (done.returncode, json.loads(done.stdout)["processes"]) == (0, ["web", "worker", "sleep"])
    with node(broken, files=FILES) as made:
        done = made.limpet("check")
        assert done.returncode == 78
        assert "no-such-command" in done.stderr
        assert "nowhere" in done.stderr


def test_daemon_returns_when_all_is_ready_and_stop_when_all_is_gone() -> None:
    with node(SHOP, files=FILES) as made:
        started = made.limpet("daemon")
        assert started.returncode == 0, started.stderr
        assert made.limpet("health").returncode == 0
        assert made.limpet("restart").returncode == 0
        assert made.limpet("logs", "web", "-n", "1").stdout == "web.1 | up\n"
        stopped = made.limpet("stop")
        assert (stopped.returncode, stopped.stdout) == (0, "node stopped\n")
        assert made.descendants() == []
        assert made.limpet("logs", "web.1", "-n", "1").stdout == "up\n"


def test_daemon_that_does_not_come_up_says_why_and_leaves_nothing() -> None:
    broken = '[processes.web]\ncommand = ["python3", "-c", "print(7 * 6); exit(9)"]\nready = { log = "up" }\n'
    with node(broken) as made:
        done = made.limpet("daemon")
        assert done.returncode == 1
        assert "exit code 9" in done.stderr
        assert "  | 42" in done.stderr
        assert made.descendants() == []


def test_ctl_changes_the_running_node(shop: Node) -> None:
    assert shop.limpet("ctl", "scale", "sleep", "+1").stdout == "sleep has 2 instances\n"
    assert shop.limpet("ctl", "stop", "sleep.2").stdout == "sleep.2 is stopped\n"
    assert shop.limpet("status", "sleep").returncode == 3
    assert shop.limpet("ctl", "scale", "sleep", "1").returncode == 0
    added = shop.limpet("ctl", "add", "extra", 'command=["sleep", "1000"]', "restart=temporary")
    assert (added.returncode, added.stdout) == (0, "extra is added\n")
    again = shop.limpet("ctl", "add", "extra", 'command=["sleep", "1000"]')
    assert (again.returncode, again.stderr) == (2, "limpet: A process named extra is there already\n")
    assert shop.limpet("ctl", "signal", "KILL", "extra").returncode == 0
    assert shop.limpet("ctl", "remove", "extra").stdout == "extra is removed\n"
    assert shop.limpet("ctl", "restart", "sleep").stdout == "sleep is restarted\n"


def test_the_console_evaluates_in_the_live_process(shop: Node) -> None:
    with console(shop, "remote") as terminal:
        terminal.wait_for("web.1 [1]>")
        terminal.send("from __main__ import shop\rshop.order('x')\r")
        terminal.wait_for("('x', 1)")
        terminal.send("for k in range(3):\rprint('line', k * 100)\r\r")
        terminal.wait_for("line 200")
        terminal.send("1/0\r")
        terminal.wait_for("ZeroDivisionError: division by zero")
        terminal.send("def f(:\r")
        terminal.wait_for("SyntaxError")
        terminal.send("_[0] * 3\r")
        terminal.wait_for("'xxx'")
        terminal.send("\x04")
        assert terminal.wait() == 0
    assert shop.limpet("health").returncode == 0


def test_completion_and_signatures_come_from_the_process_and_run_none_of_its_code(shop: Node) -> None:
    with console(shop, "remote") as terminal:
        terminal.wait_for("web.1 [1]>")
        terminal.send("from __main__ import shop\rshop.sto\t")
        terminal.wait_for("> shop.stock")
        terminal.send("\x15shop.order(")
        terminal.wait_for("isbn, count=1")
        terminal.wait_for("Orders some.")
        terminal.send("\x15shop.touched\r")
        terminal.wait_for("\n0\n")


def test_ctrl_c_ends_an_endless_loop_and_not_the_application(shop: Node) -> None:
    with console(shop, "remote", "--process", "worker") as terminal:
        terminal.wait_for("worker.1 [1]>")
        before = shop.status("worker")["worker.1"].pid
        terminal.send("import itertools; print('beg' + 'ins'); any(0 for _ in itertools.count())\r")
        terminal.wait_for("begins")
        terminal.send("\x03")
        terminal.wait_for("worker.1 [2]>")
        terminal.send("40 + 2\r")
        terminal.wait_for("42")
    assert shop.status("worker")["worker.1"].pid == before


def test_the_console_goes_on_in_the_restarted_process() -> None:
    with running(SHOP, files=FILES) as made, console(made, "remote") as terminal:
        terminal.wait_for("web.1 [1]>")
        terminal.send("x = 1\r")
        terminal.wait_for("web.1 [2]>")
        pid = made.status("web")["web.1"].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        terminal.wait_for("was killed by SIGKILL")
        terminal.wait_for("the session's variables went with its process")
        terminal.send("__import__('os').getpid()\r")
        terminal.wait_for(f"\n{made.status('web')['web.1'].pid}\n")
        terminal.send("x\r")
        terminal.wait_for("NameError")


def test_a_project_s_start_up_file_brings_names() -> None:
    files = {**FILES, ".limpet.py": "from __main__ import shop\n"}
    with running(SHOP, files=files) as made, console(made, "remote") as terminal:
        terminal.wait_for("web.1 [1]>")
        terminal.send("shop.order(7)\r")
        terminal.wait_for("(7, 1)")


def test_start_iex_is_a_node_with_a_console_and_ends_with_it() -> None:
    with node(SHOP, files=FILES) as made, console(made, "start_iex") as terminal:
        terminal.wait_for("web.1 [1]>")
        assert "web.1    | up" in terminal.text
        assert "or :help; Ctrl-D stops the node." in terminal.text
        terminal.send(":help\r")
        terminal.wait_for("Ctrl-D stops the node and leaves.")
        terminal.send("6 * 7\r")
        terminal.wait_for("42")
        terminal.send(":ps\r")
        terminal.wait_for("3 of 3 ready")
        terminal.send("\x04")
        terminal.wait_for("node is stopped")
        assert terminal.wait() == 0
        assert made.descendants() == []


def test_daemon_iex_leaves_the_node_running() -> None:
    with node(SHOP, files=FILES) as made, console(made, "daemon_iex") as terminal:
        terminal.wait_for("web.1 [1]>")
        terminal.send("\x04")
        assert terminal.wait() == 0
        assert made.limpet("health").returncode == 0
        assert made.limpet("stop").returncode == 0


def test_start_iex_ends_when_its_node_does() -> None:
    with node(SHOP, files=FILES) as made, console(made, "start_iex") as terminal:
        terminal.wait_for("web.1 [1]>")
        made.limpet("stop")
        terminal.wait_for("node ended by itself, with exit code 0")
        assert terminal.wait() == 0


def test_start_iex_of_a_broken_configuration_shows_what_is_wrong() -> None:
    with node("[processes.web]\ncomand = 1\n") as made, console(made, "start_iex") as terminal:
        terminal.wait_for("comand")
        assert terminal.wait() == 78


def test_a_console_that_is_killed_takes_its_own_node_along() -> None:
    with node(SHOP, files=FILES) as made:
        with console(made, "start_iex") as terminal:
            terminal.wait_for("web.1 [1]>")
            pid = int(made.limpet("pid").stdout)
            pidfd = os.pidfd_open(pid)
            terminal.process.kill()
            terminal.process.wait(BOUND)
        import select

        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        assert poll.poll(BOUND * 1000)
        os.close(pidfd)
        assert made.descendants() == []


def test_start_iex_wants_a_terminal() -> None:
    with node(SHOP, files=FILES) as made:
        done = made.limpet("start_iex", stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert "start_iex wants a terminal" in done.stderr
