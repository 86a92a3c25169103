"""The line editor: prompt_toolkit with completion, signatures and completeness asked from the process.

No failure of the node reaches it: without an answer in time there is no completion, and Enter runs the line.
"""

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, has_completions, has_focus, is_searching
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout.processors import TabsProcessor
from prompt_toolkit.lexers import DynamicLexer, Lexer, SimpleLexer
from prompt_toolkit.shortcuts import CompleteStyle, PromptSession
from prompt_toolkit.styles import Style

from limpet_shell import control, output

from . import highlight
from .history import FileHistory
from .link import Link
from .model import Model, continuation, is_simple, restores

_SETTLED: Final = 0.02
"""Seconds after the first prompt, for what it did not have to wait for."""
_PAUSE: Final = 0.1
"""Seconds without a key before the signature is asked for."""

_STYLE: Final = Style.from_dict(
    {
        "prompt": "ansigreen",
        "command": "ansicyan",
        "bottom-toolbar": "noreverse",
        "signature": "ansicyan",
        "doc": "ansigray",
    }
)


class RemoteCompleter(Completer):
    """Completions of Python by the process, of commands by their table and the node's names."""

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
        source = document.text_before_cursor
        if source.lstrip().startswith(":"):
            for completion in await self._command(source.lstrip()[1:]):
                yield completion
            return
        if reply := await self._link.complete(source):
            for text, kind in reply.items:
                yield Completion(text, start_position=-reply.start, display_meta=kind)

    async def _command(self, text: str) -> list[Completion]:
        words = text.split(" ")
        word = words[-1]
        if len(words) == 1:
            found = [(command.name, command.help) for command in control.COMMANDS.values()]
        else:
            found = [(name, "") for name in await self._link.names(members=words[0] == "use")]
        return [
            Completion(name, start_position=-len(word), display_meta=text)
            for name, text in found
            if name.startswith(word)
        ]


class Prompt:
    """Reads inputs.

    Args:
        model: says what the prompt is.
        link: whom to ask.
        history: the inputs so far.
        colored: whether to colour.
    """

    def __init__(self, model: Model, link: Link, history: FileHistory, *, colored: bool) -> None:
        self._model = model
        self._link = link
        self._lexer: Lexer = SimpleLexer()
        self._colored = colored
        self._signature: tuple[str, str] | None = None
        self._asking: asyncio.Task[None] | None = None
        self.interrupted = False
        """Whether Ctrl-C was typed right after the last input; what was typed between the two is dropped."""
        self.session: PromptSession[str] = PromptSession(
            message=lambda: [("class:prompt", model.prompt())],
            multiline=True,
            completer=RemoteCompleter(link),
            complete_while_typing=False,
            complete_style=CompleteStyle.COLUMN,
            history=history,
            enable_history_search=False,
            key_bindings=self._keys(),
            prompt_continuation=lambda width, _line, _wraps: continuation(" " * width),
            lexer=DynamicLexer(lambda: self._lexer),
            style=_STYLE,
            include_default_pygments_style=colored,
            reserve_space_for_menu=6,
            input_processors=[TabsProcessor(char1=" ", char2=" ")],
            enable_open_in_editor=True,
        )
        self.session.default_buffer.on_text_changed += self._changed

    async def read(self) -> str:
        """One input.

        Raises:
            EOFError: Ctrl-D on an empty line.
            KeyboardInterrupt: Ctrl-C: the line is cleared.
        """
        self._signature = None
        self.session.bottom_toolbar = None
        text = await self.session.prompt_async(handle_sigint=False, pre_run=self._load_lexer)
        keys = get_typeahead(self.session.app.input)
        self.interrupted = any(key.key is Keys.ControlC for key in keys)
        if not self.interrupted:
            store_typeahead(self.session.app.input, keys)
        return text

    def above(self, show: Callable[[], None]) -> None:
        """Runs `show`, which prints, with the prompt out of the way."""
        app = self.session.app
        if app.is_running:
            from prompt_toolkit.application import run_in_terminal

            with_app = app.context
            if with_app is None:
                show()
            else:
                with_app.copy().run(run_in_terminal, show)
        else:
            show()

    def clear(self) -> bool:
        """Ctrl-C from outside the terminal: as the key. Whether there was a prompt to clear."""
        app = self.session.app
        if not app.is_running or app.is_done:
            return False
        app.exit(exception=KeyboardInterrupt())
        return True

    def leave(self) -> None:
        """Ends the waiting for an input, as Ctrl-D does."""
        app = self.session.app
        if app.is_running and not app.is_done:
            app.exit(exception=EOFError())

    def redraw(self) -> None:
        """The prompt has changed."""
        self.session.app.invalidate()

    def _load_lexer(self) -> None:
        """After the first prompt is drawn, which this would delay."""
        if isinstance(self._lexer, SimpleLexer):
            asyncio.get_running_loop().call_later(_SETTLED, self._settle)

    def _settle(self) -> None:
        gc.enable()
        gc.freeze()  # what is imported stays
        if not self._colored:
            return
        highlight.prepare()
        from prompt_toolkit.lexers import PygmentsLexer
        from pygments.lexers.python import PythonLexer  # type: ignore[import-untyped]

        self._lexer = _CommandLexer(PygmentsLexer(PythonLexer))
        self.session.app.invalidate()

    # -- signature --

    def _changed(self, buffer: Buffer) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        source = buffer.document.text_before_cursor
        if "(" not in source or source.lstrip().startswith(":"):
            self._show_signature(None)
            return
        self._asking = asyncio.ensure_future(self._ask_signature(source))

    async def _ask_signature(self, source: str) -> None:
        await asyncio.sleep(_PAUSE)
        reply = await self._link.signature(source)
        self._show_signature((reply.signature, reply.doc) if reply and reply.signature else None)

    def _show_signature(self, signature: tuple[str, str] | None) -> None:
        if signature == self._signature:
            return
        self._signature = signature
        if signature is None:
            self.session.bottom_toolbar = None
        else:
            width = output.columns() - 1
            text, doc = (output.printable(" ".join(part.split())) for part in signature)
            line: list[tuple[str, str]] = [("class:signature", output.shorten(text, width))]
            if doc and len(text) + 3 < width:
                line.append(("class:doc", output.shorten(f"   {doc}", width - len(text))))
            self.session.bottom_toolbar = FormattedText(line)
        self.session.app.invalidate()

    # -- keys --

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        editing = has_focus("DEFAULT_BUFFER") & ~is_searching

        @keys.add("enter", filter=editing & ~has_completions)
        def _(event: KeyPressEvent) -> None:
            self._enter(event.current_buffer)

        @keys.add("enter", filter=editing & has_completions)
        def _(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            chosen = (
                buffer.complete_state is not None and buffer.complete_state.current_completion is not None
            )
            buffer.complete_state = None
            if not chosen:
                self._enter(buffer)

        @keys.add("escape", "enter", filter=editing)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.newline(copy_margin=True)

        @Condition
        def in_margin() -> bool:
            return not self.session.default_buffer.document.current_line_before_cursor.strip()

        @keys.add("tab", filter=editing & in_margin & ~has_completions)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("    ")

        @keys.add("backspace", filter=editing & in_margin)
        def _(event: KeyPressEvent) -> None:
            before = event.current_buffer.document.current_line_before_cursor
            event.current_buffer.delete_before_cursor((len(before) - 1) % 4 + 1 if before else 1)

        return keys

    def _enter(self, buffer: Buffer) -> None:
        """Runs what is complete; begins a new line, indented, in what is not, or inside of a block."""
        text = buffer.text
        below = buffer.document.text_after_cursor.strip()
        if not text.strip() or text.lstrip().startswith(":") or is_simple(text):
            buffer.validate_and_handle()
        elif below and "\n" in text:
            buffer.newline(copy_margin=True)
        else:
            reply = self._link.check(restores(text))
            if reply is not None and reply.state == "incomplete":
                buffer.cursor_position = len(text)
                buffer.insert_text("\n" + " " * reply.indent)
            else:
                buffer.validate_and_handle()


class _CommandLexer(Lexer):
    """Python, except in commands."""

    def __init__(self, python: Lexer) -> None:
        self._python = python
        self._command = SimpleLexer("class:command")

    def lex_document(self, document: Document) -> Callable[[int], Any]:
        """The lexer of this document's kind."""
        chosen = self._command if document.text.lstrip().startswith(":") else self._python
        return chosen.lex_document(document)
