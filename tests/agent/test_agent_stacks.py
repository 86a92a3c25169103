"""The agent's part in stacks by a signal: ready in every process, and never in the application's way."""

import contextlib
import errno
import os
from collections.abc import Iterator

import pytest

from limpet_supervisor.runtime import faults, threads
from support.agent import Daemon, until
from support.loop import loop

NUMBER = int(faults.SIGNAL)


@contextlib.contextmanager
def file_of(pid: int) -> Iterator[bytes]:
    """What the file has that the process's agent keeps for its stacks; empty without one."""
    file = faults.open_file(pid)
    if file < 0:
        yield b""
        return
    with open(file, "rb") as opened:
        yield opened.read()


def is_ready(pid: int) -> bool:
    with file_of(pid) as text:
        return text.startswith(b"%d " % pid)


def dumped(pid: int) -> tuple[list[str], str]:
    """The innermost functions of its threads, main thread's first; why there are none."""
    found: list[tuple] = []
    with loop() as made:
        faults.Faults(made.reactor, pid, lambda *answer: found.append(answer))
        made.until(lambda: found)
    stacks, why = found[0]
    return [stack.frames[-1].function for stack in stacks if stack.frames], why


def test_a_process_has_its_stacks_written_as_often_as_asked(node: Daemon) -> None:
    child = node.code("def work():\n    print('works', flush=True)\n    input()\nwork()")
    node.accept()
    assert child.hear() == "works"
    until(lambda: is_ready(child.pid), "the arming of its agent")
    for _ in range(3):
        functions, why = dumped(child.pid)
        assert (functions[0], why) == ("work", "")
        with file_of(child.pid) as text:
            assert text.count(b"\n") == 1, "what was read is given back"
    assert child.finish(b"\n")[0] == 0


def test_the_signal_is_handled_in_the_agents_thread_only(node: Daemon) -> None:
    child = node.start("-c", "input()")
    node.accept()
    until(lambda: is_ready(child.pid), "the arming of its agent")
    with file_of(child.pid) as text:
        thread = int(text.split()[1])
    assert thread != child.pid
    assert threads.handles(child.pid, NUMBER, thread)
    assert child.finish(b"\n")[0] == 0


def test_the_child_of_a_fork_has_a_file_of_its_own(node: Daemon) -> None:
    child = node.code("""
import os
input()
pid = os.fork()
if pid == 0:
    def in_the_child():
        print("forked", os.getpid(), flush=True)
        input()
        os._exit(0)
    in_the_child()
os.waitpid(pid, 0)
""")
    node.accept()
    until(lambda: is_ready(child.pid), "the arming of its agent")
    child.say("fork")
    forked = int(child.hear().split()[1])
    until(lambda: is_ready(forked), "the arming of the child's agent")
    links = [os.readlink(f"/proc/{forked}/fd/{fd}") for fd in os.listdir(f"/proc/{forked}/fd")]
    assert sum("limpet-stacks" in link for link in links) == 1, "its parent's is closed in it"
    assert dumped(forked)[0][0] == "in_the_child"
    with file_of(child.pid) as text:
        assert text.count(b"\n") == 1, "its parent's has got nothing of that"
    assert child.finish(b"\n")[0] == 0


def test_an_application_that_has_the_signal_keeps_it(node: Daemon) -> None:
    child = node.code("""
import os, signal
got = []
signal.signal(signal.SIGRTMAX - 2, lambda *_: got.append(1))
print("has it", flush=True)
input()
os.kill(os.getpid(), signal.SIGRTMAX - 2)
print(got, flush=True)
input()
""")
    peer = node.accept()
    assert child.hear() == "has it"
    peer.load().ask("ping")  # the agent looks each time that it wakes
    until(lambda: faults.open_file(child.pid) < 0, "the closing of the agent's file")
    assert "no handler" in dumped(child.pid)[1]
    child.say("")
    assert child.hear() == "[1]"
    assert child.finish(b"\n")[0] == 0


def test_one_that_may_wait_for_the_signal_has_no_handler(node: Daemon) -> None:
    """As a child whose parent blocks it: sigwait must get what is meant for it."""
    child = node.start(
        "-c",
        "import os, signal, sys\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMAX - 2])\n"
        "os.execv(sys.executable, [sys.executable, '-c', \"import signal; print('waits', flush=True);"
        ' print(int(signal.sigwait([signal.SIGRTMAX - 2])))"])',
    )
    node.accept()
    assert child.hear() == "waits"
    peer = node.accept()
    assert peer.load().ask("ping").re == "pong"
    assert faults.open_file(child.pid) < 0
    os.kill(child.pid, NUMBER)
    assert child.finish() == (0, f"{NUMBER}\n", "")


def test_whoever_closes_its_file_and_reuses_the_number_loses_nothing(node: Daemon) -> None:
    child = node.code("""
import os
input()
numbers = [n for n in range(3, 1100) if os.path.exists(f"/proc/self/fd/{n}")
           and "limpet-stacks" in os.readlink(f"/proc/self/fd/{n}")]
own = os.open("precious", os.O_RDWR | os.O_CREAT)
os.dup2(own, numbers[0])
print("closed", flush=True)
input()
print(os.path.getsize("precious"), flush=True)
""")
    node.accept()
    until(lambda: is_ready(child.pid), "the arming of its agent")
    child.say("close")
    assert child.hear() == "closed"
    assert "no handler" in dumped(child.pid)[1]
    assert child.finish(b"\n") == (0, "0\n", "")


def test_a_short_limit_of_descriptors_costs_the_rung_and_nothing_else(node: Daemon) -> None:
    child = node.start(
        "-c",
        "import os, resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "os.execv(sys.executable, [sys.executable, '-c', 'print(1, flush=True); input()'])",
    )
    node.accept()
    assert child.hear() == "1"
    peer = node.accept()
    assert peer.load().value("1 + 1") == "2"
    assert faults.open_file(child.pid) < 0
    assert child.finish(b"\n")[0] == 0


@pytest.mark.parametrize("agent", [True, False])
def test_of_a_process_with_many_descriptors_a_few_are_looked_at(
    node: Daemon, monkeypatch: pytest.MonkeyPatch, agent: bool
) -> None:
    """Each was, on the daemon's loop: half a second of a process with 100,000 connections."""
    child = node.code(
        """
import os, resource
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
for _ in range(8000):
    os.dup(0)
print("open", flush=True)
input()
""",
        environment={} if agent else {"LIMPET_AGENT": ""},
    )
    if agent:
        node.accept()
    assert child.hear() == "open"
    if agent:
        until(lambda: is_ready(child.pid), "the arming of its agent")
    looks: list[str] = []
    readlink = os.readlink
    with monkeypatch.context() as patch:
        patch.setattr(os, "readlink", lambda path: looks.append(path) or readlink(path))
        file = faults.open_file(child.pid)
    assert (file >= 0) is agent
    assert len(looks) < 3000
    if agent:
        os.close(file)
        assert len(looks) < 10, "the numbers that its agent takes are known"
        assert dumped(child.pid)[1] == ""
    assert child.finish(b"\n")[0] == 0


@pytest.mark.parametrize("when", ["parent", "child"])
def test_what_runs_no_hook_after_a_fork_writes_to_nobodys_file(node: Daemon, when: str) -> None:
    """The file that a fork in C inherits is its parent's, and says so: no signal is sent for it."""
    child = node.code("""
import ctypes, os
input()
pid = ctypes.PyDLL(None).fork()
if pid == 0:
    ctypes.PyDLL(None).pause()
print(pid, flush=True)
input()
os.kill(pid, 9)
os.waitpid(pid, 0)
""")
    node.accept()
    until(lambda: is_ready(child.pid), "the arming of its agent")
    child.say("fork")
    forked = int(child.hear())
    if when == "child":
        assert "not ready" in dumped(forked)[1]
    else:
        assert dumped(child.pid)[1] == ""
    with file_of(child.pid) as text:
        assert text.count(b"\n") == 1
    assert child.finish(b"\n")[0] == 0


def test_whoever_gives_the_handler_up_while_it_is_looked_at_is_not_killed(
    node: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look at all its threads takes milliseconds: the one at its handlers comes after it."""
    child = node.code("""
import signal
input()
signal.signal(signal.SIGRTMAX - 2, signal.SIG_DFL)
print("default", flush=True)
input()
""")
    node.accept()
    until(lambda: is_ready(child.pid), "the arming of its agent")

    def looks_at_all_threads(_pid: int) -> bool:
        child.say("give it up")
        assert child.hear() == "default"
        return False

    monkeypatch.setattr(threads, "stop_is_pending", looks_at_all_threads)
    assert "handler is gone" in dumped(child.pid)[1]
    assert child.finish(b"\n")[0] == 0


def test_an_exec_after_the_last_look_leaves_no_thread_for_the_signal(
    node: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = node.code("import os\ninput()\nos.execv('/bin/sh', ['sh', '-c', 'echo another; read line'])")
    node.accept()
    until(lambda: is_ready(child.pid), "the arming of its agent")
    looked = threads.handles

    def last_look(pid: int, number: int, thread: int) -> bool:
        found = looked(pid, number, thread)
        child.say("exec")
        assert child.hear() == "another"
        return found

    monkeypatch.setattr(threads, "handles", last_look)
    assert dumped(child.pid)[1] == os.strerror(errno.ESRCH)
    assert child.finish(b"\n")[0] == 0


def test_a_file_that_names_the_first_thread_is_no_agents(node: Daemon) -> None:
    """The signal would interrupt the application, and kill it after an exec."""
    child = node.code(
        """
import os, signal
got = []
signal.signal(signal.SIGRTMAX - 2, lambda *_: got.append(1))
file = os.memfd_create("limpet-stacks")
os.write(file, b"%d %d\\n" % (os.getpid(), os.getpid()))
print("ready", flush=True)
input()
print(got, flush=True)
""",
        environment={"LIMPET_AGENT": ""},
    )
    assert child.hear() == "ready"
    assert "not the agent's" in dumped(child.pid)[1]
    assert child.finish(b"\n") == (0, "[]\n", "")
