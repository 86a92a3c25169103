"""Evaluate an expression, or call a function, in a live process.

  rpc EXPR                      rpc 'len(bookshop.web.carts)'
  rpc module:function ARG…      rpc bookshop.tasks:reprice 978-0131103627    (arguments are strings)
  rpc -                         reads what to evaluate from standard input
  rpc --all [--process web] …   in every process with an agent, or every one of web; equal answers together

What it prints comes here as it is printed, then the repr of a final expression, unless that is None.
Exit code: 0, 1 with the traceback on standard error, or 75 if it took longer than --timeout and was
interrupted. With --all each process has that time for itself, and one failure makes the exit code.
Ctrl-C interrupts it.
"""

import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

from limpet_shell import options, output, target
from limpet_supervisor.client import Client, messages
from limpet_supervisor.client.sync import Stream
from limpet_supervisor.errors import TimedOut, UsageError

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def add_arguments(parser: ArgumentParser) -> None:
    """--process, --all, --timeout, --json, and what to evaluate."""
    parser.add_argument(
        "--process", default="", metavar="P", help="web, web.1 or web.1/PID (first with an agent)"
    )
    parser.add_argument(
        "--all", action="store_true", help="in every process with an agent (of --process), forks included"
    )
    options.add_timeout(parser, 30.0, "interrupt it after this time (30s; infinity: never)")
    options.add_json(parser)
    parser.add_argument("words", nargs="*", metavar="EXPR", help="an expression, or module:function ARG…")


def run(arguments: Namespace) -> int:
    """Evaluates it."""
    words = arguments.words
    if not words:
        output.write_error("ERROR: RPC expects an expression as argument")
        return 1
    source = sys.stdin.read() if words == ["-"] else words[0]
    call = bool(_FUNCTION.fullmatch(source))
    if len(words) > 1 and not call:
        raise UsageError(
            "Only module:function takes arguments", f"{words[0]!r} is an expression", "quote it whole"
        )

    def request(process: str) -> messages.Request:
        if call:
            return messages.Call(
                function=source, arguments=tuple(words[1:]), process=process, timeout=arguments.timeout
            )
        return messages.Evaluate(source=source, process=process, timeout=arguments.timeout)

    with target.connect(arguments) as client:
        if not arguments.all:
            answer = _Answer(arguments.process, quiet=arguments.json)
            answer.read(client.stream(request(arguments.process)))
            if arguments.json:
                output.write_json(answer.facts())
            return answer.finish()
        return _everywhere(client, request, arguments)


def _everywhere(client: Client, request: Callable[[str], messages.Request], arguments: Namespace) -> int:
    """In all of them at once; answers in the order of `status`."""
    from limpet_shell import everywhere, render

    status: messages.StatusReply = client.request(messages.Status())
    names = everywhere.targets(status, arguments.process)
    answers = {name: _Answer(name, quiet=arguments.json, prefix=True) for name in names}
    replies, interrupted = everywhere.gather(
        client, names, request, lambda name, item: answers[name].take(item), arguments.timeout
    )
    for name, reply in zip(names, replies, strict=True):
        answers[name].take(reply)
    if arguments.json:
        output.write_json([answer.facts() for answer in answers.values()])
    else:
        good = [reply for reply in replies if reply.ok]
        if any(reply.value is not None for reply in good):
            for line in render.grouped(good, output.painter()):
                output.write(line)
        for line in render.grouped([reply for reply in replies if not reply.ok], output.painter(sys.stderr)):
            output.write_error(line)
    if interrupted:
        raise KeyboardInterrupt
    return max(answer.code for answer in answers.values())


class _Answer:
    """What one process says; unless quiet, its output is passed on as it comes.

    Args:
        process: whom it is asked of.
        quiet: nothing is printed.
        prefix: each line begins with the process's name.
    """

    def __init__(self, process: str, *, quiet: bool, prefix: bool = False) -> None:
        self._prefix = prefix
        self._process = process
        self._quiet = quiet
        self._texts: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self.reply = messages.EvaluateReply(process=process, ok=False)

    def read(self, stream: Stream) -> None:
        """Reads it to its end; the first Ctrl-C interrupts the evaluation, the second leaves."""
        interrupted = False
        while True:
            try:
                for answer in stream:
                    self.take(answer)
            except KeyboardInterrupt:
                if interrupted:
                    raise
                interrupted = True
                stream.cancel()
            else:
                break
        if interrupted:
            self.finish()
            raise KeyboardInterrupt

    def take(self, answer: messages.AnyItem | messages.AnyReply) -> None:
        """Keeps it, and passes on what is printed."""
        match answer:
            case messages.OutputItem(stream=stream, text=text):
                self._texts.setdefault(stream, []).append(text)
                if self._quiet:
                    return
                if self._prefix:
                    text = "".join(f"{self._process} | {line}\n" for line in text.splitlines())
                if stream == "stderr":
                    output.write_error(text, end="")
                else:
                    output.write(text, end="")
                    output.flush()
            case messages.EvaluateReply():
                self.reply = answer
            case _:
                pass

    @property
    def code(self) -> int:
        """The exit code that it makes."""
        if self.reply.timed_out:
            return TimedOut.exit_code
        return 0 if self.reply.ok else 1

    def finish(self) -> int:
        """Prints value or traceback, unless quiet; returns the exit code."""
        reply = self.reply
        if not self._quiet:
            if not reply.ok:
                output.write_error((reply.error or "failed").rstrip())
            elif reply.value is not None:
                output.write(reply.value)
        return self.code

    def facts(self) -> dict[str, Any]:
        """The answer for --json."""
        reply = self.reply
        return {
            "schema": 1,
            "process": reply.process or self._process,
            "ok": reply.ok,
            "value": reply.value,
            "stdout": "".join(self._texts["stdout"]),
            "stderr": "".join(self._texts["stderr"]),
            "error": reply.error,
            "timed_out": reply.timed_out,
            "elapsed": reply.elapsed,
            "stalled": reply.stalled,
            "data": reply.data,
        }
