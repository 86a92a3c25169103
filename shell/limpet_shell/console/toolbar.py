"""The line at the bottom: what helps to type the input, or the status bar."""

import asyncio
from collections.abc import Callable
from typing import Final

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import FormattedText

from limpet_shell import control, output

from .link import Link
from .statusbar import StatusBar

_PAUSE: Final = 0.1
"""Seconds without a key before the process is asked."""


class Toolbar:
    """What the line says.

    Args:
        link: whom to ask.
        bar: what it shows when there is nothing to tell.
        changed: called when it says something else; with whether it says anything.
    """

    def __init__(self, link: Link, bar: StatusBar, changed: Callable[[bool], None]) -> None:
        self._link = link
        self._bar = bar
        self._changed = changed
        self._hint: tuple[str, str] | None = None
        self._asking: asyncio.Task[None] | None = None

    def reset(self) -> None:
        """A new input begins."""
        self._forget()
        self._hint = None
        self.refresh()

    def say(self, text: str) -> None:
        """Tells something, until the input changes."""
        self._forget()
        self._tell((text, ""))

    def follow(self, buffer: Buffer) -> None:
        """The input has changed."""
        self._forget()
        source = buffer.document.text_before_cursor
        if source.lstrip().startswith(":"):
            self._tell(usage(source.lstrip()[1:]))
        elif source:
            self._asking = asyncio.ensure_future(self._ask(buffer))
        else:
            self._tell(None)

    async def _ask(self, buffer: Buffer) -> None:
        """Race: what the menu has chosen is known only after the change of the text that it makes."""
        await asyncio.sleep(_PAUSE)
        source = buffer.document.text_before_cursor
        chosen = buffer.complete_state is not None and buffer.complete_state.current_completion is not None
        named = chosen and not source.endswith("=")
        reply = await self._link.signature(source, named=named) if named or "(" in source else None
        self._tell((reply.signature, reply.doc) if reply and reply.signature else None)

    def _forget(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    def _tell(self, hint: tuple[str, str] | None) -> None:
        if hint != self._hint:
            self._hint = hint
            self.refresh()

    def refresh(self) -> None:
        """What it shows may be another."""
        self._changed(self._hint is not None or self._bar.shown)

    def line(self, width: int, mode: str = "") -> FormattedText:
        """What it shows in `width` columns, in two lines if need be; `mode` is the editor's."""
        if self._hint is None:
            return FormattedText(self._bar.line(width, mode))
        text, doc = (output.printable(" ".join(part.split())) for part in self._hint)
        line: list[tuple[str, str]] = [("class:signature", output.shorten(text, width))]
        if doc:
            beside = output.width_of(text) + 3 + output.width_of(doc) <= width
            line.append(("class:doc", f"   {doc}" if beside else f"\n{output.shorten(doc, width)}"))
        return FormattedText(line)


def usage(text: str) -> tuple[str, str] | None:
    """How the command that `text` begins with is used; None if that is not known yet."""
    name = text.partition(" ")[0]
    meant = [command for command in control.COMMANDS.values() if name and command.name.startswith(name)]
    command = control.COMMANDS.get(name) or (meant[0] if len(meant) == 1 else None)
    return (f":{command.name} {command.arguments}".rstrip(), command.help) if command else None
