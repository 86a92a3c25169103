"""Any command of the console once: `ctl restart web.1`, `ctl scale web +1`, `ctl signal HUP web`.

`ctl help` lists them.
"""

from argparse import REMAINDER, ArgumentParser, Namespace
from typing import Final

from limpet_shell import control, looks, options, output, target
from limpet_supervisor.client import messages
from limpet_supervisor.client.sync import Stream
from limpet_supervisor.errors import LimpetError, UsageError

_LATE: Final = 10.0
"""Seconds beyond its deadline within which the node has told of a look that is not heard of."""


def add_arguments(parser: ArgumentParser) -> None:
    """--timeout, and the words of the command."""
    options.add_json(parser)
    options.add_timeout(parser, None, "give up waiting after this time, with exit code 75 (wait for ever)")
    parser.add_argument("words", nargs=REMAINDER, metavar="COMMAND…", help="the command and its arguments")


def run(arguments: Namespace) -> int:
    """Runs it: each request in turn, its answers as they come."""
    as_json = arguments.json or "--json" in arguments.words
    words = [word for word in arguments.words if word != "--json"]
    command, words = control.parse(words or ["help"])
    paint = output.painter()
    if command.name == "help":
        from limpet_shell import helping

        if as_json:
            output.write_json(helping.help_facts(words))
        else:
            for line in helping.help_lines("", paint, words):
                output.write(line)
        return 0
    if command.build is None:
        raise UsageError(f"{command.name} is for the console", todo="see: remote, rpc")
    everywhere, asked = control.of_all(command, words)
    requests = control.requests(command, asked)
    first = control.names_first(requests)
    terminal = output.stdout_is_terminal()
    with target.connect(arguments) as client:
        if everywhere:
            status: messages.StatusReply = client.request(messages.Status())
            requests = looks.everywhere(requests, status.agents)
        if first is not None:
            client.request(first)
        for each in requests:
            request, patience = _within(each, arguments.timeout)
            if everywhere and not as_json:
                output.write(looks.title(request))
            show = control.shower(request, words, paint, terminal=terminal, as_json=as_json)
            with client.stream(request, patience) as stream:
                _follow(stream, request, show, as_json=as_json)
    return 0


def _within(request: messages.Request, timeout: float | None) -> tuple[messages.Request, float | None]:
    """The request, and for how long its answer is waited for.

    A look's deadline is the node's to keep: it can tell that the process does not answer.
    """
    if timeout is None or not isinstance(request, messages.Inspect):
        return request, timeout
    from msgspec.structs import replace

    return replace(request, timeout=timeout), timeout + _LATE


def _follow(stream: Stream, request: messages.Request, show: control.Show, *, as_json: bool) -> None:
    """Writes all that comes; of a tool the first Ctrl-C asks for what there is by now.

    Raises:
        KeyboardInterrupt: Ctrl-C, and all that was there is written.
    """
    interrupted = False
    with output.Progress() as progress:
        while True:
            try:
                for answer in stream:
                    if isinstance(answer, messages.ProgressItem):
                        progress(answer.text)
                    else:
                        progress("")
                        _write(answer, request, show, as_json=as_json)
            except KeyboardInterrupt:
                if interrupted or not isinstance(request, messages.Evaluate | messages.Profile):
                    raise
                interrupted = True
                stream.cancel()
                continue
            except LimpetError:
                if not interrupted:
                    raise
            if interrupted:
                raise KeyboardInterrupt
            return


def _write(
    answer: messages.AnyItem | messages.AnyReply,
    request: messages.Request,
    show: control.Show,
    *,
    as_json: bool,
) -> None:
    if as_json and not isinstance(request, messages.Logs):
        import msgspec

        if isinstance(request, messages.Profile):
            show(answer)  # it may have to be saved
        if isinstance(answer, messages.EvaluateReply):
            output.write_json(looks.facts(answer))
        else:
            output.write_json({"schema": 1} | msgspec.to_builtins(answer))
    else:
        for line in show(answer):
            output.write(line)
        output.flush()
