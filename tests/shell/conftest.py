"""A shop whose node answers."""

from collections.abc import Iterator

import pytest

from support.command import Shops, open_shop


@pytest.fixture
def bookshop() -> Iterator[Shops]:
    with open_shop() as made:
        yield made
