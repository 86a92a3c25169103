from sqlalchemy import inspect

from bookshop import release
from bookshop.database import Database, engine
from bookshop.models import Base


def tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names()) - {"alembic_version"}


def test_migrate_makes_every_table_and_may_be_repeated(database: Database) -> None:
    assert tables(database) == set(Base.metadata.tables)
    release.migrate()
    assert tables(database) == set(Base.metadata.tables)


def test_rollback_takes_the_database_back_to_a_revision(database: Database) -> None:
    release.rollback("0001")
    assert tables(database) == {"books"}
    release.rollback("base")
    assert tables(database) == set()


def test_a_postgresql_url_means_psycopg_3() -> None:
    made = engine("postgresql://shop@db.example/shop")
    assert made.url.drivername == "postgresql+psycopg"
    made.dispose()
