"""The console in a pipe, or on a terminal that can do nothing: reads statements, prints answers."""

import secrets
import sys
from collections.abc import Iterator

from limpet_shell import control, output
from limpet_shell.target import Target
from limpet_supervisor.client import Client, messages
from limpet_supervisor.errors import LimpetError

from .model import Kind, parse, restores

_CONTINUES = ("elif", "else", "except", "finally", "case")


def run_batch(where: Target, process: str) -> int:
    """Evaluates standard input in the process; 1 if a statement or command failed.

    Raises:
        LimpetError: the node cannot be reached, or has no such process with an agent.
    """
    with Client.of_node(where.node) as client:
        batch = Batch(client, process)
        batch.attach(process)
        for source in batch.statements(_prompted(where.node) if output.stdin_is_terminal() else sys.stdin):
            if not batch.run(source):
                break
        return 1 if batch.failed else 0


def _prompted(node: str) -> Iterator[str]:
    """Lines from a terminal that can do nothing but print."""
    while True:
        output.write(f"{node}> ", end="")
        output.flush()
        line = sys.stdin.readline()
        if not line:
            output.write("")
            return
        yield line


class Batch:
    """A session that is fed with lines.

    Attributes:
        failed: whether anything has failed.
    """

    def __init__(self, client: Client, process: str) -> None:
        self._client = client
        self._process = process
        self._session = secrets.token_hex(6)
        self.failed = False

    def attach(self, process: str) -> None:
        """Opens or moves the session."""
        request = messages.Attach(session=self._session, process=process)
        self._process = self._client.request(request, 10.0).process

    def statements(self, lines: Iterator[str]) -> Iterator[str]:
        """The statements in `lines`, each as soon as it is complete by the process's grammar.

        A simple statement is when its line ends; a compound one when the next line begins at the margin
        and does not continue it.
        """
        pending = ""
        for line in lines:
            text = line.rstrip("\n")
            at_margin = bool(text) and not text[0].isspace() and not text.startswith(_CONTINUES)
            if pending and at_margin and self._state(f"{pending}\n") != "incomplete":
                yield pending
                pending = ""
            pending = f"{pending}\n{text}" if pending else text
            if pending.lstrip().startswith(":") or self._state(restores(pending)) != "incomplete":
                yield pending
                pending = ""
        if pending.strip():
            yield pending

    def run(self, source: str) -> bool:
        """Works on one; False if it is to leave."""
        what = parse(source)
        try:
            match what.kind:
                case Kind.LEAVE:
                    return False
                case Kind.CODE:
                    self._evaluate(what.text, self._process)
                case Kind.COMMAND:
                    return self._command(what.text)
                case Kind.NOTHING:
                    pass
        except LimpetError as error:
            self.failed = True
            output.write_error(str(error))
        return True

    def _state(self, source: str) -> str:
        if not source.strip():
            return "complete"
        request = messages.Check(session=self._session, process=self._process, source=source)
        state: str = self._client.request(request).state
        return state

    def _evaluate(self, source: str, process: str, session: bool = True) -> None:
        request = messages.Evaluate(source=source, process=process, session=self._session if session else "")
        with self._client.stream(request) as stream:
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

    def _finish(self, reply: messages.EvaluateReply) -> None:
        if not reply.ok:
            self.failed = True
            output.write_error((reply.error or "failed").rstrip("\n"))
        elif reply.value is not None:
            output.write(reply.value)

    def _command(self, text: str) -> bool:
        name, _, rest = text.partition(" ")
        if name == "all":
            status: messages.StatusReply = self._client.request(messages.Status())
            for process in status.agents:
                output.write(f"{process}:")
                self._evaluate(rest, process, session=False)
            return True
        command, words = control.parse(control.split(text))
        if command.name == "quit":
            return False
        if command.name == "help":
            for line in control.help_lines(":", output.plain):
                output.write(line)
        elif command.name == "use":
            self.attach(" ".join(words))
        elif command.build is not None:
            requests = command.build(words)
            if first := control.names_first(requests):
                self._client.request(first)
            for request in requests:
                with self._client.stream(request) as stream:
                    for answer in stream:
                        for line in control.show(answer, request, output.plain, terminal=False):
                            output.write(line)
                        output.flush()
        return True
