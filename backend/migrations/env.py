"""Alembic's entry: always online, on the URL that `bitcurrent.migrate` hands over."""

import sqlalchemy as sa
from alembic import context

from bitcurrent.kernel.database import metadata

config = context.config
engine = sa.create_engine(config.attributes["url"], poolclass=sa.pool.NullPool)

with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=config.attributes["include_name"],
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
