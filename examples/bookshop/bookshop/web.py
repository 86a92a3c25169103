"""The site: `uvicorn bookshop.web:app`."""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bookshop import observed, settings, shop
from bookshop.database import Database

log = logging.getLogger("uvicorn.error")

MAX_MEMORY = 1024  # MiB
MAX_TASKS = 10_000


class Carts:
    """All carts, whichever instance filled them: `len(carts)`, `list(carts)`, `carts["ada"]`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __len__(self) -> int:
        with self._database.session() as session:
            return shop.count_carts(session)

    def __iter__(self):
        with self._database.session() as session:
            return iter(shop.cart_names(session))

    def __getitem__(self, cart: str) -> list[dict]:
        with self._database.session() as session:
            return shop.cart_items(session, cart)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.settings = settings.load()
    app.state.db = Database(app.state.settings.database_url, pool_size=app.state.settings.pool_size)
    app.state.carts = Carts(app.state.db)
    end = observed.web(app.state.db)
    log.info("bookshop opens with %s: %s", app.state.db, await app.state.db.ping())
    yield
    end()
    app.state.db.close()
    log.info("bookshop is closed")


async def index(_request: Request) -> Response:
    return JSONResponse(
        {"shop": "bookshop", "see": ["/books", "/carts/{name}", "/orders/{number}", "/health"]}
    )


async def health(request: Request) -> Response:
    """Whether this instance can serve: 200 only if all is well."""
    checks = {
        "database": await check_database(request.app.state.db),
        "memory": "ok" if memory() < MAX_MEMORY else "warning",
        "tasks": "ok" if len(asyncio.all_tasks()) < MAX_TASKS else "warning",
    }
    status = 200 if all(check == "ok" for check in checks.values()) else 503
    return JSONResponse({"status": status, "checks": checks}, status)


async def check_database(database: Database) -> str:
    try:
        async with asyncio.timeout(1.5):
            await database.ping()
    except Exception:  # whatever is wrong with the database, the answer is the same
        log.exception("the database does not answer")
        return "error"
    return "ok"


def memory() -> float:
    """Resident memory of this process, in MiB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


async def books(request: Request) -> Response:
    return JSONResponse(await request.app.state.db.run(shop.books))


async def cart(request: Request) -> Response:
    return JSONResponse(await request.app.state.db.run(shop.cart_items, request.path_params["cart"]))


async def add_item(request: Request) -> Response:
    wanted = await body(request)
    try:
        isbn, quantity = str(wanted["isbn"]), int(wanted.get("quantity", 1))
        items = await request.app.state.db.run(shop.add_to_cart, request.path_params["cart"], isbn, quantity)
    except shop.NoSuchBook as error:
        return problem(404, f"there is no book {error}")
    except (KeyError, TypeError, ValueError) as error:
        return problem(422, f"wanted: isbn and, if not 1, quantity ({error})")
    return JSONResponse(items, 201)


async def add_order(request: Request) -> Response:
    wanted = await body(request)
    if not isinstance(wanted.get("cart"), str):
        return problem(422, "wanted: cart")
    try:
        with observed.span("checkout") as told:
            placed = await request.app.state.db.run(shop.order, wanted["cart"])
            if told:
                told.measurements["cents"] = placed["cents"]
    except shop.EmptyCart:
        return problem(409, "the cart is empty")
    placed["receipt"] = receipt(request, placed["order"])
    log.info("order %d over %d cents", placed["order"], placed["cents"])
    return JSONResponse(placed, 201)


async def order(request: Request) -> Response:
    """An order, for whoever has its receipt."""
    number = request.path_params["number"]
    if not hmac.compare_digest(request.query_params.get("receipt", ""), receipt(request, number)):
        return problem(403, "the receipt is not of this order")
    found = await request.app.state.db.run(shop.find_order, number)
    return JSONResponse(found) if found else problem(404, f"there is no order {number}")


def receipt(request: Request, number: int) -> str:
    key = request.app.state.settings.secret_key_base.encode()
    return hmac.new(key, str(number).encode(), hashlib.sha256).hexdigest()[:16]


async def body(request: Request) -> dict:
    try:
        sent = await request.json()
    except ValueError:
        return {}
    return sent if isinstance(sent, dict) else {}


def problem(status: int, what: str) -> Response:
    return JSONResponse({"status": status, "error": what}, status)


app = Starlette(
    lifespan=lifespan,
    middleware=[Middleware(observed.Observed)],
    routes=[
        Route("/", index),
        Route("/health", health),
        Route("/books", books),
        Route("/carts/{cart}", cart),
        Route("/carts/{cart}/items", add_item, methods=["POST"]),
        Route("/orders", add_order, methods=["POST"]),
        Route("/orders/{number:int}", order),
    ],
)
