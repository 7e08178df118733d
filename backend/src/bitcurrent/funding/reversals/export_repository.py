"""The SQL of an export's part: every row of a customer, oldest first. Operators' notes are not the customer's."""

from collections.abc import AsyncIterator, Mapping

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import rows_of

Rows = AsyncIterator[Mapping[str, object]]


def lot_rows(connection: Connection, user_id: UserId) -> Rows:
    """Card payments."""
    return rows_of(
        connection,
        """
        SELECT id AS deposit_id, created_at, currency, amount, fee, release_at, refunded, refunded_elsewhere, disputed
        FROM lots WHERE user_id = $1 ORDER BY created_at, id
        """,
        user_id,
    )


def refund_rows(connection: Connection, user_id: UserId) -> Rows:
    """Refunds."""
    return rows_of(
        connection,
        """
        SELECT id, created_at, lot_id AS deposit_id, currency, amount, origin, state, failure, finished_at
        FROM refunds WHERE user_id = $1 ORDER BY id
        """,
        user_id,
    )


def dispute_rows(connection: Connection, user_id: UserId) -> Rows:
    """Disputes."""
    return rows_of(
        connection,
        """
        SELECT id, created_at, lot_id AS deposit_id, currency, amount, reason, state, locked, taken, closed_at
        FROM disputes WHERE user_id = $1 ORDER BY id
        """,
        user_id,
    )


def debt_rows(connection: Connection, user_id: UserId) -> Rows:
    """Debts."""
    return rows_of(
        connection,
        """
        SELECT id, created_at, currency, cause, cause_id, amount, collected, written_off
        FROM debts WHERE user_id = $1 ORDER BY created_at, id
        """,
        user_id,
    )
