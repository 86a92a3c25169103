"""Python and tracebacks in colour. Pygments costs 20 ms of import, so it is loaded when first needed."""

from typing import Final

MAX_COLORED: Final = 16 * 1024
"""Characters; longer text is shown as it is."""


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
    from pygments.formatters.terminal import TerminalFormatter  # type: ignore[import-untyped]
    from pygments.lexers import python as lexers  # type: ignore[import-untyped]

    # stripnl and ensurenl are off: text comes back with the same lines.
    made = getattr(lexers, lexer)(stripnl=False, ensurenl=False)
    return str(highlight(text, made, TerminalFormatter(bg="dark"))).rstrip("\n")
