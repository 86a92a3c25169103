import os
import signal
import subprocess
import sys

import pytest

from bookshop import shop, tasks
from bookshop.database import Database
from bookshop.worker import Worker

ERLANG = "9781937785536"


def place(database: Database, cart: str, quantity: int) -> int:
    with database.session() as session:
        shop.add_to_cart(session, cart, ERLANG, quantity)
        return shop.order(session, cart)["order"]


def state(database: Database, number: int) -> str:
    with database.session() as session:
        return shop.find_order(session, number)["state"]


def stock(database: Database) -> int:
    with database.session() as session:
        return next(book["stock"] for book in shop.books(session) if book["isbn"] == ERLANG)


def test_pending_orders_are_shipped_and_taken_from_the_stock(database: Database) -> None:
    number = place(database, "ada", 3)
    worker = Worker(database)
    assert (worker.work(), worker.work()) == (1, 0)
    assert (state(database, number), stock(database), worker.shipped) == ("shipped", 97, 1)


def test_an_order_over_the_stock_takes_nothing(database: Database) -> None:
    number = place(database, "ada", 101)
    worker = Worker(database)
    worker.work()
    assert (state(database, number), stock(database), worker.failed) == ("out_of_stock", 100, 1)


def test_an_order_is_shipped_by_one_worker_only(database: Database) -> None:
    number = place(database, "ada", 1)
    with database.session() as session:
        assert shop.ship(session, number) == "shipped"
    with database.session() as session:
        assert shop.ship(session, number) is None
    assert stock(database) == 99


def test_term_ends_the_worker_in_order(database: Database, url: str) -> None:
    place(database, "ada", 1)
    with subprocess.Popen(
        [sys.executable, "-m", "bookshop.worker"],
        env=os.environ | {"DATABASE_URL": url},
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        try:
            assert worker.stdout.readline().startswith("worker ready")
            assert worker.stdout.readline() == "order 1: shipped\n"
            worker.send_signal(signal.SIGTERM)
            assert worker.stdout.read() == "worker ends: <Worker shipped=1 failed=0 current=None>\n"
            assert worker.wait(20) == 0
        finally:
            worker.kill()


def test_tasks_take_text_as_a_shell_gives_it(database: Database) -> None:
    assert tasks.reprice(ERLANG, "4000") == f"{ERLANG}: 4200 -> 4000 cents"
    assert tasks.restock(ERLANG, "5") == f"{ERLANG}: 105 in stock"
    number = place(database, "ada", 1)
    assert tasks.pending() == [number]
    with pytest.raises(shop.NoSuchBook):
        tasks.reprice("none", "1")
