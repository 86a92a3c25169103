"""Engine and sessions. Queries block, so the site runs them in a thread: `await database.run(shop.books)`."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.orm import Session, sessionmaker

P = ParamSpec("P")
R = TypeVar("R")


class Database:
    """The shop's database: `session()` for threads, `await run(function)` and `await ping()` on a loop."""

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        self.engine = engine(url, pool_size=pool_size)
        self._sessions = sessionmaker(self.engine)

    def __repr__(self) -> str:
        return f"Database({self.engine.url.render_as_string(hide_password=True)!r})"

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session in one transaction: committed at the end, rolled back on an error."""
        with self._sessions.begin() as session:
            yield session

    async def run(
        self, function: Callable[Concatenate[Session, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """`function(session, …)` in a thread and in a transaction of its own."""

        def in_thread() -> R:
            with self.session() as session:
                return function(session, *args, **kwargs)

        return await asyncio.to_thread(in_thread)

    async def ping(self) -> str:
        """How long the database takes to answer."""
        begun = time.perf_counter()
        await self.run(lambda session: session.execute(text("SELECT 1")).scalar_one())
        return f"pong in {(time.perf_counter() - begun) * 1000:.1f} ms"

    def close(self) -> None:
        self.engine.dispose()


def engine(url: str, *, pool_size: int = 5) -> Engine:
    """An engine for SQLite or PostgreSQL; postgres:// and postgresql:// mean psycopg 3."""
    parsed = make_url(url)
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    made = create_engine(parsed, pool_size=pool_size, pool_pre_ping=True)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        event.listen(made, "connect", _set_up_sqlite)
    return made


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    """Several processes share the file: readers never wait for the writer, writers wait for each other."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 5000")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
