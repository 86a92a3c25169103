"""Whatever TOML says, it is a node or a ConfigError, and never anything else."""

from datetime import date
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from limpet_supervisor.config.load import BUILD_KEYS, NODE_KEYS, ROOT_KEYS, load
from limpet_supervisor.config.read import fields_of
from limpet_supervisor.errors import ConfigError
from limpet_supervisor.model.spec import (
    Backoff,
    Liveness,
    Log,
    NodeSpec,
    ProcessSpec,
    Ready,
    SocketSpec,
    SupervisorSpec,
)
from support.configuration import CALM, toml

WORDS = st.sampled_from(
    [
        *("", "a", "web", "a.b:c", "10s", "0", "-1", "TERM", "permanent", "temporary", "notify", "infinity"),
        *("127.0.0.1:80", "http://h/", "${A}", "${A:-b}", "${", "$", "${sockets.a}", "\x00", "(", "077"),
        *("any_significant", "9" * 400, "1" * 5000, "é", "'"),
    ]
)
LEAVES = st.one_of(
    WORDS,
    st.integers(-2, 3),
    st.integers(),
    st.booleans(),
    st.floats(),
    st.text(max_size=5),
    st.just(date(2026, 1, 1)),
)


@st.composite
def table(draw, *structs: type[Struct], depth: int = 0) -> dict[str, Any]:
    """A table with mostly the keys of these structs."""
    keys = [key for struct in structs for key in fields_of(struct)]
    names = draw(
        st.lists(st.sampled_from([*keys, "http", "tcp", "exec", "log", "zzz"]), max_size=5, unique=True)
    )
    return {name: draw(value(depth=depth)) for name in names}


@st.composite
def value(draw, *, depth: int = 0) -> Any:
    """What may stand behind a key, fitting or not."""
    kind = draw(st.sampled_from(["leaf", "leaf", "list", "check", "process", "processes", "supervisors"]))
    below = depth + 1
    match kind if depth < 4 else "leaf":
        case "leaf":
            return draw(LEAVES)
        case "list":
            return draw(st.lists(LEAVES, max_size=3))
        case "check":
            return draw(table(Ready, Liveness, Backoff, Log, depth=3))
        case "process":
            return {draw(WORDS): draw(table(ProcessSpec, SocketSpec, depth=below))}
        case "processes":
            return {name: draw(table(ProcessSpec, depth=below)) for name in draw(st.sets(WORDS, max_size=3))}
    return [draw(table(SupervisorSpec, depth=below)) for _ in range(draw(st.integers(1, 2)))]


@st.composite
def document(draw) -> dict[str, Any]:
    """A limpet.toml's."""
    keys = draw(st.lists(st.sampled_from([*NODE_KEYS, *ROOT_KEYS, *BUILD_KEYS]), max_size=6, unique=True))
    return {"name": "shop", **{key: draw(value()) for key in keys}}


def problems_of(file: Path) -> tuple[str, ...]:
    """What is wrong with a file; none if it is a node."""
    try:
        assert isinstance(load(str(file), environ={"A": "a"}), NodeSpec)
    except ConfigError as error:
        return error.problems or ("an error without a problem",)
    return ()


@settings(CALM, max_examples=200)
@given(document=document())
def test_any_document_is_a_node_or_a_config_error(tmp_path: Path, document) -> None:
    file = tmp_path / "limpet.toml"
    file.write_text("\n".join(f"{key} = {toml(item)}" for key, item in document.items()))
    assert all(problem.startswith("limpet.toml:") for problem in problems_of(file))


@settings(CALM, max_examples=100)
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_config_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_bytes(content)
    assert all(problem.startswith("pyproject.toml:") for problem in problems_of(file))


def test_a_document_nested_beyond_all_reason_is_a_config_error(tmp_path: Path) -> None:
    file = tmp_path / "limpet.toml"
    file.write_text('name = "a"\nx = ' + "[" * 5000 + "]" * 5000)
    assert problems_of(file)
