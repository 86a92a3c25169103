"""What a deployment calls, with no Alembic command line at hand: migrate(), rollback(version)."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from bookshop import settings


def migrate() -> None:
    """Brings the database to the newest revision."""
    command.upgrade(_config(), "head")


def rollback(version: str) -> None:
    """Takes the database back to a revision; `base` is before the first."""
    command.downgrade(_config(), version)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["url"] = settings.load().database_url
    return config
