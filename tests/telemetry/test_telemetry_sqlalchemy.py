"""Queries of SQLAlchemy, on SQLite."""

import asyncio

import pytest
import sqlalchemy
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import create_async_engine

from limpet import telemetry
from limpet.telemetry import sqlalchemy as instrumentation


@pytest.fixture
def engine():
    made = sqlalchemy.create_engine("sqlite://")
    yield made
    made.dispose()


@pytest.fixture
def queries(heard):
    telemetry.attach("h", instrumentation.QUERY, heard)
    return heard


def test_queries_are_told_with_time_rows_and_statement_but_not_what_they_are_given(engine, queries) -> None:
    end = instrumentation.instrument(engine)
    instrumentation.instrument(engine)  # twice is once
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("create table book (title text)"))
        connection.execute(
            sqlalchemy.text("insert into book values (:title)"), [{"title": "secret"}, {"title": "other"}]
        )
        connection.execute(sqlalchemy.text("select * from book")).all()
        connection.execute(sqlalchemy.text(f"select '{'x' * 5000}'"))
    end()
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("select 1"))
    assert [about["operation"] for _, _, about in queries] == ["CREATE", "INSERT", "SELECT", "SELECT"]
    assert all(measured["total_time"] >= 0 for _, measured, _ in queries)
    _, measured, about = queries[1]
    assert measured["rows"] == 2
    assert about == {
        "statement": "insert into book values (?)",
        "operation": "INSERT",
        "dialect": "sqlite",
        "database": "",
        "many": True,
        "result": "ok",
    }
    assert "rows" not in queries[2][1]  # the driver does not know before they are fetched
    assert len(queries[3][2]["statement"]) == instrumentation.LONGEST


def test_a_query_that_fails_is_told_and_raises(engine, queries) -> None:
    instrumentation.instrument(engine)
    telemetry.metrics(instrumentation.METRICS)
    with engine.begin() as connection, pytest.raises(sqlalchemy.exc.OperationalError, match="no such table"):
        connection.execute(sqlalchemy.text("select * from no_book"))
    ((_, measured, about),) = queries
    assert measured["total_time"] >= 0
    assert (about["result"], about["kind"]) == ("error", "OperationalError")
    assert "no such table" in str(about["reason"])
    found = {one["name"]: one["samples"] for one in telemetry.snapshot()}
    assert found["sqlalchemy_query_errors"] == [[["SELECT", "OperationalError"], 1]]
    assert [labels for labels, _ in found["sqlalchemy_query_total_time_seconds"]] == [["SELECT", "error"]]


def test_a_database_that_cannot_be_reached_is_no_query(queries) -> None:
    engine = sqlalchemy.create_engine("sqlite:////nonexistent/directory/file")
    instrumentation.instrument(engine)
    with pytest.raises(sqlalchemy.exc.OperationalError):
        engine.connect()
    engine.dispose()
    assert queries == []


def test_all_engines_at_once(queries) -> None:
    end = instrumentation.instrument(Engine)
    try:
        engine = sqlalchemy.create_engine("sqlite://")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("select 1"))
        engine.dispose()
    finally:
        end()
    assert len(queries) == 1


def test_an_async_engine(queries) -> None:
    async def main() -> None:
        engine = create_async_engine("sqlite+aiosqlite://")
        instrumentation.instrument(engine)
        async with engine.connect() as connection:
            with telemetry.span(("request",)):
                await connection.execute(sqlalchemy.text("select 1"))
        await engine.dispose()

    asyncio.run(main())
    assert [about["statement"] for _, _, about in queries] == ["select 1"]
