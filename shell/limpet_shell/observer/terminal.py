"""The observer on a terminal: keys and mouse in, the screen out (prompt_toolkit)."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from prompt_toolkit.application import Application
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import Layout, UIContent, UIControl, Window
from prompt_toolkit.mouse_events import MouseEvent, MouseEventType
from prompt_toolkit.output import ColorDepth, Output
from prompt_toolkit.styles import Style

from limpet_supervisor.client.aio import AsyncClient

from .link import Link
from .state.model import Model, Wish
from .views import screen, styles
from .views.frame import WITHOUT_UNICODE, Frame

_KEYS: Final = {
    Keys.Up: "up",
    Keys.Down: "down",
    Keys.Left: "left",
    Keys.Right: "right",
    Keys.PageUp: "pageup",
    Keys.PageDown: "pagedown",
    Keys.Home: "home",
    Keys.End: "end",
    Keys.Enter: "enter",
    Keys.Escape: "escape",
    Keys.Tab: "tab",
    Keys.BackTab: "s-tab",
    Keys.Backspace: "backspace",
    Keys.F1: "f1",
}
_WHEEL: Final = 3
"""Lines that a turn of the wheel moves."""
_ESCAPE: Final = 0.05
"""Seconds after which an Escape is no beginning of another key."""


class Screen(UIControl):
    """Draws the model, and knows what a click means.

    Args:
        model: what is drawn.
        pressed: called with what a click asks for.
        unicode: whether the terminal shows more than ASCII.
    """

    def __init__(self, model: Model, pressed: Callable[[Wish | None], None], *, unicode: bool) -> None:
        self._model = model
        self._pressed = pressed
        self._unicode = unicode
        self._frame = Frame(0, 0)

    def is_focusable(self) -> bool:
        """It takes all keys."""
        return True

    def create_content(self, width: int, height: int) -> UIContent:
        """The screen of that size."""
        self._frame = screen.draw(self._model, width, height)
        lines: list[StyleAndTextTuples] = [
            [(_classes(style), self._shown(text)) for style, text in line] for line in self._frame.lines
        ]
        return UIContent(get_line=lambda number: lines[number], line_count=len(lines), show_cursor=False)

    def _shown(self, text: str) -> str:
        return text if self._unicode else text.translate(WITHOUT_UNICODE).encode("ascii", "replace").decode()

    def mouse_handler(self, mouse_event: MouseEvent) -> None:
        """A click, or the wheel."""
        match mouse_event.event_type:
            case MouseEventType.SCROLL_UP:
                self._model.scroll(-_WHEEL)
            case MouseEventType.SCROLL_DOWN:
                self._model.scroll(_WHEEL)
            case MouseEventType.MOUSE_UP:
                at = mouse_event.position
                for hit in self._frame.hits:
                    if hit.y == at.y and hit.left <= at.x < hit.right:
                        self._pressed(self._model.click(hit.action, hit.value))
                        return
            case _:
                pass


def _classes(style: str) -> str:
    return " ".join(f"class:{word}" for word in style.split())


class Terminal:
    """The application.

    Args:
        model: what it shows.
        connect: makes a connection to the node.
        coloured: whether there are colours.
        input: where keys come from; default: the terminal.
        output: where the screen goes; default: the terminal.
    """

    def __init__(
        self,
        model: Model,
        connect: Callable[[], Awaitable[AsyncClient]],
        *,
        coloured: bool,
        unicode: bool = True,
        input: Input | None = None,  # noqa: A002 - prompt_toolkit's own name for it
        output: Output | None = None,
    ) -> None:
        self.model = model
        self.app: Application[None] = Application(
            layout=Layout(Window(Screen(model, self._follow_up, unicode=unicode), always_hide_cursor=True)),
            key_bindings=self._keys(),
            style=Style.from_dict(styles.COLOURED if coloured else styles.PLAIN),
            color_depth=ColorDepth.DEPTH_4_BIT if coloured else ColorDepth.DEPTH_1_BIT,
            full_screen=True,
            mouse_support=True,
            include_default_pygments_style=False,
            enable_page_navigation_bindings=False,
            terminal_size_polling_interval=None,  # SIGWINCH tells it
            input=input,
            output=output,
        )
        self.app.ttimeoutlen = _ESCAPE
        self.app.timeoutlen = _ESCAPE
        self.link = Link(model, connect, self.app.invalidate)

    async def run(self) -> None:
        """Until the user leaves."""
        asking = asyncio.ensure_future(self.link.run())
        try:
            await self.app.run_async(handle_sigint=False)
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking

    def _follow_up(self, wish: Wish | None) -> None:
        """What a key or a click asks for beyond a new drawing."""
        act, self.model.acting = self.model.acting, None
        if act is not None:
            self.link.act(act)
        leaving = self.app.future is None or self.app.future.done()
        if wish is Wish.LEAVE and not leaving:
            self.app.exit()
        elif wish is Wish.ASK:
            self.link.ask()

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        def press(event: KeyPressEvent) -> None:
            pressed = event.key_sequence[0]
            name = _KEYS.get(pressed.key) if isinstance(pressed.key, Keys) else None
            self._follow_up(self.model.press(name or ("space" if pressed.data == " " else pressed.data)))

        for key in _KEYS:
            keys.add(key)(press)
        keys.add(Keys.Any)(press)

        @keys.add("c-c")
        @keys.add("c-d")
        def _(_event: KeyPressEvent) -> None:
            self._follow_up(Wish.LEAVE)

        @keys.add("c-l")
        def _(event: KeyPressEvent) -> None:
            event.app.renderer.clear()

        @keys.add("c-z")
        def _(event: KeyPressEvent) -> None:
            event.app.suspend_to_background()

        return keys


def shows_unicode(environ: "os._Environ[str]") -> bool:
    """Whether the terminal shows more than ASCII, by the locale's variables."""
    named = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    return "utf" in named.lower() or not named
