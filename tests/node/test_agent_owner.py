"""Whom an agent may speak for."""

from support.node import running

LIAR = """
import os, socket, sys, time
if os.environ["LIMPET_PROCESS"] == "liar.1":
    liar = socket.socket(socket.AF_UNIX)
    liar.connect(os.environ["LIMPET_AGENT"])
    body = b'{"hello":1,"pid":%d,"ppid":1,"process":"db.1","python":"3.11.7"}' % os.getpid()
    liar.sendall(len(body).to_bytes(4, "big") + body)
    assert liar.recv(1) == b"", "it was believed"
    print("refused", flush=True)
time.sleep(1000)
"""


def test_a_process_cannot_pass_for_another_and_get_the_code_that_is_meant_for_it() -> None:
    toml = """
[processes.db]
command = ["sleep", "1000"]
[processes.liar]
command = ["python3", "liar.py"]
ready = { log = "refused" }
"""
    with running(toml, files={"liar.py": LIAR}) as made:
        assert made.status()["db.1"].agent == "none"
