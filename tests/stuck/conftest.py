"""A daemon's end of things, and children that do not answer it."""

from collections.abc import Iterator

import pytest

from support.agent import MINORS, interpreter
from support.stuck import Host, host


@pytest.fixture(scope="module", params=MINORS, ids=lambda minor: f"3.{minor}")
def there(request: pytest.FixtureRequest) -> Iterator[Host]:
    """For each Python that Limpet serves."""
    python = interpreter(request.param)
    if python is None:
        pytest.skip(f"there is no CPython 3.{request.param} here")
    with host(python) as made:
        yield made


@pytest.fixture
def here() -> Iterator[Host]:
    """For one of them."""
    python = interpreter(11) or interpreter(12)
    assert python is not None
    with host(python) as made:
        yield made
