import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bookshop import release
from bookshop.database import Database


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database: BOOKSHOP_TEST_DATABASE_URL's, else an SQLite file of its own."""
    shared = os.environ.get("BOOKSHOP_TEST_DATABASE_URL")
    url = shared or f"sqlite:///{tmp_path}/shop.db"
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("SECRET_KEY_BASE", "of the tests")
    monkeypatch.delenv("LIMPET_CONFIG", raising=False)
    if shared:
        release.rollback("base")
    return url


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A database at the newest revision."""
    release.migrate()
    database = Database(url)
    yield database
    database.close()
