"""The console in a pipe, or on a terminal that can do nothing: reads statements, prints answers."""

import secrets
import socket
import sys
from collections.abc import Iterator
from typing import Final

from limpet_shell import control, everywhere, looks, output, render
from limpet_shell.fitting import fitted
from limpet_shell.target import Target
from limpet_supervisor.client import Client, messages
from limpet_supervisor.client.sync import Stream
from limpet_supervisor.errors import LimpetError, TimedOut

from .model import Kind, Model, Place, own_inputs, parse, restores

BREAK: Final = "#limpet:break"
"""A line that drops the statement that has been begun."""
_TIMEOUT: Final = 30.0
_CONTINUES: Final = ("elif", "else", "except", "finally", "case")


def run_batch(where: Target, process: str) -> int:
    """Evaluates standard input in the process; the exit code of what failed last, or 0.

    Raises:
        LimpetError: the node cannot be reached, or has no such process with an agent.
        KeyboardInterrupt: Ctrl-C, in a pipe; what ran has been interrupted.
    """
    with Client.of_node(where.node) as client:
        batch = Batch(client, Model(where.node, socket.gethostname().partition(".")[0]))
        batch.attach(process)
        lines = _prompted(batch) if output.stdin_is_terminal() else sys.stdin
        for source in batch.statements(lines):
            if not batch.run(source):
                break
        return batch.code


def _prompted(batch: "Batch") -> Iterator[str]:
    """Lines from a terminal that can do nothing but print; Ctrl-C drops what has been begun."""
    while True:
        output.write("... " if batch.pending else batch.model.prompt(), end="")
        output.flush()
        try:
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            batch.pending = ""
            output.write("")
            continue
        if not line:
            output.write("")
            return
        yield line


class Batch:
    """A session that is fed with lines.

    Attributes:
        code: exit code of what failed last; 0 if nothing has.
        pending: the lines of the statement that has been begun.
    """

    def __init__(self, client: Client, model: Model) -> None:
        self._client = client
        self._session = secrets.token_hex(6)
        self.model = model
        self.code = 0
        self.pending = ""

    def attach(self, process: str) -> None:
        """Opens or moves the session."""
        request = messages.Attach(session=self._session, process=process)
        reply = self._client.request(request, 10.0)
        self.model.moved(Place(reply.process, reply.pid, reply.python, reply.loops, reply.others))

    def statements(self, lines: Iterator[str]) -> Iterator[str]:
        """The statements in `lines`, each as soon as it is complete by the process's grammar.

        A simple statement is when its line ends; a compound one when the next line begins at the margin
        and does not continue it.
        """
        for line in lines:
            text = line.rstrip("\n")
            if text.strip() == BREAK:
                self.pending = ""
                continue
            at_margin = bool(text) and not text[0].isspace() and not text.startswith(_CONTINUES)
            if self.pending and at_margin and self._state(f"{self.pending}\n") != "incomplete":
                yield self._taken()
            self.pending = f"{self.pending}\n{text}" if self.pending else text
            if self.pending.lstrip().startswith(":") or self._state(restores(self.pending)) != "incomplete":
                yield self._taken()
        if self.pending.strip():
            yield self._taken()

    def _taken(self) -> str:
        pending, self.pending = self.pending, ""
        return pending

    def run(self, source: str) -> bool:
        """Works on one; False if it is to leave."""
        what = parse(source)
        try:
            match what.kind:
                case Kind.LEAVE:
                    return False
                case Kind.CODE:
                    self._evaluate(what.text)
                case Kind.COMMAND:
                    return self._command(what.text)
                case Kind.NOTHING:
                    pass
        except LimpetError as error:
            self.code = error.exit_code
            output.write_error(f"limpet: {error}")
        return True

    def _state(self, source: str) -> str:
        if not source.strip():
            return "complete"
        request = messages.Check(session=self._session, process=self.model.process, source=source)
        state: str = self._client.request(request).state
        return state

    def _evaluate(self, source: str) -> None:
        request = messages.Evaluate(
            source=source, process=self.model.process, session=self._session, timeout=_TIMEOUT
        )
        with self._client.stream(request) as stream:
            if self._read(stream):
                return
            stream.cancel()  # and goes on reading how it ended
            self._read(stream)
        if not output.stdin_is_terminal():
            raise KeyboardInterrupt

    def _read(self, stream: Stream) -> bool:
        """Shows what comes until the end; False if Ctrl-C comes first."""
        try:
            for answer in stream:
                match answer:
                    case messages.OutputItem(stream="stderr", text=text):
                        output.write_error(text, end="")
                    case messages.OutputItem(text=text):
                        output.write(text, end="")
                    case messages.EvaluateReply():
                        self._finish(answer)
                    case _:
                        pass
                output.flush()
        except KeyboardInterrupt:
            return False
        return True

    def _finish(self, reply: messages.EvaluateReply) -> None:
        if reply.number:
            self.model.evaluated(reply.number)
        if not reply.ok:
            self._failed(reply)
            output.write_error(own_inputs(reply.error or "failed", self._session).rstrip("\n"))
        elif reply.value is not None:
            terminal = output.stdout_is_terminal()
            output.write(fitted(reply.value, reply.data, output.columns()) if terminal else reply.value)

    def _failed(self, reply: messages.EvaluateReply) -> None:
        self.code = TimedOut.exit_code if reply.timed_out else 1

    def _everywhere(self, text: str) -> None:
        status: messages.StatusReply = self._client.request(messages.Status())
        where, source = everywhere.addressed(text, status)

        def ask(process: str) -> messages.Evaluate:
            return messages.Evaluate(source=source, process=process, timeout=_TIMEOUT)

        def show(process: str, item: messages.OutputItem) -> None:
            for line in item.text.splitlines():
                (output.write_error if item.stream == "stderr" else output.write)(f"{process} | {line}")

        names = everywhere.targets(status, where)
        replies, interrupted = everywhere.gather(self._client, names, ask, show, _TIMEOUT)
        for reply in replies:
            if not reply.ok:
                self._failed(reply)
        for line in render.grouped(replies, output.plain):
            output.write(line)
        if interrupted and not output.stdin_is_terminal():
            raise KeyboardInterrupt

    def _command(self, text: str) -> bool:
        name, _, rest = text.partition(" ")
        if name == "all":  # its argument is Python, which the shell's quoting rules would spoil
            self._everywhere(rest)
            return True
        command, words = control.parse(control.split(text))
        match command.name:
            case "quit":
                return False
            case "help":
                from limpet_shell.helping import help_lines

                for line in help_lines(":", output.plain, words):
                    output.write(line)
            case "all":
                self._everywhere(rest)
            case "use":
                self.attach(" ".join(words))
            case _:
                self._request(command, words)
        return True

    def _request(self, command: control.ControlCommand, words: list[str]) -> None:
        everywhere, asked = control.of_all(command, words)
        requests = control.requests(command, asked, "" if everywhere else self.model.process)
        if everywhere:
            status: messages.StatusReply = self._client.request(messages.Status())
            requests = looks.everywhere(requests, status.agents)
        if first := control.names_first(requests):
            self._client.request(first)
        for request in requests:
            if everywhere:
                output.write(looks.title(request))
            show = control.shower(request, words, output.plain, terminal=False)
            with self._client.stream(request) as stream:
                try:
                    for answer in stream:
                        for line in show(answer):
                            output.write(line)
                        output.flush()
                except KeyboardInterrupt:
                    if not output.stdin_is_terminal():
                        raise
                    return
