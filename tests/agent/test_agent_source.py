"""Is an input complete, and how far is the next line indented?"""

import warnings

import pytest

from limpet.stage1.source import check

CASES = [
    ("1 + 1", "complete", 0),
    ("", "complete", 0),
    ("# a remark", "complete", 0),
    ("x = (1,", "incomplete", 0),
    ("f(", "incomplete", 4),
    ("{'a': [", "incomplete", 4),
    ("'''abc", "incomplete", 0),
    ("1 + \\", "incomplete", 0),
    ("def f():", "incomplete", 4),
    ("def f():\n    return 1", "incomplete", 0),
    ("def f():\n    x = 1", "incomplete", 4),
    ("def f():\n    if x:", "incomplete", 8),
    ("def f():\n    return 1\n", "complete", 0),
    ("for i in x:\n    print(i)\n", "complete", 0),
    ("for i in x: print(i)", "complete", 0),
    ("@decorated", "incomplete", 0),
    ("try:\n    x", "incomplete", 4),
    ("if x:\n    pass", "incomplete", 0),
    ("x = [1,\n     2]", "complete", 0),
    ("f(a,\n  b)", "complete", 0),
    ("await x", "complete", 0),
    ("async with x as y:\n    await y\n", "complete", 0),
    ("class A:\n    def f(self):\n        pass\n", "complete", 0),
    ("a b", "invalid", 0),
    ("1)", "invalid", 0),
    ("'abc", "invalid", 0),
    ("return 1", "complete", 0),  # the tree is fine: the compiler refuses it with a good message
    ("\x00", "invalid", 0),
]


@pytest.mark.parametrize(("source", "state", "indent"), CASES, ids=[repr(case[0]) for case in CASES])
def test_states_and_indentation(source: str, state: str, indent: int) -> None:
    found, error, spaces = check(source, 0)
    assert (found, spaces) == (state, indent)
    assert bool(error) == (state == "invalid")


def test_no_filter_of_the_applications_warnings_is_touched() -> None:
    before = list(warnings.filters)
    check("x = '\\\\d'", 0)
    assert list(warnings.filters) == before
