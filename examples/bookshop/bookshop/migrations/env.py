"""Run by Alembic: connects, and migrates in one transaction."""

import logging
import sys

from alembic import context

from bookshop import settings
from bookshop.database import engine
from bookshop.models import Base

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="migrate: %(message)s")

connectable = engine(context.config.attributes.get("url") or settings.load().database_url, pool_size=1)
with connectable.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
connectable.dispose()
