"""All the SQL of the ledger."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import rows_of
from bitcurrent.ledger.model import Balance, EntryLine, HouseMove, Journal


async def post_journal(connection: Connection, journal_id: UUID, journal: Journal) -> bool:
    """Post through the one door; whether it was posted now."""
    lines = journal.lines()
    posted = await connection.fetchval(
        "SELECT posted FROM post_journal($1, $2, $3, $4, $5, $6, $7, $8)",
        journal_id,
        journal.kind,
        journal.reference,
        dict(journal.memo) or None,
        [account.name for account, _ in lines],
        [account.user_id for account, _ in lines],
        [account.currency for account, _ in lines],
        [amount for _, amount in lines],
    )
    return bool(posted)


async def find_journal(connection: Connection, reference: str) -> UUID | None:
    """Look a reference up among those used."""
    found: UUID | None = await connection.fetchval(
        "SELECT journal_id FROM journal_references WHERE reference = $1", reference
    )
    return found


async def read_balances(connection: Connection, user_id: UserId, currency: str | None = None) -> list[Balance]:
    """Balances that are not empty, or the one asked for."""
    rows = await connection.fetch(
        """
        SELECT currency, available, held FROM balances
        WHERE user_id = $1 AND ($2::text IS NULL OR currency = $2) AND ($2 IS NOT NULL OR available + held > 0)
        ORDER BY currency
        """,
        user_id,
        currency,
    )
    return [Balance(currency=r["currency"], available=r["available"], held=r["held"]) for r in rows]


async def read_entries(connection: Connection, user_id: UserId, currency: str, *, limit: int) -> list[EntryLine]:
    """The newest lines that moved a customer's balance of one currency, newest first."""
    rows = await connection.fetch(
        """
        SELECT e.created_at, e.journal_id, j.kind, j.reference, e.account, e.amount, e.balance_after
        FROM entries e JOIN journals j ON j.id = e.journal_id AND j.created_at = e.created_at
        WHERE e.user_id = $1 AND e.currency = $2
        ORDER BY e.created_at DESC, e.journal_id DESC, e.line DESC LIMIT $3
        """,
        user_id,
        currency,
        limit,
    )
    return [EntryLine(**dict(row)) for row in rows]


async def sum_entries(connection: Connection, user_id: UserId, currency: str) -> tuple[int, Decimal, Decimal]:
    """How many lines a customer has of one currency, and their sums: available and held."""
    row = await connection.fetchrow(
        """
        SELECT count(*) AS lines, coalesce(sum(amount) FILTER (WHERE account = 'available'), 0) AS available,
            coalesce(sum(amount) FILTER (WHERE account = 'held'), 0) AS held
        FROM entries WHERE user_id = $1 AND currency = $2
        """,
        user_id,
        currency,
    )
    assert row is not None
    return row["lines"], row["available"], row["held"]


async def sum_house(
    connection: Connection, accounts: Sequence[str], since: datetime, until: datetime | None
) -> dict[tuple[str, str], Decimal]:
    """What moved house accounts in a stretch of time, by (account, currency)."""
    rows = await connection.fetch(
        """
        SELECT account, currency, sum(amount) AS moved FROM entries
        WHERE user_id IS NULL AND account = ANY ($1::text[]) AND created_at >= $2
          AND ($3::timestamptz IS NULL OR created_at < $3)
        GROUP BY account, currency
        """,
        list(accounts),
        since,
        until,
    )
    return {(row["account"], row["currency"]): row["moved"] for row in rows}


async def read_moves(connection: Connection, references: Sequence[str], account: str) -> dict[str, dict[str, Decimal]]:
    """What the journals of these references moved one house account by, by reference and currency."""
    rows = await connection.fetch(
        """
        SELECT r.reference, e.currency, sum(e.amount) AS moved FROM journal_references r
        LEFT JOIN entries e ON e.journal_id = r.journal_id AND e.created_at = uuid_extract_timestamp(r.journal_id)
            AND e.account = $2 AND e.user_id IS NULL
        WHERE r.reference = ANY ($1::text[]) GROUP BY r.reference, e.currency
        """,
        list(references),
        account,
    )
    found: dict[str, dict[str, Decimal]] = {}
    for row in rows:
        moved = found.setdefault(row["reference"], {})
        if row["currency"] is not None:
            moved[row["currency"]] = row["moved"]
    return found


async def list_moves(
    connection: Connection, account: str, since: datetime, until: datetime, *, limit: int
) -> list[HouseMove]:
    """The journals that moved one house account in a stretch of time, oldest first."""
    rows = await connection.fetch(
        """
        SELECT j.reference, j.kind, j.created_at, e.currency, sum(e.amount) AS amount
        FROM entries e JOIN journals j ON j.id = e.journal_id AND j.created_at = e.created_at
        WHERE e.user_id IS NULL AND e.account = $1 AND e.created_at >= $2 AND e.created_at < $3
        GROUP BY j.reference, j.kind, j.created_at, j.id, e.currency ORDER BY j.created_at, j.id LIMIT $4
        """,
        account,
        since,
        until,
        limit,
    )
    return [HouseMove(**dict(row)) for row in rows]


def balance_rows(connection: Connection, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    """A customer's balances for an export, empty ones too."""
    return rows_of(
        connection, "SELECT currency, available, held FROM balances WHERE user_id = $1 ORDER BY currency", user_id
    )


def entry_rows(connection: Connection, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    """Every line that ever moved a customer's money, for an export, oldest first."""
    return rows_of(
        connection,
        """
        SELECT e.created_at, e.journal_id, j.kind, j.reference, e.account, e.currency, e.amount, e.balance_after
        FROM entries e JOIN journals j ON j.id = e.journal_id AND j.created_at = e.created_at
        WHERE e.user_id = $1 ORDER BY e.created_at, e.journal_id, e.line
        """,
        user_id,
    )


async def list_owed_assets(connection: Connection) -> list[str]:
    """Every asset of which some customer has something."""
    rows = await connection.fetch("SELECT DISTINCT currency FROM balances WHERE available + held > 0 ORDER BY currency")
    return [row["currency"] for row in rows]


async def list_owed(connection: Connection, currency: str) -> list[tuple[UserId, Decimal]]:
    """What each customer has of an asset, held or not, where it is more than nothing."""
    rows = await connection.fetch(
        "SELECT user_id, available + held AS owed FROM balances WHERE currency = $1 AND available + held > 0", currency
    )
    return [(UserId(row["user_id"]), row["owed"]) for row in rows]
