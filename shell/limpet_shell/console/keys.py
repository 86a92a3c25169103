"""The prompt's keys, beside those of prompt_toolkit, which are readline's or vi's."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import Completion, get_common_complete_suffix
from prompt_toolkit.filters import Condition, emacs_mode, has_completions, has_focus, is_searching
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from limpet_shell import output

from .completer import RemoteCompleter
from .model import is_simple, restores

INDENT: Final = 4


class Editor(Protocol):
    """What the keys act on."""

    completer: RemoteCompleter

    def check(self, source: str) -> tuple[str, int]:
        """Whether `source` is complete, incomplete or invalid, and the next line's indentation."""

    def above(self, show: Callable[[], None]) -> None:
        """Runs `show`, which prints, above the prompt."""

    def say(self, text: str) -> None:
        """Tells something below it."""

    def toggle_bar(self) -> None:
        """Shows or hides the status bar."""


def bindings(editor: Editor, *, menu: bool) -> KeyBindings:
    """The keys.

    Args:
        editor: what they act on.
        menu: completions are shown in a menu, else as readline does.
    """
    keys = KeyBindings()
    editing = has_focus("DEFAULT_BUFFER") & ~is_searching

    @Condition
    def in_margin() -> bool:
        return not get_app().current_buffer.document.current_line_before_cursor.strip()

    @Condition
    def at_end_of_text() -> bool:
        document = get_app().current_buffer.document
        return bool(document.text) and document.is_cursor_at_the_end

    @keys.add("enter", filter=editing & ~has_completions)
    def _(event: KeyPressEvent) -> None:
        _enter(event.current_buffer, editor)

    @keys.add("enter", filter=editing & has_completions)
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        chosen = buffer.complete_state is not None and buffer.complete_state.current_completion is not None
        buffer.complete_state = None
        if not chosen:
            _enter(buffer, editor)

    @keys.add("escape", "enter", filter=editing & emacs_mode)
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=True)

    @keys.add("tab", filter=editing & in_margin & ~has_completions)
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text(" " * INDENT)

    @keys.add("backspace", filter=editing & in_margin)
    def _(event: KeyPressEvent) -> None:
        before = event.current_buffer.document.current_line_before_cursor
        event.current_buffer.delete_before_cursor((len(before) - 1) % INDENT + 1 if before else 1)

    @keys.add("c-d", filter=editing & at_end_of_text & emacs_mode)
    def _(event: KeyPressEvent) -> None:
        if event.is_repeat:
            event.app.exit(exception=EOFError())
        else:
            editor.say("Ctrl-D again leaves; Ctrl-C clears the input")

    @keys.add("f2")
    def _(_event: KeyPressEvent) -> None:
        editor.toggle_bar()

    if not menu:

        @keys.add("tab", filter=editing & ~in_margin)
        def _(event: KeyPressEvent) -> None:
            again = event.is_repeat
            event.app.create_background_task(_like_readline(event.current_buffer, editor, again=again))

    return keys


def _enter(buffer: Buffer, editor: Editor) -> None:
    """Runs what is complete; begins a new line, indented, in what is not, or inside of a block."""
    text = buffer.text
    below = buffer.document.text_after_cursor.strip()
    if not text.strip() or text.lstrip().startswith(":") or is_simple(text):
        buffer.validate_and_handle()
    elif below and "\n" in text:
        buffer.newline(copy_margin=True)
    else:
        state, indent = editor.check(restores(text))
        if state == "incomplete":
            buffer.cursor_position = len(text)
            buffer.insert_text("\n" + " " * indent)
        else:
            buffer.validate_and_handle()


async def _like_readline(buffer: Buffer, editor: Editor, *, again: bool) -> None:
    """Inserts what all completions begin with; the second time lists them."""
    document = buffer.document
    found = await editor.completer.find(document.text_before_cursor)
    if buffer.document != document or not found:
        return
    if common := _common(found, buffer):
        buffer.insert_text(common)
    elif again:
        names = [output.printable(each.text) for each in found]
        editor.above(lambda: output.write("\n".join(_columns(names, output.columns()))))
    await asyncio.sleep(0)


def _common(found: list[Completion], buffer: Buffer) -> str:
    if len(found) == 1:
        return found[0].text[-found[0].start_position :] if found[0].start_position else found[0].text
    return get_common_complete_suffix(buffer.document, found)


def _columns(names: list[str], width: int) -> list[str]:
    """Names in as many columns as fit, downwards."""
    wide = max(map(output.width_of, names)) + 2
    count = max(1, width // wide)
    high = -(-len(names) // count)
    return [
        "".join(name + " " * (wide - output.width_of(name)) for name in names[row::high]).rstrip()
        for row in range(high)
    ]
