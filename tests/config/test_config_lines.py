"""The line of each key, whatever stands between them."""

import string
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet_supervisor.config.lines import key_lines, line_of
from limpet_supervisor.config.wording import dotted, shown
from support.configuration import CALM, toml


def keys_of(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """The paths of all keys in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: set[tuple[str | int, ...]] = set()
    for key, item in items:
        found |= {(*path, key)} | keys_of(item, (*path, key))
    return found


TEXT = '''
title = "a [table] # no comment"   # a comment = with [brackets]
text = """
fake = 1
[fake.table] \\""" still
"""
raw = \'\'\'
fake = 2\'\'\'
a.b."c d" = [ # begins
  "x", { k = "]", "l" = [1, 2] },

  """}""",
]
[tables.'one.two']
key = 1979-05-27 07:32:00
[[many]]
n = 1
[[many]]
n = 2
[many.below]
x = { y = { z = 3 } }
[[many.deeper]]
q = "\\"#"
'''


def test_each_key_has_its_line() -> None:
    lines = key_lines(TEXT)
    document = tomllib.loads(TEXT)
    assert keys_of(document) - lines.keys() <= {("tables",)}
    assert {
        ("title",): 2,
        ("text",): 3,
        ("raw",): 7,
        ("a", "b", "c d"): 9,
        ("a", "b", "c d", 0): 10,
        ("a", "b", "c d", 1, "k"): 10,
        ("a", "b", "c d", 1, "l", 1): 10,
        ("a", "b", "c d", 2): 12,
        ("tables", "one.two"): 14,
        ("tables", "one.two", "key"): 15,
        ("many", 0): 16,
        ("many", 0, "n"): 17,
        ("many", 1): 18,
        ("many", 1, "n"): 19,
        ("many", 1, "below"): 20,
        ("many", 1, "below", "x", "y", "z"): 21,
        ("many", 1, "deeper", 0, "q"): 23,
    }.items() <= lines.items()
    assert ("fake",) not in lines


def test_what_has_no_line_has_that_of_what_it_is_in() -> None:
    lines = key_lines("[a]\nb = 1\n")
    assert line_of(lines, ("a", "b", "c")) == 2
    assert line_of(lines, ("a", "x", "y")) == 1
    assert line_of(lines, ("x",)) == 0


_KEYS = st.text(string.ascii_letters + "-_. é\"#='", min_size=1, max_size=6).filter(
    lambda key: "'" not in key
)
_LEAVES = st.one_of(st.integers(0, 99), st.booleans(), st.text(string.printable, max_size=12))
_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3)
)


@CALM
@given(st.lists(st.tuples(_KEYS, _VALUES), max_size=5, unique_by=lambda pair: pair[0]))
def test_every_key_of_any_document_is_found_on_its_line(pairs) -> None:
    text = "".join(f"# {{[\n\n'{key}' = {toml(value)} # ]\n" for key, value in pairs)
    document = tomllib.loads(text)
    lines = key_lines(text)
    assert keys_of(document) <= lines.keys()
    assert [lines[key,] for key, _ in pairs] == [3 * (index + 1) for index in range(len(pairs))]


@CALM
@given(st.text(alphabet="ab[]{}=,.'\"#\n\\ ", max_size=40))
def test_no_text_does_harm(text: str) -> None:
    key_lines(text)


@pytest.mark.parametrize(
    ("path", "text"), [((), ""), (("a", "b-c", 0, "d e", 1, 2), 'a.b-c[0]."d e"[1][2]'), (("",), '""')]
)
def test_paths_are_written_as_in_toml(path, text: str) -> None:
    assert dotted(path) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"), (3, "3"), (1.5, "1.5"), ("a", '"a"'), ([1], "a list"), ({}, "a table"),
        ("a\x1b[0m\n", '"a\\x1b[0m\\n"'),
        ("x" * 100, '"' + "x" * 57 + '..."'), (10**30, "a number of more than 63 bits"),
    ],
)  # fmt: skip
def test_what_was_found_is_shown_short_and_harmless(value, text: str) -> None:
    assert shown(value) == text
