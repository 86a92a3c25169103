"""Sessions of consoles, and processes that end while they are open."""

import os
import signal

from limpet_supervisor.wire import messages as m
from support.children import crash, python
from support.node import running


def test_a_session_whose_process_has_ended_counts_no_more() -> None:
    """Its variables went with the process; the next evaluation begins anew in its successor."""
    with running(python("web", "import time\ntime.sleep(1000)")) as made, made.client() as client:
        made.wait_for(lambda: made.status()["web.1"].agent == "ready")
        client.request(m.Attach(process="web.1", session="s"))
        assert made.status()["web.1"].consoles == 1
        crash(made, "web.1")
        made.wait_event("ready", "web.1", count=2)
        made.wait_for(lambda: made.status()["web.1"].agent == "ready")
        assert made.status()["web.1"].consoles == 0
        client.request(m.Evaluate(source="x = 1", process="web.1", session="s"))
        assert made.status()["web.1"].consoles == 1


def test_a_client_that_goes_while_its_process_does_not_answer_leaves_no_session() -> None:
    """Its variables would stay in the process, and a console be counted there, for ever."""
    with running(python("web", "import time\ntime.sleep(1000)")) as made:
        made.wait_for(lambda: made.status()["web.1"].agent == "ready")
        pid = made.wait_pid("web.1")
        os.kill(pid, signal.SIGSTOP)
        try:
            with made.client() as client:
                client.send(m.Attach(process="web.1", session="s"))
                client.request(m.Ping())
        finally:
            os.kill(pid, signal.SIGCONT)
        made.wait_event("evaluated", "web.1", text=f"uid {os.getuid()} attaches a console to web.1")
        assert made.status()["web.1"].consoles == 0
