"""Where answers go: below the input while one is worked on, above the prompt while it waits for the next."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from limpet_shell import output
from limpet_shell.fitting import fitted
from limpet_shell.render import Paint

from . import highlight

_UNFINISHED: Final = re.compile(r"\x1b(\[[0-9;]*)?\Z")
_ALLOWED: Final = re.compile(r"(\x1b\[[0-9;]*m|[\t\n\r\b])")


class Filter:
    """Lets colours and the movement of plain printing pass, and escapes all other control.

    A colour that is cut in two by the stream is held back until the rest of it comes.
    """

    def __init__(self) -> None:
        self._held = ""

    def __call__(self, text: str) -> str:
        """What may be written of `text` now."""
        text = self._held + text
        self._held = ""
        if found := _UNFINISHED.search(text):
            self._held = text[found.start() :]
            text = text[: found.start()]
        if text.isprintable():
            return text
        parts = _ALLOWED.split(text)
        return "".join(part if k % 2 else output.printable(part) for k, part in enumerate(parts))

    def rest(self) -> str:
        """What is held back, when no more comes: it was no colour."""
        held, self._held = self._held, ""
        return output.printable(held)


class Screen:
    """Prints for the console.

    Args:
        paint: colours, or not.
        above: runs a function with the prompt out of the way, if one waits.
    """

    def __init__(self, paint: Paint, above: Callable[[Callable[[], None]], None] | None = None) -> None:
        self.paint = paint
        self.colored = paint is output.paint
        self._above = above
        self._filters = {"stdout": Filter(), "stderr": Filter()}
        self._at_start = True
        self._working = False

    def working(self, text: str) -> None:
        """Shows what is waited for, in a line that gives way to whatever is printed next; empty: nothing."""
        if not self._at_start or not (text or self._working):
            return
        shown = self.paint(output.shorten(text, output.columns() - 1), "dim")
        self._working = bool(text)
        output.write(f"\r\x1b[K{shown if text else ''}", end="")
        output.flush()

    def lines(self, lines: Iterable[str]) -> None:
        """Prints lines."""
        text = "\n".join(lines)
        if text:
            self._put(f"{text}\n")

    def notice(self, text: str, style: str = "dim") -> None:
        """Says something that nobody asked for; a line that is too long goes on between two words."""
        from textwrap import wrap

        width = max(output.columns() - 1, 1)
        shown = [output.printable_line(line) for line in text.split("\n")]
        parts = [
            part
            for line in shown
            for part in (wrap(line, width, break_on_hyphens=False) if len(line) > width else [line])
        ]
        self.lines([self.paint(part, style) for part in parts])

    def error(self, text: str) -> None:
        """Prints an error of ours."""
        self.notice(text, "red")

    def evaluated(self, stream: str, text: str) -> None:
        """Prints what an evaluation prints, as it comes."""
        shown = self._filters.setdefault(stream, Filter())(text)
        if shown:
            self._at_start = shown.endswith("\n")
            self._put(self.paint(shown, "yellow") if stream == "stderr" and shown.strip() else shown)

    def finish_line(self) -> None:
        """Ends a line that an evaluation has left open, and shows what of its output was held back."""
        for held in self._filters.values():
            if rest := held.rest():
                self._at_start = False
                self._put(rest)
        if not self._at_start:
            self._at_start = True
            self._put("\n")

    def value(self, text: str, data: Any = None) -> None:
        """Prints a value's repr; the table of a look, whose `data` is given, as wide as the terminal."""
        self.finish_line()
        shown = Filter()(fitted(text, data, output.columns()))
        self._put((highlight.python(shown) if self.colored else shown) + "\n")

    def traceback(self, text: str) -> None:
        """Prints a traceback."""
        self.finish_line()
        shown = Filter()(text.rstrip("\n"))
        self._put((highlight.traceback(shown) if self.colored else shown) + "\n")

    def _put(self, text: str) -> None:
        if self._working:
            self._working = False
            text = f"\r\x1b[K{text}"

        def write() -> None:
            output.write(text, end="")
            output.flush()

        if self._above is None:
            write()
        else:
            self._above(write)
