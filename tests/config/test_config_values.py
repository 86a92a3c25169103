"""limpet.config inside a process: what is configured, what is read, and what is never shown."""

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet import config as c
from limpet.environment import env
from limpet.values import BOOT, ConfigError, Secret, encoded, read_file
from limpet_supervisor.model.units import Duration
from support.configuration import CALM


@pytest.fixture(autouse=True)
def _no_values(monkeypatch) -> None:
    monkeypatch.setattr(BOOT, "values", None)
    monkeypatch.setattr(BOOT, "environment", None)
    for name in ("LIMPET_CONFIG", "LIMPET_ENV", "RELEASE_ROOT", "X"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_node_there_is_no_configuration_and_no_error() -> None:
    assert c.get("shop", "repo") is None
    assert c.get("shop", "repo", 5) == 5
    assert c.get("shop") == {}
    assert c.config_env() == "dev"


def test_the_three_forms_of_config() -> None:
    c.config("shop", "port", 4000)
    c.config("shop", host="localhost")
    c.config("shop", "repo", url="x", pool_size=5)
    c.config("shop", "nothing", None)
    assert c.get("shop") == {
        "port": 4000,
        "host": "localhost",
        "repo": {"url": "x", "pool_size": 5},
        "nothing": None,
    }
    assert c.get("shop", "nothing", 1) is None


def test_repeated_calls_are_merged_at_every_depth_and_anything_else_is_replaced() -> None:
    c.config("shop", "repo", url="x", options={"a": 1, "deep": {"b": 2}}, hosts=["one", "two"])
    c.config("shop", "repo", options={"a": 9, "deep": {"c": 3}}, hosts=["three"])
    c.config("other", "repo", url="y")
    assert c.get("shop", "repo") == {
        "url": "x",
        "options": {"a": 9, "deep": {"b": 2, "c": 3}},
        "hosts": ["three"],
    }
    c.config("shop", "repo", 3)
    assert c.get("shop", "repo") == 3


def test_what_is_read_is_a_copy() -> None:
    given_list = [1]
    c.config("shop", "a", items=given_list)
    given_list.append(2)
    c.get("shop", "a")["items"].append(3)
    c.get("shop")["a"]["b"] = 1
    assert c.get("shop", "a") == {"items": [1]}


@pytest.mark.parametrize(
    "arguments", [(("a",), {}), (("a", "b"), {}), (("a", "b", 1), {"c": 2}), (("a", None, 1), {})]
)
def test_config_takes_a_value_or_values(arguments) -> None:
    with pytest.raises(TypeError):
        c.config(*arguments[0], **arguments[1])


def test_a_value_that_cannot_travel_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        c.config("shop", "repo", a=[{"b": object()}])
    assert "shop.repo.a[0].b: expected None, a boolean" in str(caught.value)
    assert "found object (" in str(caught.value)
    with pytest.raises(ConfigError, match=r"shop\.repo: expected text as key, found int"):
        c.config("shop", "repo", {1: 2})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=9)
    | st.text().map(Secret) | st.just(Path("/a/b")),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner)
    | st.dictionaries(st.sampled_from(["$", "=", "a"]) | st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def types_of(value) -> object:
    """The type of each part of a value: a Secret equals its text, True equals 1."""
    if isinstance(value, dict):
        return {key: types_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(types_of(item) for item in value)
    return type(value)


@CALM
@given(value=VALUES)
def test_every_value_travels_as_it_is(tmp_path_factory, value) -> None:
    file = tmp_path_factory.mktemp("values", numbered=True) / "values.json"
    file.write_bytes(encoded("prod", {"shop": {"key": value}}))
    environment, values = read_file(str(file))
    assert (environment, values) == ("prod", {"shop": {"key": value}})
    assert types_of(values) == types_of({"shop": {"key": value}})


def test_the_values_of_the_boot_are_read_once_when_first_asked_for(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "values.json"
    file.write_bytes(encoded("test", {"shop": {"a": 1}}))
    monkeypatch.setenv("LIMPET_CONFIG", str(file))
    monkeypatch.setenv("LIMPET_ENV", "other")
    assert c.config_env() == "test"
    file.unlink()
    assert c.get("shop", "a") == 1
    c.config("shop", a=2)
    assert c.get("shop", "a") == 2


@pytest.mark.parametrize(
    "content",
    [None, b"{", b"[]", b'{"schema": 99}', b'{"schema": 1, "env": "", "values": {"a": {"$": "x"}}}'],
)
def test_values_that_cannot_be_read_are_an_error_that_names_the_file(
    tmp_path: Path, monkeypatch, content
) -> None:
    file = tmp_path / "values.json"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("LIMPET_CONFIG", str(file))
    with pytest.raises(ConfigError, match=str(file)):
        c.get("shop", "a")


def test_a_secret_is_text_that_its_repr_does_not_show() -> None:
    secret = c.secret("hunter2")
    assert secret == "hunter2"
    assert f"{secret}" == str(secret) == secret.reveal() == "hunter2"
    assert type(secret.reveal()) is str
    assert secret.encode() == b"hunter2"
    for shown in (repr(secret), f"{secret!r}", repr({"a": [secret]}), repr(KeyError(secret))):
        assert "hunter2" not in shown
        assert "***" in shown
    again = pickle.loads(pickle.dumps(secret))  # noqa: S301 - our own
    assert isinstance(again, Secret)
    assert again == secret
    with pytest.raises(TypeError):
        c.secret(None)


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (env, "x", "x"),
        (env.int, " -7 ", -7),
        (env.float, "2.5", 2.5),
        (env.bool, "Yes", True),
        (env.bool, "off", False),
        (env.duration, "1m30s", 90.0),
        (env.duration, "250ms", 0.25),
        (env.duration, "5", 5.0),
        (env.list, " a, b,,c ", ["a", "b", "c"]),
    ],
)
def test_readers_of_the_environment(monkeypatch, read, text: str, value) -> None:
    monkeypatch.setenv("X", text)
    found = read("X")
    assert (found, type(found)) == (value, type(value))


def test_defaults(monkeypatch) -> None:
    assert env("X", "d") == "d"
    assert env("X", None) is None
    assert env.int("X", 5) == 5
    assert env.int("X", None) is None
    assert env.duration("X", "1s") == 1.0
    assert env.list("X", []) == []
    monkeypatch.setenv("X", "")
    assert env("X", "d") == ""
    assert env.int("X", 5) == 5


@pytest.mark.parametrize(
    ("read", "text", "problem"),
    [
        (env, None, "X is not set"),
        (env, "", "X is empty"),
        (env.int, None, "X is not set"),
        (env.int, "", "X is empty"),
        (env.int, "x", "X: expected a whole number, found 'x'"),
        (env.float, "x", "X: expected a number, found 'x'"),
        (env.bool, "maybe", "X: expected true or false, found 'maybe'"),
        (env.duration, "10q", "X: expected a duration such as 250ms, 10s or 1m30s, found '10q'"),
    ],
)
def test_what_is_missing_or_malformed_names_variable_and_line(monkeypatch, read, text, problem: str) -> None:
    if text is not None:
        monkeypatch.setenv("X", text)
    with pytest.raises(ConfigError) as caught:
        read("X")
    assert str(caught.value).startswith(f"{problem} (")
    assert "test_config_values.py:" in str(caught.value)


@CALM
@given(st.from_regex(r"(\d{1,3}(\.\d)?(ms|s|m|h|d)){0,3}[a-z.]?|\d{1,3}\.?\d?", fullmatch=True))
def test_both_sides_read_the_same_durations(text: str) -> None:
    """limpet_supervisor.model.units and limpet.durations are bound here: neither may import the other."""
    from limpet.durations import seconds

    def read(parse) -> float | None:
        try:
            return parse(text)
        except ValueError:
            return None

    assert read(seconds) == read(Duration.parse)
