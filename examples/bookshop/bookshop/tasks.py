"""What an operator calls on the running shop; arguments may be text, as a shell gives them."""

from bookshop import settings, shop
from bookshop.database import Database


def reprice(isbn: str, cents: int | str) -> str:
    """Sets the price of a book."""
    with _database() as session:
        old = shop.reprice(session, isbn, int(cents))
    return f"{isbn}: {old} -> {int(cents)} cents"


def restock(isbn: str, copies: int | str) -> str:
    """Adds copies of a book to the stock."""
    with _database() as session:
        stock = shop.restock(session, isbn, int(copies))
    return f"{isbn}: {stock} in stock"


def pending() -> list[int]:
    """Numbers of the orders that wait for the worker."""
    with _database() as session:
        return shop.pending(session)


def _database():
    return Database(settings.load().database_url, pool_size=1).session()
