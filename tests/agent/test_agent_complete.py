"""Completion finds names and runs none of the application's code."""

import types
from functools import cached_property
from typing import Any

import pytest

from limpet.stage1.complete import complete
from limpet.stage1.hints import about, signature
from limpet.stage1.looks import find


class Lazy:
    """Everything that could run is a trap."""

    plain = 1

    def __init__(self) -> None:
        object.__setattr__(self, "own", Inner())

    @property
    def prop(self) -> int:
        """Costs much."""
        raise AssertionError

    @cached_property
    def cached(self) -> int:
        raise AssertionError

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(name)

    def __dir__(self) -> Any:
        raise AssertionError

    def method(self, first: int, *, second: str = "x") -> None:
        """Does something.

        More of it.
        """


class Inner:
    __slots__ = ("slot",)

    def __init__(self) -> None:
        self.slot = {"user id": 1, "name": 2, 7: 3}


class Sneaky(dict):
    def __getitem__(self, key: Any) -> Any:
        raise AssertionError

    def keys(self) -> Any:
        raise AssertionError


@pytest.fixture
def names() -> dict[str, Any]:
    module = types.ModuleType("shop")
    module.order = Lazy()  # type: ignore[attr-defined]

    def function(alpha: int, beta: int = 1) -> int:
        return alpha + beta

    return {
        "lazy": Lazy(),
        "shop": module,
        "table": {"user id": [Lazy()], "name": 2, 7: 3},
        "sneaky": Sneaky(a=1),
        "odd": {"it's": 1, 'a "b"': 2, "a\nb": 3, "\\": 4, "été": 5},
        "function": function,
        "__builtins__": {},
    }


def texts(source: str, names: dict[str, Any]) -> tuple[int, list[str]]:
    start, items = complete(source, names)
    return start, [text for text, _kind in items]


COMPLETIONS = [
    ("la", 2, {"lazy"}),
    ("x = la", 2, {"lazy"}),
    ("for i in x:\n    la", 2, {"lazy"}),
    ("print(la", 2, {"lazy"}),
    ("lazy.pl", 2, {"plain"}),
    ("lazy.", 0, {"plain", "own", "method", "prop"}),
    ("lazy.own.sl", 2, {"slot"}),
    ("shop.order.me", 2, {"method"}),
    ("table['user id'][0].pl", 2, {"plain"}),
    ("table['us", 3, {"'user id'"}),
    ('table["na', 3, {'"name"'}),
    ("table[", 0, {"'user id'", "'name'", "7"}),
    ("shop.order.own.slot['us", 3, {"'user id'"}),
    ("sneaky['", 1, {"'a'"}),
    ("odd['", 1, {"'it\\'s'", "'a \"b\"'", "'a\\nb'", "'\\\\'", "'été'"}),
    ('odd["', 1, {'"it\'s"', '"a \\"b\\""'}),
    ("function(al", 2, {"alpha="}),
    ("function(", 0, {"alpha=", "beta=", "lazy"}),
    ("lazy.method(1, se", 2, {"second="}),
    ("whi", 3, {"while"}),
    ("isinst", 6, {"isinstance"}),
    ("import xml.do", 6, {"xml.dom"}),
    ("import json, xm", 2, {"xml"}),
    ("from xm", 2, {"xml"}),
    ("from json import du", 2, {"dump", "dumps"}),
    ("from json import dump, lo", 2, {"load", "loads"}),
    ("json.du", 2, {"dump", "dumps"}),
]


@pytest.mark.parametrize(("source", "start", "wanted"), COMPLETIONS, ids=[case[0] for case in COMPLETIONS])
def test_completions(names: dict[str, Any], source: str, start: int, wanted: set[str]) -> None:
    import json

    assert json
    found_start, found = texts(source, names)
    assert found_start == start
    assert wanted <= set(found)


NOTHING = (
    "lazy.prop.",
    "lazy.cached.",
    "lazy.nothing.",
    "lazy.method().",
    "sneaky['a'].",
    "lazy.own.slot['nothing'].",
    "f(x).la",
    "nosuch.",
    "1.",
    "]",
    "'la",
    "'''\nla",
    "# la",
    "x = 'it\\'s la",
)


@pytest.mark.parametrize("source", NOTHING)
def test_where_code_would_have_to_run_there_is_nothing(names: dict[str, Any], source: str) -> None:
    _start, found = texts(source, names)
    assert found == []


def test_private_names_appear_when_asked_for(names: dict[str, Any]) -> None:
    assert "__init__" not in texts("lazy.", names)[1]
    assert "__init__" in texts("lazy.__in", names)[1]
    assert "__builtins__" not in texts("__", names)[1]


def test_kinds(names: dict[str, Any]) -> None:
    kinds = dict(complete("lazy.", names)[1])
    assert kinds["plain"] == "int"
    assert kinds["prop"] == "property"
    assert kinds["method"] == "function"
    assert dict(complete("sho", names)[1])["shop"] == "module"
    assert dict(complete("ValueE", names)[1])["ValueError"] == "class"


def test_the_signature_of_the_call_that_is_being_typed(names: dict[str, Any]) -> None:
    found, documentation = signature("lazy.method(1, ", names)
    assert found == "Lazy.method(first: int, *, second: str = 'x') -> None"
    assert documentation == "Does something."
    assert signature("print(lazy.method(len(", names)[0] == "len(obj, /)"
    assert signature("lazy.method(')', (1, 2), ", names)[0].startswith("Lazy.method(")


@pytest.mark.parametrize("source", ["lazy.prop(", "lazy(", "nosuch(", "x = (", "if (", "f(1)", "'f('"])
def test_no_signature_without_running_code(names: dict[str, Any], source: str) -> None:
    assert signature(source, names) == ("", "")


def test_a_helper_s_signature_does_not_speak_of_our_types() -> None:
    assert signature("stacks(", {"stacks": find("stacks")})[0] == "stacks()"
    assert signature("h(", {"h": find("h")})[0] == "h(thing: Any = ...)"


ABOUT = [
    ("lazy.method", "Lazy.method(first: int, *, second: str = 'x') -> None", "Does something."),
    ("x = lazy.plain", "int 1", ""),
    ("lazy.prop", "prop: property, computed when it is read", "Costs much."),
    ("lazy.cached", "cached: cached_property, computed when it is read", ""),
    ("lazy.own.slot", "dict of 3", ""),
    ("table['user id'", "list of 1", ""),
    ("table['name'", "int 2", ""),
    ("print(function", "names.<locals>.function(alpha: int, beta: int = 1) -> int", ""),
    ("from types import Modu", "", ""),
    ("from types import ModuleType", "module(name, doc=None)", "Create a module object."),
    ("import json", "module json", None),
    ("nosuch", "", ""),
    ("nosuch.name", "", ""),
    ("1 + ", "", ""),
]


@pytest.mark.parametrize(("source", "wanted", "summary"), ABOUT, ids=[case[0] for case in ABOUT])
def test_what_a_name_stands_for(names: dict[str, Any], source: str, wanted: str, summary: str | None) -> None:
    found, documentation = about(source, names)
    assert found == wanted
    assert summary is None or documentation == summary


class State:
    """As Starlette's, in short."""

    def __init__(self, state: dict[Any, Any]) -> None:
        self.__dict__["_state"] = state

    def __getattr__(self, key: str) -> Any:
        raise AssertionError


State.__getattr__.__module__ = "starlette.datastructures"


def test_what_starlette_s_state_holds_is_completed_without_asking_it(names: dict[str, Any]) -> None:
    names["state"] = State({"carts": {"ada": 1}, "db": Lazy(), 7: 1})
    assert complete("state.", names) == (0, [("carts", "dict"), ("db", "Lazy")])
    assert texts("state.db.pl", names) == (2, ["plain"])
    assert texts("state.carts['", names) == (1, ["'ada'"])
    assert texts("state.nothing.pl", names) == (2, [])


def test_names_of_python_s_own_come_last(names: dict[str, Any]) -> None:
    names["thing"] = type("Thing", (), {"_own": 1})()
    assert texts("thing._", names)[1][:2] == ["_own", "__class__"]
