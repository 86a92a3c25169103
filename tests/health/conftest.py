"""A daemon's end of the agent socket, for tests of what agents report."""

from collections.abc import Iterator

import pytest

from support.agent import MINORS, Daemon, daemon, interpreter


@pytest.fixture(params=MINORS, ids=lambda minor: f"3.{minor}")
def each_python(request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """For each Python that Limpet serves."""
    python = interpreter(request.param)
    if python is None:
        pytest.skip(f"there is no CPython 3.{request.param} here")
    with daemon(python) as made:
        yield made


@pytest.fixture
def one_python() -> Iterator[Daemon]:
    """For the one that Limpet is developed with."""
    python = interpreter(11)
    if python is None:
        pytest.skip("there is no CPython 3.11 here")
    with daemon(python) as made:
        yield made
