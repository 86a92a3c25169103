"""Evaluate an expression, or call a function, in a live process.

  rpc EXPR                      rpc 'len(bookshop.web.carts)'
  rpc module:function ARG…      rpc bookshop.tasks:reprice 978-0131103627    (arguments are strings)
  rpc -                         reads what to evaluate from standard input

What it prints comes here as it is printed, then the repr of a final expression, unless that is None.
Exit code: 0, 1 with the traceback on standard error, or 75 if it took longer than --timeout and was
interrupted. Ctrl-C interrupts it.
"""

import re
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from limpet_shell import options, output, target
from limpet_supervisor.client import Client, messages
from limpet_supervisor.client.sync import Stream
from limpet_supervisor.errors import LimpetError, NoSuchProcess, TimedOut, UsageError

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def add_arguments(parser: ArgumentParser) -> None:
    """--process, --all, --timeout, --json, and what to evaluate."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--process", default="", metavar="P", help="web, web.1 or web.1/PID (first with an agent)"
    )
    where.add_argument("--all", action="store_true", help="in every process with an agent, forks included")
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
        return _everywhere(client, request, as_json=arguments.json)


def _everywhere(client: Client, request: Any, *, as_json: bool) -> int:
    """In all processes at once; answers in the order of `status`."""
    status: messages.StatusReply = client.request(messages.Status())
    names = status.agents
    if not names:
        raise NoSuchProcess("No process has an agent", todo="see: status")
    streams = [(name, client.stream(request(name))) for name in names]
    answers = []
    code = 0
    for name, stream in streams:
        answer = _Answer(name, quiet=as_json, prefix=True)
        try:
            answer.read(stream)
        except LimpetError as error:
            answer.reply = messages.EvaluateReply(
                process=name, ok=False, error=str(error), timed_out=isinstance(error, TimedOut)
            )
        answers.append(answer)
        code = max(code, answer.finish())
    if as_json:
        output.write_json([answer.facts() for answer in answers])
    return code


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
                    self._take(answer)
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

    def _take(self, answer: messages.AnyItem | messages.AnyReply) -> None:
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

    def finish(self) -> int:
        """Prints value or traceback, unless quiet; returns the exit code."""
        reply = self.reply
        if not self._quiet:
            name = f"{reply.process or self._process}: " if self._prefix else ""
            if not reply.ok:
                output.write_error(f"{name}{(reply.error or 'failed').rstrip()}")
            elif reply.value is not None:
                output.write(f"{name}{reply.value}")
        if reply.timed_out:
            return TimedOut.exit_code
        return 0 if reply.ok else 1

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
            "data": reply.data,
        }
