"""The tables. Money is in cents."""

from datetime import UTC, datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


def now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    pass


class Book(Base):
    __tablename__ = "books"

    isbn: Mapped[str] = mapped_column(String(13), primary_key=True)
    title: Mapped[str]
    author: Mapped[str]
    cents: Mapped[int]
    stock: Mapped[int]


class CartItem(Base):
    __tablename__ = "cart_items"

    cart: Mapped[str] = mapped_column(String(64), primary_key=True)
    isbn: Mapped[str] = mapped_column(ForeignKey("books.isbn"), primary_key=True)
    quantity: Mapped[int]


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    cart: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), index=True)
    """pending, shipped or out_of_stock."""
    cents: Mapped[int]
    created: Mapped[datetime] = mapped_column(default=now)
    lines: Mapped[list["OrderLine"]] = relationship(back_populates="order", order_by="OrderLine.isbn")


class OrderLine(Base):
    __tablename__ = "order_lines"

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    isbn: Mapped[str] = mapped_column(ForeignKey("books.isbn"), primary_key=True)
    quantity: Mapped[int]
    cents: Mapped[int]
    order: Mapped[Order] = relationship(back_populates="lines")
