"""All the SQL of conversions."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import asyncpg

from bitcurrent.compliance.limits.model import Usage
from bitcurrent.funding.conversions.model import QUOTE_SECONDS, Conversion, Exposure, Quote, Rate, Terms
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import rows_of

_TERMS = "q.from_currency, q.to_currency, q.give, q.get, q.spread, q.rate, q.middle, q.spread_bps"
_QUOTE = f"q.id, q.user_id, {_TERMS}, q.worth, q.rate_source, q.rate_at, q.created_at, q.expires_at"
_CONVERSION = f"c.id, c.user_id, c.quote_id, {_TERMS}, c.created_at, q.rate_source, q.rate_at"
_TERM_NAMES = tuple(name.strip().removeprefix("q.") for name in _TERMS.split(","))
PURGE_ROWS_MAX = 5_000


async def insert_quote(
    connection: Connection, quote_id: UUID, user_id: UserId, terms: Terms, *, worth: Decimal, rate: Rate
) -> Quote:
    """Keep terms for their seconds, by the database's clock."""
    row = await connection.fetchrow(
        f"""
        WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS at)
        INSERT INTO conversion_quotes AS q (id, user_id, from_currency, to_currency, give, get, spread, rate, middle,
            spread_bps, worth, rate_source, rate_at, created_at, expires_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, at, at + make_interval(secs => $14) FROM moment
        RETURNING {_QUOTE}
        """,
        quote_id,
        user_id,
        *(getattr(terms, name) for name in _TERM_NAMES),
        worth,
        rate.source,
        rate.at,
        QUOTE_SECONDS,
    )
    assert row is not None
    return _quote(row)


async def find_quote(connection: Connection, quote_id: UUID, user_id: UserId) -> tuple[Quote, bool] | None:
    """A customer's quote, and whether its time is over."""
    row = await connection.fetchrow(
        f"SELECT {_QUOTE}, q.expires_at <= clock_timestamp() AS over FROM conversion_quotes q"
        " WHERE q.id = $1 AND q.user_id = $2",
        quote_id,
        user_id,
    )
    return None if row is None else (_quote(row), row["over"])


async def insert_conversion(connection: Connection, conversion_id: UUID, quote: Quote, *, at: datetime) -> bool:
    """Use a quote; False when it is used already. Waits for whoever is using it now."""
    done: str = await connection.execute(
        "INSERT INTO conversions (id, quote_id, user_id, created_at) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (quote_id) DO NOTHING",
        conversion_id,
        quote.id,
        quote.user_id,
        at,
    )
    return done == "INSERT 0 1"


async def list_conversions(
    connection: Connection, user_id: UserId, *, before: UUID | None, limit: int
) -> Sequence[Conversion]:
    """A customer's conversions, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_CONVERSION} FROM conversions c JOIN conversion_quotes q ON q.id = c.quote_id
        WHERE c.user_id = $1 AND ($2::uuid IS NULL OR (c.created_at, c.id) < (uuid_extract_timestamp($2), $2))
        ORDER BY c.created_at DESC, c.id DESC LIMIT $3
        """,
        user_id,
        before,
        limit,
    )
    return [_conversion(row) for row in rows]


async def find_conversion(connection: Connection, conversion_id: UUID, user_id: UserId) -> Conversion | None:
    """One of a customer's conversions."""
    row = await connection.fetchrow(
        f"SELECT {_CONVERSION} FROM conversions c JOIN conversion_quotes q ON q.id = c.quote_id"
        " WHERE c.id = $1 AND c.user_id = $2",
        conversion_id,
        user_id,
    )
    return None if row is None else _conversion(row)


async def usage_since(connection: Connection, user_id: UserId, since: datetime, asset: str | None) -> Usage:
    """What a customer has converted since a moment (out of one currency): for limits."""
    row = await connection.fetchrow(
        """
        SELECT coalesce(sum(q.worth), 0) AS worth, coalesce(sum(q.give), 0) AS amount, count(*) AS count,
            min(c.created_at) AS oldest
        FROM conversions c JOIN conversion_quotes q ON q.id = c.quote_id
        WHERE c.user_id = $1 AND c.created_at > $2 AND ($3::text IS NULL OR q.from_currency = $3)
        """,
        user_id,
        since,
        asset,
    )
    assert row is not None
    return Usage(**dict(row))


async def read_exposure(connection: Connection) -> list[Exposure]:
    """What the house owns of each currency by conversions; a law says that it is what the books have in `fx`."""
    rows = await connection.fetch(
        """
        SELECT currency, sum(given) - sum(got) - sum(earned) AS position, sum(earned) AS earned FROM (
            SELECT q.from_currency AS currency, q.give AS given, 0 AS got, 0 AS earned
            FROM conversions c JOIN conversion_quotes q ON q.id = c.quote_id
            UNION ALL
            SELECT q.to_currency, 0, q.get, q.spread FROM conversions c JOIN conversion_quotes q ON q.id = c.quote_id
        ) AS sides GROUP BY currency ORDER BY currency
        """
    )
    return [Exposure(**dict(row)) for row in rows]


async def keep_rate(connection: Connection, *, currency: str, rate: Rate) -> None:
    """Write down what a currency is worth today; the day's last word stays."""
    await connection.execute(
        """
        INSERT INTO fx_rates (day, currency, worth, source, rate_at)
        VALUES ((now() AT TIME ZONE 'UTC')::date, $1, $2, $3, $4)
        ON CONFLICT (day, currency) DO UPDATE SET worth = EXCLUDED.worth, source = EXCLUDED.source,
            rate_at = EXCLUDED.rate_at
        """,
        currency,
        rate.middle,
        rate.source,
        rate.at,
    )


async def find_kept_rate(connection: Connection, currency: str, *, until: datetime, days: int) -> Decimal | None:
    """The newest worth in USD that was written down in the days up to a moment."""
    found: Decimal | None = await connection.fetchval(
        "SELECT worth FROM fx_rates WHERE currency = $1 AND day <= ($2::timestamptz AT TIME ZONE 'UTC')::date"
        " AND day > ($2::timestamptz AT TIME ZONE 'UTC')::date - $3::integer ORDER BY day DESC LIMIT 1",
        currency,
        until,
        days,
    )
    return found


async def purge_quotes(connection: Connection, *, days: int) -> int:
    """Forget old quotes that were never used, some thousands at a time; returns how many went."""
    done: str = await connection.execute(
        """
        DELETE FROM conversion_quotes WHERE id IN (
            SELECT q.id FROM conversion_quotes q WHERE q.created_at < now() - make_interval(days => $1)
                AND NOT EXISTS (SELECT FROM conversions c WHERE c.quote_id = q.id)
            ORDER BY q.created_at LIMIT $2)
        """,
        days,
        PURGE_ROWS_MAX,
    )
    return int(done.rpartition(" ")[2])


def conversion_rows(connection: Connection, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    """A customer's conversions for an export, oldest first."""
    return rows_of(
        connection,
        f"SELECT {_CONVERSION} FROM conversions c JOIN conversion_quotes q ON q.id = c.quote_id"
        " WHERE c.user_id = $1 ORDER BY c.created_at, c.id",
        user_id,
    )


def _quote(row: asyncpg.Record) -> Quote:
    return Quote(
        id=row["id"],
        user_id=row["user_id"],
        terms=_terms(row),
        worth=row["worth"],
        rate_source=row["rate_source"],
        rate_at=row["rate_at"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )


def _conversion(row: asyncpg.Record) -> Conversion:
    return Conversion(
        id=row["id"],
        user_id=row["user_id"],
        quote_id=row["quote_id"],
        terms=_terms(row),
        created_at=row["created_at"],
        rate_source=row["rate_source"],
        rate_at=row["rate_at"],
    )


def _terms(row: asyncpg.Record) -> Terms:
    return Terms(**{name: row[name] for name in _TERM_NAMES})
