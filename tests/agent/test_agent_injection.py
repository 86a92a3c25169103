"""Which processes carry an agent, and that carrying one changes nothing else."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.agent import SOURCES, Daemon, until

CLEAN = (0, "", "")


@pytest.mark.parametrize(
    "arguments",
    [("-c", "pass"), ("-m", "this_app"), ("this_app.py",), ("-s", "-c", "pass"), ("-X", "dev", "-c", "pass"),
     ("-W", "error", "-c", "pass"), ("-P", "-c", "pass"), ("-u", "this_app.py")],
    ids=" ".join,
)  # fmt: skip
def test_every_way_to_start_python_carries_an_agent_and_prints_nothing(node: Daemon, arguments) -> None:
    (node.directory / "this_app.py").write_text("")
    child = node.start(*arguments)
    hello = node.accept().hello
    assert (hello.pid, hello.process, hello.forked_from, hello.role) == (child.pid, "web.1", 0, "process")
    assert hello.argv[1:] == arguments
    assert child.finish() == CLEAN


def test_hello_names_the_python_and_carries_any_argument(node: Daemon) -> None:
    odd = ["-c", "import sys; print(sys.version.split()[0])", 'a"b\\c\n\té', "x" * 50_000, "never told"]
    child = node.start(*odd)
    hello = node.accept().hello
    assert child.finish() == (0, hello.python + "\n", "")
    assert hello.argv[3] == odd[2]
    assert hello.argv[4] == "x" * len(hello.argv[4])
    assert 3000 < len(hello.argv[4]) < 4000
    assert len(hello.argv) == 5


def test_without_a_socket_the_agent_is_off(node: Daemon) -> None:
    child = node.start(
        "-c", "import sys; print('limpet.agent' in sys.modules)", environment={"LIMPET_AGENT": ""}
    )
    assert child.finish()[0] == 0
    environment = {key: value for key, value in node.environment.items() if key != "LIMPET_AGENT"}
    found = subprocess.run(
        [node.python, "-c", "import sys; print('limpet.agent' in sys.modules)"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout == "False\n"


def test_without_a_daemon_the_application_runs_as_if_alone(node: Daemon) -> None:
    node.vanish()
    assert node.start("-c", "print('works')").finish() == (0, "works\n", "")


def test_nothing_but_c_modules_is_imported(node: Daemon) -> None:
    source = """
import sys
for name in ("threading", "socket", "json", "logging", "typing", "select", "asyncio", "subprocess", "re"):
    if name in sys.modules:
        print(name)
"""
    without = node.code(source, environment={"PYTHONPATH": ""}).finish()
    child = node.code(source)
    node.accept()
    assert child.finish() == without


def test_the_application_still_counts_one_thread(node: Daemon) -> None:
    child = node.start("-c", "import threading; print(threading.active_count())")
    node.accept()
    assert child.finish() == (0, "1\n", "")


def test_children_of_every_kind_dial_for_themselves(node: Daemon) -> None:
    """os.fork twice over, subprocess, multiprocessing by fork and by spawn: each says whose fork it is."""
    child = node.code("""
import multiprocessing, os, subprocess, sys
def nothing():
    sys.stdin.close()
def main():
    if not os.fork():
        if not os.fork():
            os._exit(0)
        os.wait()
        os._exit(0)
    os.wait()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    for method in ("fork", "spawn"):
        process = multiprocessing.get_context(method).Process(target=nothing)
        process.start()
        process.join()
        assert process.exitcode == 0
    print(os.getpid())
if __name__ == "__main__":
    main()
""")
    hellos = [node.accept().hello for _ in range(7)]
    assert child.finish() == (0, f"{child.pid}\n", "")
    pids = {hello.pid for hello in hellos}
    assert len(pids) == 7
    forks = [hello for hello in hellos if hello.forked_from]
    assert [hello.forked_from == child.pid for hello in forks].count(True) == 2
    assert all(hello.forked_from in pids for hello in forks)
    assert len(forks) == 3
    assert sum(hello.role == "helper" for hello in hellos) == 1
    assert sum(hello.ppid == child.pid for hello in hellos) == 5


def test_a_forkserver_is_a_helper_and_its_children_are_not(node: Daemon) -> None:
    child = node.code("""
import multiprocessing
def nothing():
    pass
if __name__ == "__main__":
    process = multiprocessing.get_context("forkserver").Process(target=nothing)
    process.start()
    process.join()
""")
    hellos = [node.accept().hello for _ in range(4)]
    assert child.finish() == CLEAN
    assert sorted(hello.role for hello in hellos) == ["helper", "helper", "process", "process"]


def test_no_process_is_lost_by_a_later_setuid(node: Daemon) -> None:
    """The agent has dialled before the application's first line, so privileges may go at once."""
    if os.geteuid() != 0:
        pytest.skip("only root can give up being root")
    os.chmod(node.directory, 0o700)
    child = node.code("""
import os
if os.fork():
    os.wait()
os.setuid(65534)
""")
    assert {node.accept().hello.forked_from, node.accept().hello.forked_from} == {0, child.pid}
    assert child.finish() == CLEAN


def test_closing_all_descriptors_loses_the_application_nothing(node: Daemon) -> None:
    """The agent notices that its number is not its own any more, leaves it alone, and dials again."""
    child = node.code("""
import os, sys
ours = [int(fd) for fd in os.listdir("/proc/self/fd")]
number = max(fd for fd in ours if fd >= 900)
os.closerange(3, 2048)
reader, writer = os.pipe()
os.dup2(reader, number)
os.write(writer, b"precious")
print("closed", flush=True)
sys.stdin.readline()
print(os.read(number, 100).decode())
""")
    first = node.accept()
    assert child.hear() == "closed"
    with contextlib.suppress(BrokenPipeError):  # it may have noticed already
        first.load()  # whoever reads this now must not touch the pipe
    assert first.closed()
    second = node.accept().load()
    assert second.hello.pid == child.pid
    assert second.value("1 + 1") == "2"
    assert child.finish(b"\n") == (0, "precious\n", "")


def test_its_descriptors_are_high_and_not_inherited(node: Daemon) -> None:
    """A socket, and the file in memory for stacks."""
    child = node.code("""
import os, subprocess, sys
links = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if int(fd) >= 900]
print(*sorted(link.partition(":")[0] for link in links))
listed = subprocess.run(["/bin/ls", "/proc/self/fd"], capture_output=True, text=True, close_fds=False)
print(listed.stdout.split())
""")
    node.accept()
    code, out, err = child.finish()
    assert (code, err) == (0, "")
    kinds, listed = out.splitlines()
    assert kinds == "/memfd socket"
    assert "90" not in listed


def test_a_signal_that_the_application_waits_for_still_reaches_it(node: Daemon) -> None:
    """Were signals not blocked in the agent's thread, SIGTERM would arrive there and kill the process."""
    child = node.code("""
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("waiting", flush=True)
print("got", int(signal.sigwait({signal.SIGTERM})))
""")
    node.accept()
    assert child.hear() == "waiting"
    child.process.send_signal(signal.SIGTERM)
    assert child.finish() == (0, "got 15\n", "")


@pytest.mark.parametrize(
    ("source", "code"),
    [("import sys; sys.exit(7)", 7), ("raise SystemExit", 0), ("import os; os._exit(9)", 9),
     ("import os; os.kill(os.getpid(), 15)", -15), ("import os; os.abort()", -6),
     ("import atexit; atexit.register(print, 'last')", 0), ("1/0", 1),
     ("import os; os.kill(os.getpid(), 2)", -2)],
)  # fmt: skip
def test_exit_code_and_output_are_as_without_an_agent(node: Daemon, source: str, code: int) -> None:
    without = node.start("-c", source, environment={"PYTHONPATH": ""}).finish()
    child = node.start("-c", source)
    node.accept()
    assert child.finish() == without
    assert without[0] == code


FORKING = "import os\nif os.fork():\n    os.wait()\n"


def test_a_fork_beside_the_idle_agent_gives_no_warning(node: Daemon) -> None:
    child = node.code(FORKING, "-W", "error")
    node.accept()
    node.accept()
    assert child.finish() == CLEAN


def test_a_fork_beside_threads_of_the_application_still_warns(node: Daemon) -> None:
    source = "import threading\nevent = threading.Event()\nthreading.Thread(target=event.wait).start()\n"
    child = node.code(source + FORKING + "event.set()\n", "-W", "always")
    node.accept()
    code, out, err = child.finish()
    assert (code, out) == (0, "")
    if "3.11" not in node.accept().hello.python:
        assert "use of fork() may lead to deadlocks" in err


def test_a_new_daemon_is_dialled_when_the_old_one_is_gone(node: Daemon) -> None:
    child = node.start("-c", "input()")
    old = node.accept().load()
    assert old.value("x = 1; 2") == "2"
    node.vanish()
    node.listen()
    new = node.accept().load()
    assert new.hello.pid == child.pid
    assert new.value("3") == "3"
    assert child.finish(b"\n") == CLEAN


def test_a_process_that_started_without_a_daemon_finds_it_later(node: Daemon) -> None:
    node.vanish()
    child = node.start("-c", "print('up', flush=True); input()")
    assert child.hear() == "up"
    node.listen()
    assert node.accept().hello.pid == child.pid
    assert child.finish(b"\n") == CLEAN


def test_a_child_of_a_fork_gets_a_stage_1_of_its_own(node: Daemon) -> None:
    child = node.code(
        """
import os, sys
print("up", flush=True)
sys.stdin.readline()
pid = os.fork()
sys.stdin.readline()
if pid:
    os.waitpid(pid, 0)
""",
        "-W",
        "ignore",
    )  # the evaluation's thread may still be ending
    assert child.hear() == "up"
    parent = node.accept().load()
    parent.evaluate("x = 'the parent'")
    child.say("")
    fork = node.accept()
    assert fork.hello.forked_from == child.pid
    fork.load()
    assert not fork.evaluate("x")[0].ok
    assert fork.value("__import__('os').getpid()") == str(fork.hello.pid)
    assert parent.value("x") == "'the parent'"
    child.say("\n")
    assert child.finish() == CLEAN


def test_a_bundle_that_does_not_load_is_told(node: Daemon) -> None:
    from limpet_supervisor.wire import agent as wire

    child = node.start("-c", "input()")
    peer = node.accept()
    peer.socket.sendall(wire.bundle((wire.Module("bad", "x ="),)))
    assert "stage 1 does not load: SyntaxError" in peer.answer(0).error
    assert "stage 1 does not load: SyntaxError" in peer.ask("ping").error
    peer.load()
    assert peer.value("1") == "1"
    assert child.finish(b"\n") == CLEAN


def test_an_agent_whose_standard_library_is_out_of_reach_says_so(node: Daemon) -> None:
    """In a chroot, or as another user: it stays, and answers each request."""
    child = node.code("""
import sys
sys.path.clear()
sys.path_importer_cache.clear()
sys.modules.pop("json", None)
print("up", flush=True)
sys.stdin.readline()
""")
    peer = node.accept()
    assert child.hear() == "up"
    peer.load()
    for _ in range(2):
        assert peer.ask("ping").error == "stage 1 does not load: ModuleNotFoundError: No module named 'json'"
    assert child.finish(b"\n") == CLEAN


def test_garbage_from_the_daemon_ends_the_connection_only(node: Daemon) -> None:
    child = node.start("-c", "input()")
    peer = node.accept()
    peer.socket.sendall(b"\xff" * 8)
    assert peer.closed()
    assert node.accept().hello.pid == child.pid
    assert child.finish(b"\n") == CLEAN


def test_an_idle_agent_never_wakes(node: Daemon) -> None:
    child = node.start("-c", "print('up', flush=True); input()")
    peer = node.accept().load()
    assert child.hear() == "up"
    assert peer.ask("ping").re == "pong"

    def switches() -> list[str]:
        found = []
        for task in Path(f"/proc/{child.pid}/task").iterdir():
            if int(task.name) != child.pid:
                found += [line for line in (task / "status").read_text().splitlines() if "voluntary" in line]
        return found

    until(lambda: all(_state(task) == "S" for task in Path(f"/proc/{child.pid}/task").iterdir()), "sleep")
    before = switches()
    beside = node.start("-c", "import time; time.sleep(0.5)")
    node.accept()
    assert beside.finish() == CLEAN
    assert switches() == before


def _state(task: Path) -> str:
    return (task / "stat").read_text().rsplit(")", 1)[1].split()[0]


SITE = "print('mine')\n"


def _shadowed(node: Daemon, source: str) -> tuple[int, str, str]:
    """A process whose own sitecustomize.py is `source`, behind ours on PYTHONPATH."""
    mine = node.directory / "mine"
    mine.mkdir()
    (mine / "sitecustomize.py").write_text(source)
    path = f"{node.environment['PYTHONPATH']}:{mine}"
    program = "import sitecustomize, sys; print(sitecustomize.__file__, sys.path[1:3])"
    child = node.start("-c", program, environment={"PYTHONPATH": path})
    node.accept()
    return child.finish()


def test_the_applications_own_sitecustomize_runs_and_is_the_module(node: Daemon) -> None:
    code, out, err = _shadowed(node, SITE)
    mine = node.directory / "mine"
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "mine"
    assert out.splitlines()[1] == f"{mine / 'sitecustomize.py'} {[node.environment['PYTHONPATH'], str(mine)]}"


@pytest.mark.parametrize("source", ["import nosuchmodule", "1/0"])
def test_an_error_in_the_applications_sitecustomize_surfaces_as_before(node: Daemon, source: str) -> None:
    _code, _out, err = _shadowed(node, source)
    assert "Error in sitecustomize" in err
    assert source.rsplit(maxsplit=1)[-1].strip("1/0") in err


FOREIGN = sorted(
    path
    for minor in ("2.7", "3.6", "3.7", "3.8", "3.9", "3.10")
    for path in (Path.home() / ".pyenv/versions").glob(f"{minor}.*/bin/python")
)


@pytest.mark.skipif(not FOREIGN, reason="no older Python is here")
@pytest.mark.parametrize("python", FOREIGN, ids=lambda path: path.parents[1].name)
def test_a_foreign_python_runs_the_file_in_silence(tmp_path: Path, python: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("print('own')\n")
    environment = {
        "PYTHONPATH": f"{SOURCES / 'inject'}:{own}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LIMPET_AGENT": str(tmp_path / "none.sock"),
    }
    found = subprocess.run(
        [python, "-c", "print('app')"], env=environment, capture_output=True, text=True, check=True
    )
    assert (found.stdout, found.stderr) == ("own\napp\n", "")


def test_the_injected_file_is_ascii_and_has_no_newer_syntax() -> None:
    """Python 2.7 reads it as ASCII; newer syntax would be an error on a stranger's stderr."""
    import ast

    text = (SOURCES / "inject" / "sitecustomize.py").read_bytes().decode("ascii")
    tree = ast.parse(text)
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.arg)]
    assert sys.version_info >= (3, 11)
