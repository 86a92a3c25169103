"""Values as text: exactly repr for plain data, bounded and harmless for anything."""

import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.stage1.render import HARD_LIMIT, Text, bounded, clip, type_name

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        | st.sets(st.integers(), max_size=4)
        | st.frozensets(st.text(max_size=3), max_size=4)
        | st.lists(inner, max_size=4).map(collections.deque)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4).map(collections.OrderedDict)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4).map(
            lambda items: collections.defaultdict(list, items)
        )
    ),
    max_leaves=20,
)


@given(plain)
def test_plain_data_reads_as_repr(value) -> None:
    assert bounded(value, HARD_LIMIT) == repr(value)


@given(plain, st.integers(min_value=1, max_value=200))
def test_the_limit_is_kept_roughly(value, limit) -> None:
    assert len(bounded(value, limit)) <= limit + 1200


class Hostile:
    def __init__(self, raises: BaseException) -> None:
        self.raises = raises

    def __repr__(self) -> str:
        raise self.raises


def test_a_repr_that_raises_is_told_in_place_of_the_value() -> None:
    found = bounded([1, Hostile(ValueError("x")), 2])
    assert found.startswith("[1, <Hostile at 0x")
    assert found.endswith(": __repr__ raised ValueError>, 2]")


def test_a_repr_that_returns_no_text_is_told() -> None:
    class Wrong:
        def __repr__(self):
            return 5

    assert "__repr__ raised TypeError" in bounded(Wrong())


def test_a_recursive_repr_is_told() -> None:
    class Again:
        def __repr__(self) -> str:
            return repr(self)

    assert "__repr__ recursed" in bounded(Again())


def test_containers_in_themselves_are_dots() -> None:
    items: list = [1]
    items.append(items)
    table: dict = {}
    table["me"] = table
    assert (bounded(items), bounded(table)) == ("[1, [...]]", "{'me': {...}}")


def test_nothing_of_a_subclass_runs_when_the_repr_is_inherited() -> None:
    class Trap(list):
        def __iter__(self):
            raise AssertionError

        def __len__(self) -> int:
            raise AssertionError

    class Text2(str):
        __slots__ = ()

        def __len__(self) -> int:
            raise AssertionError

    assert bounded(Trap([1, 2])) == "[1, 2]"
    assert bounded(Text2("abc")) == "'abc'"


def test_nothing_is_compared_or_sorted() -> None:
    class Key:
        def __lt__(self, other: object) -> bool:
            raise AssertionError

        def __repr__(self) -> str:
            return "K"

    assert bounded({Key(): 1, Key(): 2}) == "{K: 1, K: 2}"
    assert bounded({Key(), Key()}) == "{K, K}"


@pytest.mark.parametrize(
    ("value", "end"),
    [(list(range(3_000_000)), "more]"), (dict.fromkeys(range(1_000_000)), "more}"),
     ("x" * 10_000_000, "characters>"), (b"x" * 10_000_000, "bytes>"), (1 << 10_000_000, "bits>"),
     (1 << 100_000, "characters>")],
    ids=["list", "dict", "str", "bytes", "int", "big int"],
)  # fmt: skip
def test_what_is_huge_is_cut_and_measured(value, end) -> None:
    found = bounded(value, 500)
    assert len(found) < 700
    assert found.endswith(end)


def test_depth_is_bounded() -> None:
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    assert len(bounded(deep)) < 200
    while deep:  # unwound by hand: its destruction recurses
        deep = deep[0]


def test_a_metaclass_cannot_lie_or_bite() -> None:
    class Meta(type):
        def __getattribute__(cls, name: str) -> object:
            raise AssertionError(name)

    class Odd(metaclass=Meta):
        def __repr__(self) -> str:
            raise ValueError

    assert "Odd" in bounded(Odd())
    assert type_name(Odd()).endswith("Odd")


def test_text_for_a_person_is_shown_as_it_is() -> None:
    assert bounded(Text("a\nb")) == "a\nb"
    assert len(bounded(Text("x" * 1_000_000))) < HARD_LIMIT + 100


def test_clipping_keeps_both_ends() -> None:
    found = clip("a" * 100 + "b" * 100, 30)
    assert found.startswith("a" * 20)
    assert found.endswith("b" * 10)
    assert "170 characters left out" in found


def test_types_are_named_with_their_module() -> None:
    assert (type_name(1), type_name(collections.deque())) == ("int", "collections.deque")
