"""Tables of looks, and lists of help, in terminals that are too narrow for them."""

import pytest

from limpet.stage1.view import View
from limpet_shell import cli
from limpet_shell.console.model import NAMES
from limpet_shell.fitting import fitted, flowed, listed
from limpet_shell.output import plain

VIEW = View(
    "refs",
    [
        {"how": "key 'app' of module bookshop.web", "count": 12345, "at": None, "seen": 0.25},
        {
            "how": "",
            "count": 1,
            "at": "ProxyHeadersMiddleware.__call__ uvicorn/middleware.py:60",
            "seen": 1.5,
        },
    ],
    units={"seen": "seconds"},
    notes=["2 of many, and this line is longer than what fits into the terminal of the test"],
)
TEXT = repr(VIEW)


def test_a_table_that_fits_is_as_it_was_written() -> None:
    assert fitted(TEXT, VIEW.data, 130) == TEXT


@pytest.mark.parametrize("width", [60, 80, 100])
def test_the_widest_texts_of_a_table_are_cut_in_their_middle(width: int) -> None:
    *table, note = fitted(TEXT, VIEW.data, width).split("\n")
    assert note == TEXT.split("\n")[-1]
    assert [len(line) <= width for line in table] == [True] * 3
    assert table[0].split() == ["HOW", "COUNT", "AT", "SEEN"]
    assert all(number in table[1] for number in ("12,345", "250.0ms"))
    assert "…" in table[2]
    assert table[2].split()[-1] == "1.5s"
    assert ".py:60" in table[2]  # the line stays


def test_a_table_that_cannot_fit_is_as_it_was_written() -> None:
    assert fitted(TEXT, VIEW.data, 20) == TEXT


def test_a_column_without_a_cell_goes_first() -> None:
    rows = [{"task": "Task-1", "coroutine": "Server.serve", "at": "sleep tasks.py:649", "by": ""}]
    view = View("tasks", rows)
    assert fitted(repr(view), view.data, 42).split("\n") == [
        "TASK    COROUTINE     AT",
        "Task-1  Server.serve  sleep tasks.py:649",
    ]


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("x" * 200, None),
        ("x" * 200, {"kind": "trace", "rows": [{"event": "call"}], "columns": ["event"]}),
        ("x" * 200, [1, 2]),
        ("HOW  " + "x" * 200, {"rows": [], "columns": ["how"]}),
    ],
)
def test_what_is_no_table_is_left_alone(text: str, data: object) -> None:
    assert fitted(text, data, 40) == text


@pytest.mark.parametrize("width", [30, 40, 60, 80])
def test_help_wraps_between_words(width: int) -> None:
    lines = listed(NAMES, width, plain)
    assert max(map(len, lines)) < width
    words = " ".join(f"{name} {text}" for name, text in NAMES).split()
    assert (
        " ".join(lines).split() == words if width < 56 else sorted(" ".join(lines).split()) == sorted(words)
    )


def test_prose_flows_and_a_list_keeps_its_columns() -> None:
    text = "One line that is\nbroken early.\n\n"
    text += "  rpc -    reads what to evaluate\n  rpc E    evaluates\n\nThe end."
    assert flowed(text, 36) == [
        "One line that is broken early.",
        "",
        "  rpc -    reads what to evaluate",
        "  rpc E    evaluates",
        "",
        "The end.",
    ]
    assert flowed("  rpc --all    in every process that has an agent", 40) == [
        "  rpc --all    in every process that has",
        "               an agent",
    ]
    assert flowed("", 80) == [""]


@pytest.mark.parametrize("verb", sorted(cli.VERBS))
def test_the_help_of_no_verb_is_wider_than_the_terminal(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = cli.parser_of(verb, cli.load(verb)).format_help().split("\n")
    assert [line for line in lines if len(line) > 80] == []
    assert all(len(line) <= 80 for line in cli.usage().split("\n"))
