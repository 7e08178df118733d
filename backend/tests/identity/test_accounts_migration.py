"""Who had an account before addresses had to be confirmed may go on trading."""

import asyncpg
from alembic import command

from bitcurrent.kernel.ids import new_id
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.migrate import alembic_config, upgrade


async def test_accounts_from_before_the_rule_count_as_confirmed(empty_database_urls: DatabaseUrls) -> None:
    command.upgrade(alembic_config(empty_database_urls.owner), "0004")
    old, new = new_id(), new_id()
    owner = await asyncpg.connect(empty_database_urls.owner)
    await owner.execute("INSERT INTO users (id, password_hash) VALUES ($1, 'none')", old)
    upgrade(empty_database_urls.owner)
    await owner.execute("INSERT INTO users (id, password_hash) VALUES ($1, 'none')", new)
    rows = await owner.fetch(
        "SELECT v.user_id, v.verified_at = u.created_at AS then FROM verified_emails v JOIN users u ON u.id = v.user_id"
    )
    await owner.close()
    assert [(row["user_id"], row["then"]) for row in rows] == [(old, True)]
