"""How the verbs ask a node: streams shown as they come, progress for what takes time, Ctrl-C."""

from collections.abc import Callable

from limpet_shell import output
from limpet_supervisor.client import Client
from limpet_supervisor.wire.messages import AnyItem, AnyReply, Done, ProgressItem, Reply, Request


def command(client: Client, request: Request, timeout: float | None = None) -> AnyReply:
    """The final reply to a request that takes its time; what it waits for is shown as progress.

    Raises:
        TimedOut: it did not happen within `timeout` seconds; the node goes on with it.
    """
    with output.Progress() as progress:
        for answer in client.stream(request, timeout):
            if isinstance(answer, ProgressItem):
                progress(answer.text)
            elif isinstance(answer, Reply):
                return answer
    raise AssertionError("a stream ends with a reply or an error")


def tell_more(reply: AnyReply) -> None:
    """Writes what a reply says beyond its first line to standard error."""
    if isinstance(reply, Done):
        for line in reply.text.split("\n")[1:]:
            output.write_error(output.printable(line))


def follow(client: Client, request: Request, show: Callable[[AnyItem | AnyReply], None]) -> int:
    """Shows each answer to a request as it comes; Ctrl-C ends it, as the way to leave: 130."""
    with client.stream(request) as stream:
        try:
            for answer in stream:
                show(answer)
                output.flush()
        except KeyboardInterrupt:
            return 130
    return 0
