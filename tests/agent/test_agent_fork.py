"""The child of a fork, and the next connection: whatever the agent was in the middle of."""

import os

import pytest

from limpet_supervisor.wire import agent as wire
from support.agent import Daemon

SLOW = """
import os
if os.getpid() == int(os.environ["FIRST"]):
    os.write(1, b"importing\\n")
    open("gate").read()
value = 7
"""
PARENT = """
import os, signal, sys
os.environ["FIRST"] = str(os.getpid())
print("up", flush=True)
sys.stdin.readline()
if not os.fork():
    signal.alarm(20)  # by which it ends, should it wait for ever
    import slow
    os._exit(slow.value)
print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
sys.stdin.readline()
import slow
print(slow.value, flush=True)
"""
IMPORTS = "import slow\ndef start(connection): pass\ndef tick(): return 9.0\ndef stop(*, forked): pass\n"


@pytest.mark.parametrize("whose", ["agent", "evaluation"])
def test_a_child_imports_what_a_thread_of_ours_was_importing_at_the_fork(node: Daemon, whose: str) -> None:
    (node.directory / "slow.py").write_text(SLOW)
    os.mkfifo(node.directory / "gate")
    child = node.code(PARENT)
    peer = node.accept()
    assert child.hear() == "up"
    if whose == "agent":
        peer.socket.sendall(wire.bundle((wire.Module("wire", IMPORTS),)))
    else:
        peer.load().send("evaluate", session="s1", source="slow.value", timeout=None)
    assert child.hear() == "importing"
    child.say("")
    assert child.hear() == "7"
    (node.directory / "gate").write_text("")
    child.say("")
    assert child.hear() == "7"
    assert child.finish()[:2] == (0, "")


FAILS = """
def start(connection):
    pass
def tick():
    return 9.0
def stop(*, forked):
    raise LookupError
"""


def test_a_stage_1_that_fails_to_end_costs_neither_the_next_connection_nor_a_fork_its_agent(
    node: Daemon,
) -> None:
    child = node.code("import os, sys\nprint('up', flush=True)\ninput()\nos.fork() or input()")
    peer = node.accept()
    assert child.hear() == "up"
    peer.socket.sendall(wire.bundle((wire.Module("wire", FAILS),)))
    peer.socket.shutdown(1)
    again = node.accept()
    assert again.hello.pid == child.pid
    again.load()
    assert again.value("__import__('limpet').agent.agent.failure") == "LookupError()"
    again.socket.close()
    last = node.accept()
    last.socket.sendall(wire.bundle((wire.Module("wire", FAILS),)))
    child.say("")
    assert node.accept().hello.forked_from == child.pid
