"""The console without a terminal: what an input is, the prompt, the history, what may be shown."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet_shell.console import history
from limpet_shell.console.model import (
    Input,
    Kind,
    Model,
    Place,
    continuation,
    is_simple,
    parse,
    restores,
)
from limpet_shell.console.screen import Filter, Screen
from limpet_shell.output import plain


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", Input(Kind.NOTHING, "")),
        ("  \n ", Input(Kind.NOTHING, "")),
        ("1 + 1", Input(Kind.CODE, "1 + 1")),
        ("def f():\n    return 1\n", Input(Kind.CODE, "def f():\n    return 1")),
        (":ps", Input(Kind.COMMAND, "ps")),
        ("  : restart web ", Input(Kind.COMMAND, "restart web")),
        ("exit()", Input(Kind.LEAVE, "")),
        ("quit", Input(Kind.LEAVE, "")),
        ("exit(1)", Input(Kind.CODE, "exit(1)")),
    ],
)
def test_an_input_is_code_a_command_or_the_wish_to_leave(text: str, wanted: Input) -> None:
    assert parse(text) == wanted


def test_the_prompt_names_node_host_process_and_the_next_number() -> None:
    model = Model("bookshop", "host")
    assert model.prompt() == "bookshop@host [1]> "
    assert model.moved(Place("web.1", 42, "3.11.7", 1))
    assert model.prompt() == "bookshop@host web.1 [1]> "
    model.evaluated(1)
    assert model.prompt() == "bookshop@host web.1 [2]> "


def test_each_process_counts_its_own_inputs_and_a_new_one_from_1() -> None:
    """N is that of Out[n], which is in the process."""
    model = Model("bookshop", "host")
    model.moved(Place("web.1", 42, "3.11.7", 1))
    model.evaluated(7)
    assert model.moved(Place("worker.1", 43, "3.11.7", 0))
    assert model.number == 1
    assert model.moved(Place("web.1", 42, "3.11.7", 1))
    assert model.number == 8
    assert not model.moved(Place("web.1", 42, "3.11.7", 1))
    assert model.moved(Place("web.1", 99, "3.11.7", 1))
    assert model.number == 1


def test_a_continuation_is_as_wide_as_the_prompt() -> None:
    assert continuation("shop@host web.1 [1]> ") == "                 ... "


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x", "x"),
        ("if x:\n    y", "if x:\n    y"),
        ("if x:\n    y\n    ", "if x:\n    y\n"),
        ("if x:\n    y\n", "if x:\n    y\n"),
    ],
)
def test_a_line_of_spaces_ends_its_block(text: str, wanted: str) -> None:
    assert restores(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1 + 1", True),
        ("  x = 1; y = 2", True),
        ("await f()", True),
        ("'\\d'", True),
        ("f(", False),
        ("'''open", False),
        ("def f(): pass", False),
        ("if x: y", False),
        ("@decorator", False),
        ("x = 1\ny = 2", False),
        ("1 +* 2", False),
    ],
)
def test_a_simple_line_needs_no_question(text: str, wanted: bool) -> None:
    assert is_simple(text) is wanted


@given(st.text())
def test_an_input_is_one_line_of_the_history_and_comes_back_as_it_was(text: str) -> None:
    text = text.replace("\r", "")
    line = history.encode(text)
    assert "\n" not in line
    assert history.decode(line) == text


def test_the_history_is_its_users_alone_and_newest_first(tmp_path: Path) -> None:
    path = tmp_path / "state" / "limpet" / "bookshop" / "history"
    first = history.FileHistory(str(path), 100_000_000)
    for text in ("1", "def f():\n    pass", " secret"):
        first.store_string(text)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(history.FileHistory(str(path), 100_000_000).load_history_strings()) == [
        "def f():\n    pass",
        "1",
    ]


def test_a_history_on_a_full_disk_costs_the_input_not_the_console() -> None:
    """The exception came up where the prompt takes an input, and ended the console."""
    history.FileHistory("/dev/full", 100).store_string("1 + 1")


def test_a_history_that_grows_too_large_loses_its_older_half(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_text("".join(f"{k:07}\n" for k in range(history.MAX_BYTES // 8 + 1)))
    loaded = list(history.FileHistory(str(path), 100_000_000).load_history_strings())
    assert loaded[0] == f"{history.MAX_BYTES // 8:07}"
    assert 0 < path.stat().st_size < history.MAX_BYTES
    assert [f"{line}\n" for line in reversed(loaded)] == path.read_text().splitlines(keepends=True)


def test_a_history_that_cannot_be_shortened_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was emptied first, and the disk was full then."""
    path = tmp_path / "history"
    path.write_text(before := "".join(f"{k}\n" for k in range(100)))

    opened = os.open

    def open_full(place: str, flags: int, mode: int = 0o777) -> int:
        descriptor = opened(place, flags, mode)
        if flags & os.O_WRONLY:
            os.dup2(device, descriptor)
        return descriptor

    device = opened("/dev/full", os.O_WRONLY)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", open_full)
        loaded = list(history.FileHistory(str(path), 10).load_history_strings())
    os.close(device)
    assert loaded == [str(k) for k in range(99, 89, -1)]
    assert path.read_text() == before
    assert os.listdir(tmp_path) == ["history"]


def test_without_a_file_that_can_be_written_the_history_is_empty() -> None:
    kept = history.FileHistory("/proc/nowhere/history", 10)
    kept.store_string("1")
    assert list(kept.load_history_strings()) == []


def test_the_history_is_where_xdg_says() -> None:
    assert history.path_of("shop", {"XDG_STATE_HOME": "/s", "HOME": "/h"}) == "/s/limpet/shop/history"
    assert history.path_of("shop", {"HOME": "/h"}) == "/h/.local/state/limpet/shop/history"


def test_what_code_prints_keeps_colours_and_returns_and_loses_other_control() -> None:
    shown = Filter()
    assert shown("\x1b[31mred\x1b[0m\r\n\t\x1b[2J\x07") == "\x1b[31mred\x1b[0m\r\n\t\\x1b[2J\\x07"


def test_an_escape_at_the_very_end_is_shown_when_no_more_comes(capsys: pytest.CaptureFixture[str]) -> None:
    """It came up in the middle of what was evaluated next."""
    screen = Screen(plain)
    screen.evaluated("stdout", "one\x1b")
    screen.finish_line()
    screen.evaluated("stdout", "two\n")
    screen.finish_line()
    assert capsys.readouterr().out == "one\\x1b\ntwo\n"


def test_a_colour_that_is_cut_in_two_is_put_together() -> None:
    shown = Filter()
    assert shown("a\x1b[3") + shown("1mb") == "a\x1b[31mb"
