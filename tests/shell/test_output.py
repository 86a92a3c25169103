"""Tables, colour rules, escapes and progress."""

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet_shell import output
from support.terminal import Terminal


@pytest.mark.parametrize(
    ("terminal", "flag", "environ", "wanted"),
    [
        (True, "auto", {"TERM": "xterm"}, True),
        (True, "auto", {"TERM": "dumb"}, False),
        (True, "auto", {}, False),
        (False, "auto", {"TERM": "xterm"}, False),
        (True, "auto", {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, "auto", {"TERM": "xterm", "NO_COLOR": ""}, True),
        (False, "auto", {"FORCE_COLOR": "1"}, True),
        (True, "auto", {"TERM": "xterm", "FORCE_COLOR": "0"}, False),
        (False, "auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (False, "always", {"NO_COLOR": "1"}, True),
        (True, "never", {"TERM": "xterm", "FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_is_decided_by_flag_then_variables_then_terminal(
    terminal: bool, flag: str, environ: dict[str, str], wanted: bool
) -> None:
    assert output.wants_color(terminal, flag, environ) is wanted


def test_a_table_is_aligned_with_numbers_to_the_right() -> None:
    lines = output.table(("NAME", "PID"), [("web.1", "7"), ("a", "4242")], right=frozenset({1}))
    assert lines == ["NAME    PID", "web.1     7", "a      4242"]


def test_colour_does_not_disturb_the_alignment() -> None:
    rows = [("web.1", "x"), ("a", "y")]
    plain = output.table(("NAME", "S"), rows)
    colored = output.table(("NAME", "S"), rows, style=lambda *_: "green", color=output.paint)
    assert [_without_codes(line) for line in colored] == plain
    assert "\x1b[32mweb.1\x1b[0m" in colored[1]


def test_wide_and_combining_characters_are_counted_as_a_terminal_draws_them() -> None:
    assert output.width_of("書店") == 4
    assert output.width_of("e\u0301") == 1
    lines = output.table(("N", "S"), [("書店", "x"), ("shop", "y")])
    assert lines == ["N     S", "書店  x", "shop  y"]


def test_the_last_column_gives_way_to_the_width() -> None:
    lines = output.table(("N", "REASON"), [("web", "exit code 1; next try in 3s")], width=20)
    assert lines[1] == "web  exit code 1; n…"
    assert all(output.width_of(line) <= 20 for line in lines)


def test_control_characters_in_cells_can_only_be_read() -> None:
    assert output.table(("N",), [("a\x1b[31m\nb\x07",)])[1] == "a\\x1b[31m\\nb\\x07"


@given(st.text())
def test_whatever_is_printable_has_no_control_characters(text: str) -> None:
    assert output.printable(text).isprintable()


def test_a_line_of_a_process_keeps_its_colours_and_nothing_else() -> None:
    line = "\x1b[31mred\x1b[0m\ttab \x1b]0;title\x07 \x1b[2J \x9b1m"
    shown = output.printable_line(line)
    assert shown == "\x1b[31mred\x1b[0m\ttab \\x1b]0;title\\x07 \\x1b[2J \\x9b1m\x1b[0m"


def test_text_is_shortened_by_columns() -> None:
    assert output.shorten("abcdef", 6) == "abcdef"
    assert output.shorten("abcdefg", 6) == "abcde…"
    assert output.shorten("書店書店", 5) == "書店…"


def test_the_width_is_columns_if_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "33")
    assert output.columns() == 33
    monkeypatch.setenv("COLUMNS", "many")
    assert output.columns() > 0


PROGRESS = """
import sys, tty
from limpet_shell import output
tty.setcbreak(0)
with output.Progress() as progress:
    progress("waiting for web.1\\nand for worker.1")
    sys.stdin.read(1)
output.write("done")
"""


def test_progress_is_shown_on_a_terminal_and_gone_afterwards(environ: dict[str, str]) -> None:
    with Terminal([sys.executable, "-c", PROGRESS], environ) as terminal:
        terminal.wait_for("waiting for web.1; and for worker.1 (")
        terminal.send("x")
        terminal.wait_for("done")
        assert terminal.wait() == 0
        assert "waiting" not in terminal.text


def test_what_is_quick_shows_no_progress(environ: dict[str, str]) -> None:
    """Under 300 ms there is nothing to see."""
    program = (
        "from limpet_shell import output as o\nwith o.Progress() as p:\n    p('waiting')\no.write('done')"
    )
    with Terminal([sys.executable, "-c", program], environ) as terminal:
        terminal.wait_for("done")
        terminal.wait()
        assert b"waiting" not in terminal.raw


def test_in_a_pipe_there_is_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with output.Progress() as progress:
        progress("waiting")
    captured = capsys.readouterr()
    assert captured.err == captured.out == ""


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The tests' environment without what decides on colours."""
    import os

    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return dict(os.environ)


def _without_codes(line: str) -> Any:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip()
