"""The SQL of an export's part: every deposit and bonus of a customer, oldest first."""

from collections.abc import AsyncIterator, Mapping

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import rows_of

Rows = AsyncIterator[Mapping[str, object]]


def deposit_rows(connection: Connection, user_id: UserId) -> Rows:
    """Deposits, also those that nothing came of, with what the processor told of the card."""
    return rows_of(
        connection,
        """
        SELECT id, created_at, currency, amount, fee, state, failure, paid_at, release_at,
            card_brand, card_last4, card_country
        FROM deposits WHERE user_id = $1 ORDER BY created_at, id
        """,
        user_id,
    )


def bonus_rows(connection: Connection, user_id: UserId) -> Rows:
    """Bonuses."""
    return rows_of(
        connection,
        """
        SELECT id, earned_at, code, deposit_id, currency, amount, state, release_at, ended_at, reason
        FROM bonuses WHERE user_id = $1 ORDER BY earned_at, id
        """,
        user_id,
    )
