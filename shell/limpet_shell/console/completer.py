"""Completion: of Python by the process, of commands by their table, the node's names and their options."""

import signal
from collections.abc import AsyncGenerator
from typing import Final

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from limpet_shell import control
from limpet_shell.output import printable

from .link import Link

_SIGNALS: Final = ("HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "CONT", "STOP", "WINCH", "KILL")


class RemoteCompleter(Completer):
    """Completions are asked for; no failure of the node reaches the prompt, which has none then."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> list[Completion]:
        """None: they are asked for asynchronously."""
        del document, complete_event
        return []

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        """What may stand at the cursor."""
        del complete_event
        for completion in await self.find(document.text_before_cursor):
            yield completion

    async def find(self, source: str) -> list[Completion]:
        """What may stand at the end of `source`."""
        line = source.lstrip()
        if line.startswith(":"):
            words = line[1:].split(" ")
            if words[0] != "all":
                return await self._command(words)
            if len(words) == 2:
                names = [each for each in await self._link.names(members=True) if each.startswith(words[1])]
                found = [_completion(name, words[1], "process") for name in names]
                return found + (await self._python(words[1]) if words[1] else [])
            source = " ".join(words[1:])
        return await self._python(source)

    async def _python(self, source: str) -> list[Completion]:
        reply = await self._link.complete(source)
        if reply is None:
            return []
        return [
            Completion(
                text, start_position=-reply.start, display=printable(text), display_meta=printable(kind)
            )
            for text, kind in reply.items
        ]

    async def _command(self, words: list[str]) -> list[Completion]:
        word = words[-1]
        if len(words) == 1:
            found = [(command.name, command.help) for command in control.COMMANDS.values()]
            return [_completion(name, word, text) for name, text in found if name.startswith(word)]
        command = control.COMMANDS.get(words[0])
        arguments = command.arguments.replace("[", "").replace("]", "").split() if command else []
        if word.startswith("-"):
            options = [each for each in arguments if each.startswith("-")]
            return [_completion(each, word, "") for each in options if each.startswith(word)]
        if arguments[:1] == ["SIGNAL"] and len(words) == 2:
            return [
                _completion(name, word, _what(name)) for name in _SIGNALS if name.startswith(word.upper())
            ]
        if not any("NAME" in each or "PROCESS" in each for each in arguments):
            return []
        names = await self._link.names(members=words[0] == "use")
        return [_completion(name, word, "") for name in names if name.startswith(word)]


def _completion(text: str, word: str, meta: str) -> Completion:
    return Completion(text, start_position=-len(word), display_meta=meta)


def _what(name: str) -> str:
    return signal.strsignal(signal.Signals[f"SIG{name}"]) or ""
