"""Restart the node's processes: all are stopped in reverse order, then booted again. The node's pid stays.

Returns when every process is ready again. One process: `ctl restart NAME`.
"""

import os
import select
import time
from argparse import ArgumentParser, Namespace
from contextlib import suppress

from limpet_shell import asking, options, output, target
from limpet_supervisor.client import messages
from limpet_supervisor.errors import BootFailed, LimpetError, NodeUnreachable, TimedOut

_LOOK_EVERY = 50
"""Milliseconds between two looks at a node that boots: nothing tells of its socket's birth."""


def add_arguments(parser: ArgumentParser) -> None:
    """--timeout."""
    options.add_timeout(parser, None, "give up waiting after this time, with exit code 75 (wait for ever)")


def run(arguments: Namespace) -> int:
    """Asks for it and waits."""
    deadline = None if arguments.timeout is None else time.monotonic() + arguments.timeout
    with target.connect(arguments) as client:
        pong: messages.Pong = client.request(messages.Ping())
        pidfd = os.pidfd_open(pong.pid)
        # The node may go before its last answer is read; its pid and its new socket tell.
        with suppress(NodeUnreachable):
            asking.tell_more(asking.command(client, messages.RestartNode(), arguments.timeout))
    try:
        _wait(arguments, pidfd, pong, deadline)
    finally:
        os.close(pidfd)
    output.write(f"{pong.node} restarted")
    return 0


def _wait(arguments: Namespace, pidfd: int, pong: messages.Pong, deadline: float | None) -> None:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    while not poll.poll(_LOOK_EVERY):
        if deadline is not None and time.monotonic() > deadline:
            raise TimedOut(f"{pong.node} is not ready again", f"pid {pong.pid} boots", "see limpet status")
        with suppress(LimpetError), target.connect(arguments) as client:
            status: messages.StatusReply = client.request(messages.Status())
            if status.node.state == "running" and status.node.pid == pong.pid:
                return
    raise BootFailed(f"{pong.node} did not come up again", "it ended", "see its log: limpet logs")
