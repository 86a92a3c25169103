from collections.abc import Iterator

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from bookshop.database import Database
from bookshop.web import app

ERLANG = "9781937785536"


@pytest.fixture
def client(database: Database) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def test_health_names_each_check(client: TestClient) -> None:
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": 200, "checks": {"database": "ok", "memory": "ok", "tasks": "ok"}}


def test_health_is_503_when_the_database_is_gone(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused() -> str:
        raise OSError("connection refused")

    monkeypatch.setattr(app.state.db, "ping", refused)
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == "error"


def test_a_cart_becomes_an_order_and_is_empty_then(client: TestClient) -> None:
    assert client.post("/carts/ada/items", json={"isbn": ERLANG}).status_code == 201
    items = client.post("/carts/ada/items", json={"isbn": ERLANG, "quantity": 2}).json()
    assert [(item["isbn"], item["quantity"]) for item in items] == [(ERLANG, 3)]
    assert (len(app.state.carts), list(app.state.carts)) == (1, ["ada"])

    order = client.post("/orders", json={"cart": "ada"}).json()
    assert (order["state"], order["cents"]) == ("pending", 3 * 4200)
    assert client.get("/carts/ada").json() == []
    assert client.post("/orders", json={"cart": "ada"}).status_code == 409


def test_an_order_is_shown_to_whoever_has_its_receipt(client: TestClient) -> None:
    client.post("/carts/ada/items", json={"isbn": ERLANG})
    order = client.post("/orders", json={"cart": "ada"}).json()
    path = f"/orders/{order['order']}"
    assert client.get(path).status_code == 403
    assert client.get(path, params={"receipt": "wrong"}).status_code == 403
    assert client.get(path, params={"receipt": order["receipt"]}).json()["cents"] == 4200


@pytest.mark.parametrize(
    ("body", "status"),
    [({"isbn": "none"}, 404), ({}, 422), ([], 422), ({"isbn": ERLANG, "quantity": 0}, 422)],
)
def test_what_cannot_be_put_into_a_cart(client: TestClient, body: object, status: int) -> None:
    assert client.post("/carts/ada/items", json=body).status_code == status
    assert client.get("/carts/ada").json() == []


def test_prices_are_read_anew(client: TestClient, database: Database) -> None:
    with database.session() as session:
        session.execute(text("UPDATE books SET cents = 1"))
    assert {book["cents"] for book in client.get("/books").json()} == {1}
