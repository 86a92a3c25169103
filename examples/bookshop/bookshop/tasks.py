"""What an operator calls on the running shop; arguments may be text, as a shell gives them."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from bookshop import settings, shop
from bookshop.database import Database


def reprice(isbn: str, cents: int | str) -> str:
    """Sets the price of a book."""
    with _session() as session:
        old = shop.reprice(session, isbn, int(cents))
    return f"{isbn}: {old} -> {int(cents)} cents"


def restock(isbn: str, copies: int | str) -> str:
    """Adds copies of a book to the stock."""
    with _session() as session:
        stock = shop.restock(session, isbn, int(copies))
    return f"{isbn}: {stock} in stock"


def pending() -> list[int]:
    """Numbers of the orders that wait for the worker."""
    with _session() as session:
        return shop.pending(session)


@contextmanager
def _session() -> Iterator[Session]:
    """A session on a connection of its own: these run beside the site, at any moment."""
    database = Database(settings.load().database_url, pool_size=1)
    try:
        with database.session() as session:
            yield session
    finally:
        database.close()
