"""Stop the node: every process in reverse order, each waited for. Returns when nothing of it is left.

What did not stop in time and had to be killed is named on standard error.
"""

import os
import select
import time
from argparse import ArgumentParser, Namespace

from limpet_shell import asking, options, output, target
from limpet_supervisor.client import messages
from limpet_supervisor.errors import NodeUnreachable, TimedOut


def add_arguments(parser: ArgumentParser) -> None:
    """--timeout."""
    options.add_timeout(parser, None, "give up waiting after this time, with exit code 75 (wait for ever)")


def run(arguments: Namespace) -> int:
    """Asks the node to stop, then waits for the end of its pid."""
    deadline = None if arguments.timeout is None else time.monotonic() + arguments.timeout
    with target.connect(arguments) as client:
        pong: messages.Pong = client.request(messages.Ping())
        try:
            pidfd = os.pidfd_open(pong.pid)
        except ProcessLookupError:
            pidfd = None  # it went between the two lines, or lives in another pid namespace
        try:
            try:
                asking.tell_more(asking.command(client, messages.StopNode(), arguments.timeout))
            except NodeUnreachable:
                # The node may end before its last answer is read; its pid tells.
                if pidfd is None:
                    return 0
            if pidfd is not None:
                _wait(pidfd, pong, deadline)
        finally:
            if pidfd is not None:
                os.close(pidfd)
    output.write(f"{pong.node} stopped")
    return 0


def _wait(pidfd: int, pong: messages.Pong, deadline: float | None) -> None:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
    if not poll.poll(left):
        raise TimedOut(f"{pong.node} has not ended", f"pid {pong.pid} still runs", "it goes on stopping")
