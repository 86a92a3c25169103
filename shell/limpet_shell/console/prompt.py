"""The line editor: prompt_toolkit with completion, signatures and completeness asked from the process.

No failure of the node reaches it: without an answer in time there is no completion, and Enter runs the line.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.cursor_shapes import ModalCursorShapeConfig
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.key_binding.vi_state import InputMode
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout.processors import TabsProcessor
from prompt_toolkit.lexers import DynamicLexer, Lexer, SimpleLexer
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.shortcuts import CompleteStyle, PromptSession
from prompt_toolkit.styles import Style, merge_styles

from limpet_supervisor.model.status import ProcessStatus

from . import highlight, keys
from .completer import RemoteCompleter
from .history import FileHistory
from .link import Link
from .model import Model, continuation
from .settings import TERMINAL, Settings
from .statusbar import StatusBar
from .toolbar import Toolbar

_SETTLED: Final = 0.02
"""Seconds after the first prompt, for what it did not have to wait for."""
_ESCAPE: Final = 0.05
"""Seconds after which an Esc is no beginning of another key."""

_STYLE: Final = Style.from_dict(
    {
        "prompt": "ansigreen",
        "command": "ansicyan",
        "bottom-toolbar": "noreverse",
        "signature": "ansicyan",
        "doc": "ansigray",
        "bar": "ansibrightblack",
        "bar.name": "ansigreen",
        "bar.bad": "ansiyellow",
    }
)


class Prompt:
    """Reads inputs.

    Args:
        model: says what the prompt is.
        link: whom to ask.
        history: the inputs so far.
        settings: the user's.
        colored: whether to colour.
        notice: says what is wrong with the settings.
    """

    def __init__(
        self,
        model: Model,
        link: Link,
        history: FileHistory,
        settings: Settings,
        *,
        colored: bool,
        notice: Callable[[str], None],
    ) -> None:
        self._model = model
        self._link = link
        self._lexer: Lexer = SimpleLexer()
        self._settings = settings
        self._colored = colored
        self._notice = notice
        self.completer = RemoteCompleter(link)
        self.bar = StatusBar(model, self._status, self.refresh, shown=settings.status_bar)
        self.toolbar = Toolbar(link, self.bar, self._toolbar_changed)
        self.interrupted = False
        """Whether Ctrl-C was typed right after the last input; what was typed between the two is dropped."""
        menu = settings.completion == "menu"
        self.session: PromptSession[str] = PromptSession(
            message=self._message,
            multiline=True,
            completer=self.completer if menu else None,
            complete_while_typing=False,
            complete_style=CompleteStyle.COLUMN,
            history=history,
            enable_history_search=True,
            enable_suspend=True,
            key_bindings=keys.bindings(self, menu=menu),
            prompt_continuation=lambda width, _line, _wraps: continuation(" " * width),
            lexer=DynamicLexer(lambda: self._lexer),
            style=_STYLE,
            include_default_pygments_style=colored,
            reserve_space_for_menu=6,
            input_processors=[TabsProcessor(char1=" ", char2=" ")],
            enable_open_in_editor=True,
            tempfile_suffix=".py",
            editing_mode=EditingMode.VI if settings.editing == "vi" else EditingMode.EMACS,
            color_depth=None if colored else ColorDepth.DEPTH_1_BIT,
            cursor=ModalCursorShapeConfig() if settings.editing == "vi" else None,
        )
        self.session.app.ttimeoutlen = _ESCAPE
        self.session.app.terminal_size_polling_interval = None  # SIGWINCH tells it
        self.session.default_buffer.on_text_changed += self.toolbar.follow
        self.session.app.key_processor.after_key_press += lambda _keys: self.bar.touch()

    async def read(self) -> str:
        """One input.

        Raises:
            EOFError: Ctrl-D on an empty line, or twice at the end of one.
            KeyboardInterrupt: Ctrl-C: the line is cleared.
        """
        self.toolbar.reset()
        self.bar.touch()
        watching = asyncio.ensure_future(self.bar.watch())
        try:
            text = await self.session.prompt_async(handle_sigint=False, pre_run=self._load_lexer)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        typed = get_typeahead(self.session.app.input)
        self.interrupted = any(key.key is Keys.ControlC for key in typed)
        if not self.interrupted:
            store_typeahead(self.session.app.input, typed)
        return text

    def _message(self) -> FormattedText:
        return FormattedText([("class:prompt", self._model.prompt(self._width()))])

    def _width(self) -> int:
        return self.session.app.output.get_size().columns

    # -- what the keys act on --

    def check(self, source: str) -> tuple[str, int]:
        """Whether `source` is complete, incomplete or invalid, and the next line's indentation."""
        reply = self._link.check(source)
        return ("complete", 0) if reply is None else (reply.state, reply.indent)

    def above(self, show: Callable[[], None]) -> None:
        """Runs `show`, which prints, with the prompt out of the way."""
        context = self.session.app.context if self.session.app.is_running else None
        if context is None:
            show()
        else:
            context.copy().run(run_in_terminal, show)

    def say(self, text: str) -> None:
        """Tells something below the prompt."""
        self.toolbar.say(text)

    def toggle_bar(self) -> None:
        """Shows or hides the status bar."""
        self.bar.toggle()
        self.toolbar.refresh()

    # -- from elsewhere --

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

    def refresh(self) -> None:
        """The prompt, or the bar, has changed."""
        self.session.app.invalidate()

    def _toolbar_changed(self, shown: bool) -> None:
        self.session.bottom_toolbar = self._bottom if shown else None
        self.refresh()

    def _bottom(self) -> FormattedText:
        app = self.session.app
        navigating = app.editing_mode is EditingMode.VI and app.vi_state.input_mode is InputMode.NAVIGATION
        return self.toolbar.line(self._width() - 1, "-- vi --" if navigating else "")

    def _status(self, instance: str) -> Awaitable[ProcessStatus | None]:
        return self._link.status(instance)

    def _load_lexer(self) -> None:
        """After the first prompt is drawn, which this would delay."""
        if isinstance(self._lexer, SimpleLexer):
            asyncio.get_running_loop().call_later(_SETTLED, self._settle)

    def _settle(self) -> None:
        gc.enable()
        gc.freeze()  # what is imported stays
        if not self._colored:
            return
        theme = self._settings.theme
        if wrong := highlight.use(theme):
            self._notice(wrong)
        elif theme != TERMINAL:
            from prompt_toolkit.styles import style_from_pygments_cls
            from pygments.styles import get_style_by_name  # type: ignore[import-untyped]

            self.session.style = merge_styles([style_from_pygments_cls(get_style_by_name(theme)), _STYLE])
        highlight.prepare()
        from prompt_toolkit.lexers import PygmentsLexer
        from pygments.lexers.python import PythonLexer  # type: ignore[import-untyped]

        self._lexer = _CommandLexer(PygmentsLexer(PythonLexer))
        self.refresh()


class _CommandLexer(Lexer):
    """Python, except in commands."""

    def __init__(self, python: Lexer) -> None:
        self._python = python
        self._command = SimpleLexer("class:command")

    def lex_document(self, document: Document) -> Callable[[int], Any]:
        """The lexer of this document's kind."""
        chosen = self._command if document.text.lstrip().startswith(":") else self._python
        return chosen.lex_document(document)
