"""References in strings, and env files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet_supervisor.config.variables import expand, read_env_file
from support.configuration import CALM

ENVIRON = {"A": "one", "EMPTY": "", "PRICE": "$5 ${A}"}


def socket(name: str) -> str:
    if name != "http":
        raise ValueError("no such socket")
    return "3"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", ""),
        ("plain", "plain"),
        ("${A}", "one"),
        ("<${A}>${A}", "<one>one"),
        ("${EMPTY}", ""),
        ("${EMPTY:-x}", "x"),
        ("${GONE:-x}", "x"),
        ("${GONE:-}", ""),
        ("${GONE:-${A}}", "one"),
        ("${GONE:-${ALSO_GONE:-${A}!}}", "one!"),
        ("${GONE:-a:-b}", "a:-b"),
        ("${A:-${not valid}}", "one"),
        ("${sockets.http}", "3"),
        ("${GONE:-${sockets.http}}", "3"),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$$$$", "$$"),
        ("$HOME ^a$ $", "$HOME ^a$ $"),
        ("${PRICE}", "$5 ${A}"),
        ("{}", "{}"),
    ],
)
def test_references(written: str, meant: str) -> None:
    assert expand(written, ENVIRON, socket) == meant


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("${GONE}", "GONE is not set"),
        ("${GONE:-${ALSO}}", "ALSO is not set"),
        ("${A", "without its }"),
        ("${GONE:-${A}", "without its }"),
        ("${}", "is not"),
        ("${A-b}", "is not"),
        ("${1A}", "is not"),
        ("${sockets.http:-3}", "is not"),
        ("${sockets.other}", "no such socket"),
    ],
)
def test_wrong_references(written: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        expand(written, ENVIRON, socket)


@CALM
@given(st.text())
def test_doubled_dollars_make_any_text_literal(text: str) -> None:
    assert expand(text.replace("$", "$$"), {}, socket) == text


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("", {}),
        ("# a comment\n\n  \n", {}),
        ("A=1\nB = two words \nexport C=3\n", {"A": "1", "B": "two words", "C": "3"}),
        ("A=\nB=''\n", {"A": "", "B": ""}),
        ("A=x # why\nB=x#y\nC=# why\n", {"A": "x", "B": "x#y", "C": ""}),
        ('A=\'$B \\n # \'\nB="a\\n\\t\\"\\\\ #" # why\n', {"A": "$B \\n # ", "B": 'a\n\t"\\ #'}),
        ("A='one\ntwo'\nB=3", {"A": "one\ntwo", "B": "3"}),
        ('KEY="-----BEGIN\nabc=\n-----END"\n', {"KEY": "-----BEGIN\nabc=\n-----END"}),
        ("A=1\r\nB='2'\r\n", {"A": "1", "B": "2"}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("URL=postgres://u:p@h/d?x=1\n", {"URL": "postgres://u:p@h/d?x=1"}),
        ("A=it's\n", {"A": "it's"}),
    ],
)
def test_env_files(text: str, variables: dict[str, str]) -> None:
    assert read_env_file(text) == variables


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("A=1\nB\n", "^2: expected NAME=value$"),
        ("1A=1\n", "^1: expected NAME=value$"),
        ("A='x\nB=1\n", "^1: expected the closing quote of A"),
        ("A='x' y\nB='2'\n", "^1: expected the closing quote of A"),
        ("A=\0", "^1: a NUL in A$"),
    ],
)
def test_wrong_env_files(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_env_file(text)


@CALM
@given(st.text())
def test_any_text_is_variables_or_a_problem_with_its_line(text: str) -> None:
    said = "1"
    try:
        read_env_file(text)
    except ValueError as error:
        said = str(error).partition(":")[0]
    assert said.isdigit()
