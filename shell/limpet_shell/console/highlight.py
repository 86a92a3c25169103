"""Python and tracebacks in colour. Pygments costs 20 ms of import, so it is loaded when first needed."""

import os
from typing import Any, Final

from .settings import TERMINAL

MAX_COLORED: Final = 16 * 1024
"""Characters; longer text is shown as it is."""

_theme = TERMINAL


def use(theme: str) -> str:
    """Chooses the theme; what is wrong with it, if it is none."""
    global _theme  # noqa: PLW0603 - one terminal, one theme
    if theme != TERMINAL:
        from pygments.styles import get_all_styles  # type: ignore[import-untyped]

        names = sorted(get_all_styles())
        if theme not in names:
            from difflib import get_close_matches

            near = get_close_matches(theme, names, n=1)
            return f"there is no theme {theme}; " + (
                f"did you mean {near[0]}?" if near else f"there are terminal, {', '.join(names)}"
            )
    _theme = theme
    return ""


def python(text: str) -> str:
    """A value's repr, coloured for a terminal."""
    return _colored(text, "PythonLexer")


def traceback(text: str) -> str:
    """A traceback, coloured for a terminal."""
    return _colored(text, "PythonTracebackLexer")


def prepare() -> None:
    """Loads what colouring needs."""
    python("0")


def _colored(text: str, lexer: str) -> str:
    if len(text) > MAX_COLORED:
        return text
    from pygments import highlight  # type: ignore[import-untyped]
    from pygments.lexers import python as lexers  # type: ignore[import-untyped]

    # stripnl and ensurenl are off: text comes back with the same lines.
    made = getattr(lexers, lexer)(stripnl=False, ensurenl=False)
    return str(highlight(text, made, _formatter())).rstrip("\n")


def _formatter() -> Any:
    if _theme == TERMINAL:
        from pygments.formatters.terminal import TerminalFormatter  # type: ignore[import-untyped]

        return TerminalFormatter(bg="dark")
    from pygments.formatters import terminal256  # type: ignore[import-untyped]

    full = os.environ.get("COLORTERM") in ("truecolor", "24bit")
    return (terminal256.TerminalTrueColorFormatter if full else terminal256.Terminal256Formatter)(
        style=_theme
    )
