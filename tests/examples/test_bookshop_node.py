"""The bookshop as a node: what its configuration promises, with real processes and requests."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.bookshop import Bookshop, bookshop, requires_bookshop
from support.postgres import requires_postgres, running

pytestmark = requires_bookshop

ERLANG = "9781937785536"


@pytest.fixture
def shop() -> Iterator[Bookshop]:
    with bookshop() as shop:
        yield shop


@pytest.fixture
def node(shop: Bookshop) -> Bookshop:
    """The bookshop with its node running."""
    started = shop.run("limpet daemon")
    assert started.returncode == 0, started.stdout
    return shop


def ask(shop: Bookshop, path: str, body: object = None) -> Any:
    """The JSON that the site answers; a POST if there is a body."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{shop.port}{path}", data, timeout=30) as answer:
        return json.load(answer)


def order(shop: Bookshop) -> str:
    """Places an order; its path."""
    ask(shop, "/carts/ada/items", {"isbn": ERLANG, "quantity": 2})
    placed = ask(shop, "/orders", {"cart": "ada"})
    return f"/orders/{placed['order']}?receipt={placed['receipt']}"


def status(shop: Bookshop) -> dict[str, dict[str, Any]]:
    shown = json.loads(shop.run("limpet status --json").stdout)
    return {process["name"]: process for process in shown["processes"]}


def wait(fact: Callable[[], object], what: str, timeout: float = 60) -> None:
    """Waits until `fact` holds; each look at it is a request or a command, so this does not spin."""
    deadline = time.monotonic() + timeout
    while not fact():
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"


def test_daemon_returns_when_the_site_serves(node: Bookshop) -> None:
    assert ask(node, "/health") == {
        "status": 200,
        "checks": {"database": "ok", "memory": "ok", "tasks": "ok"},
    }
    processes = status(node)
    assert [name for name, process in processes.items() if process["ready"]] == [
        "migrate.1",
        "web.1",
        "web.2",
        "worker.1",
    ]
    assert processes["migrate.1"]["state"] == "exited"


def test_what_the_site_takes_the_worker_ships(node: Bookshop) -> None:
    path = order(node)
    wait(lambda: ask(node, path)["state"] == "shipped", "the order is shipped")
    assert "order 1: shipped" in node.run("limpet logs worker").stdout


def test_a_worker_that_is_killed_is_back_and_goes_on(node: Bookshop) -> None:
    before = status(node)["worker.1"]
    node.run("limpet ctl signal KILL worker.1")
    wait(lambda: status(node)["worker.1"]["pid"] not in (None, before["pid"]), "another worker")
    path = order(node)
    wait(lambda: ask(node, path)["state"] == "shipped", "the order is shipped")
    assert status(node)["worker.1"]["restarts"] == 1


def test_the_site_takes_requests_while_an_instance_is_restarted(node: Bookshop) -> None:
    before = status(node)
    assert node.run("limpet ctl restart web.1").returncode == 0
    after = status(node)
    assert after["web.1"]["pid"] != before["web.1"]["pid"]
    assert after["web.2"]["pid"] == before["web.2"]["pid"]
    assert ask(node, "/health")["status"] == 200


def test_code_reaches_the_live_application(node: Bookshop) -> None:
    ask(node, "/carts/ada/items", {"isbn": ERLANG})
    assert node.run('limpet rpc "len(bookshop.web.app.state.carts)"').stdout == "1\n"
    assert node.run('limpet rpc "await bookshop.web.app.state.db.ping()"').stdout.startswith("'pong in ")
    assert node.run('limpet rpc --process worker "bookshop.worker.worker.shipped"').stdout == "0\n"
    repriced = node.run(f"limpet rpc bookshop.tasks:reprice {ERLANG} 4000")
    assert (repriced.returncode, repriced.stdout) == (0, f"'{ERLANG}: 4200 -> 4000 cents'\n")
    assert {book["isbn"]: book["cents"] for book in ask(node, "/books")}[ERLANG] == 4000


def test_a_deployment_migrates_with_nothing_running(shop: Bookshop) -> None:
    migrated = shop.run('limpet eval "bookshop.release.migrate()"')
    assert (migrated.returncode, "0001 -> 0002" in migrated.stdout) == (0, True), migrated.stdout
    back = shop.run("""limpet eval "bookshop.release.rollback('0001')" """)
    assert (back.returncode, "0002 -> 0001" in back.stdout) == (0, True), back.stdout


def test_in_production_the_database_must_be_named(shop: Bookshop) -> None:
    shop.environ["LIMPET_ENV"] = "prod"
    for verb in ("daemon", "start"):
        refused = shop.run(f"limpet {verb}")
        assert refused.returncode == 78, refused.stdout
        assert "DATABASE_URL is not set (config/runtime.py:6)" in refused.stdout
        assert "Traceback" not in refused.stdout
    assert shop.run("limpet status").returncode == 3


def test_no_secret_is_shown(shop: Bookshop) -> None:
    shop.environ["SECRET_KEY_BASE"] = "seven keys of the sea"
    node = shop
    assert node.run("limpet daemon").returncode == 0
    for command in ("status --json", "tree", "logs", "events", "why web.1", "paths"):
        assert "seven keys" not in node.run(f"limpet {command}").stdout, command
    shown = node.run("""limpet rpc "limpet.config.get('bookshop', 'endpoint')" """).stdout
    assert ("secret_key_base" in shown, "seven keys" in shown) == (True, False)


@requires_postgres
def test_it_runs_on_postgresql_by_database_url(shop: Bookshop) -> None:
    with running() as url:
        shop.environ |= {"DATABASE_URL": url, "LIMPET_ENV": "prod", "SECRET_KEY_BASE": "of the test"}
        started = shop.run("limpet daemon")
        assert started.returncode == 0, started.stdout
        path = order(shop)
        wait(lambda: ask(shop, path)["state"] == "shipped", "the order is shipped")
        assert shop.run("limpet stop").returncode == 0
