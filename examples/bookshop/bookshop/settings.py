"""Where settings come from: config/runtime.py when Limpet runs us, otherwise the environment."""

import os
from dataclasses import dataclass, field

try:
    from limpet import config
except ImportError:  # the shop runs without Limpet as well
    config = None


@dataclass(frozen=True)
class Settings:
    database_url: str = field(repr=False)
    secret_key_base: str = field(repr=False)
    pool_size: int = 5
    worker_every: float = 1.0
    """Seconds between two looks for pending orders."""


def load() -> Settings:
    repo = config.get("bookshop", "repo", default=None) if config else None
    if repo is None:
        return from_environment()
    return Settings(
        database_url=repo["url"],
        secret_key_base=config.get("bookshop", "endpoint")["secret_key_base"],
        pool_size=repo["pool_size"],
        worker_every=config.get("bookshop", "worker")["every"],
    )


def from_environment() -> Settings:
    return Settings(
        database_url=os.environ.get("DATABASE_URL", "sqlite:///var/bookshop.db"),
        secret_key_base=os.environ.get("SECRET_KEY_BASE", "for development only"),
        pool_size=int(os.environ.get("POOL_SIZE", "5")),
    )
