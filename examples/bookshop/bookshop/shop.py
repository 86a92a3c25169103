"""What a bookshop does, on a database session."""

from datetime import timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from bookshop.models import Book, CartItem, Order, OrderLine, now


class NoSuchBook(Exception):
    """No book has this ISBN."""


class EmptyCart(Exception):
    """Nothing to order."""


def books(session: Session) -> list[dict]:
    return [
        {"isbn": b.isbn, "title": b.title, "author": b.author, "cents": b.cents, "stock": b.stock}
        for b in session.scalars(select(Book).order_by(Book.title))
    ]


def reprice(session: Session, isbn: str, cents: int) -> int:
    """Sets a price; the old one."""
    if cents <= 0:
        raise ValueError(f"{cents} cents is no price")
    book = session.get(Book, isbn)
    if book is None:
        raise NoSuchBook(isbn)
    old, book.cents = book.cents, cents
    return old


def restock(session: Session, isbn: str, copies: int) -> int:
    """Adds copies to the stock; what it is then."""
    book = session.get(Book, isbn)
    if book is None:
        raise NoSuchBook(isbn)
    book.stock += copies
    return book.stock


def add_to_cart(session: Session, cart: str, isbn: str, quantity: int) -> list[dict]:
    """Puts copies into a cart; all that it holds."""
    if quantity < 1:
        raise ValueError(f"{quantity} copies cannot be bought")
    if session.get(Book, isbn) is None:
        raise NoSuchBook(isbn)
    item = session.get(CartItem, (cart, isbn))
    if item is None:
        session.add(CartItem(cart=cart, isbn=isbn, quantity=quantity))
    else:
        item.quantity += quantity
    return cart_items(session, cart)


def cart_items(session: Session, cart: str) -> list[dict]:
    rows = session.execute(
        select(CartItem.isbn, CartItem.quantity, Book.title, Book.cents)
        .join(Book, Book.isbn == CartItem.isbn)
        .where(CartItem.cart == cart)
        .order_by(Book.title)
    )
    return [{"isbn": r.isbn, "title": r.title, "quantity": r.quantity, "cents": r.cents} for r in rows]


def cart_names(session: Session) -> list[str]:
    return list(session.scalars(select(CartItem.cart).distinct().order_by(CartItem.cart)))


def count_carts(session: Session) -> int:
    return session.scalar(select(func.count(CartItem.cart.distinct()))) or 0


def order(session: Session, cart: str) -> dict:
    """Turns a cart into a pending order at today's prices; the cart is empty then."""
    items = cart_items(session, cart)
    if not items:
        raise EmptyCart(cart)
    placed = Order(cart=cart, state="pending", cents=sum(i["quantity"] * i["cents"] for i in items))
    placed.lines = [OrderLine(isbn=i["isbn"], quantity=i["quantity"], cents=i["cents"]) for i in items]
    session.add(placed)
    session.execute(delete(CartItem).where(CartItem.cart == cart))
    session.flush()
    return describe(placed)


def describe(placed: Order) -> dict:
    return {
        "order": placed.id,
        "state": placed.state,
        "cents": placed.cents,
        "lines": [{"isbn": n.isbn, "quantity": n.quantity, "cents": n.cents} for n in placed.lines],
    }


def find_order(session: Session, number: int) -> dict | None:
    placed = session.get(Order, number)
    return describe(placed) if placed else None


def pending(session: Session) -> list[int]:
    return list(session.scalars(select(Order.id).where(Order.state == "pending").order_by(Order.id)))


def pending_longer(session: Session, seconds: float) -> int:
    """How many orders have been pending for longer."""
    late = (Order.state == "pending") & (Order.created < now() - timedelta(seconds=seconds))
    return session.scalar(select(func.count(Order.id)).where(late)) or 0


def ship(session: Session, number: int) -> str | None:
    """Ships a pending order, all of it or nothing; its new state, or None if another worker was first."""
    claimed = session.execute(
        update(Order).where(Order.id == number, Order.state == "pending").values(state="shipped")
    )
    if not claimed.rowcount:
        return None
    placed = session.get_one(Order, number)
    with session.begin_nested() as attempt:
        for line in placed.lines:
            taken = session.execute(
                update(Book)
                .where(Book.isbn == line.isbn, Book.stock >= line.quantity)
                .values(stock=Book.stock - line.quantity)
            )
            if not taken.rowcount:
                attempt.rollback()
                placed.state = "out_of_stock"
                break
    return placed.state
