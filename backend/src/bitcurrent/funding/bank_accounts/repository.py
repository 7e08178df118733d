"""All the SQL of bank accounts."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Any
from uuid import UUID

from bitcurrent.funding.bank_accounts.model import BankAccount, BankDetails
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import rows_of

# Names of our own fields, never somebody's input.
_ACCOUNT = ", ".join(field.name for field in fields(BankAccount))


async def insert(
    connection: Connection,
    *,
    account_id: UUID,
    user_id: UserId,
    details: BankDetails,
    wait: timedelta,
    fingerprint: bytes,
    data_key: bytes,
    sealed: bytes,
) -> BankAccount | None:
    """A new account, usable after the wait; None when it is saved already."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO bank_accounts (id, user_id, usable_at, currency, scheme, label, fingerprint, data_key, details)
        VALUES ($1, $2, now() + $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (user_id, fingerprint, currency) WHERE removed_at IS NULL DO NOTHING RETURNING {_ACCOUNT}
        """,
        account_id,
        user_id,
        wait,
        details.currency,
        details.scheme,
        details.label,
        fingerprint,
        data_key,
        sealed,
    )
    return _account(row) if row else None


async def lock_customer(connection: Connection, user_id: UserId) -> int:
    """Wait for whoever adds an account of the same customer; how many there are."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('bank_accounts:' || $1::uuid::text, 0))", user_id
    )
    count: int = await connection.fetchval(
        "SELECT count(*) FROM bank_accounts WHERE user_id = $1 AND removed_at IS NULL", user_id
    )
    return count


async def list_accounts(connection: Connection, user_id: UserId) -> list[BankAccount]:
    """The customer's accounts that are not removed, newest first."""
    rows = await connection.fetch(
        f"SELECT {_ACCOUNT} FROM bank_accounts WHERE user_id = $1 AND removed_at IS NULL ORDER BY id DESC", user_id
    )
    return [_account(row) for row in rows]


async def find(connection: Connection, account_id: UUID, user_id: UserId) -> BankAccount | None:
    """One of the customer's accounts that is not removed."""
    row = await connection.fetchrow(
        f"SELECT {_ACCOUNT} FROM bank_accounts WHERE id = $1 AND user_id = $2 AND removed_at IS NULL",
        account_id,
        user_id,
    )
    return _account(row) if row else None


async def remove(connection: Connection, account_id: UUID, user_id: UserId) -> BankAccount | None:
    """Remove it for its owner; what was paid to it keeps its trace."""
    row = await connection.fetchrow(
        f"""
        UPDATE bank_accounts SET removed_at = clock_timestamp() WHERE id = $1 AND user_id = $2 AND removed_at IS NULL
        RETURNING {_ACCOUNT}
        """,
        account_id,
        user_id,
    )
    return _account(row) if row else None


async def read_sealed(connection: Connection, account_ids: list[UUID]) -> dict[UUID, tuple[bytes, bytes]]:
    """Data key and sealed details by id; removed accounts too, as what was asked for before is still paid."""
    rows = await connection.fetch(
        "SELECT id, data_key, details FROM bank_accounts WHERE id = ANY ($1) AND data_key IS NOT NULL", account_ids
    )
    return {row["id"]: (row["data_key"], row["details"]) for row in rows}


async def erase_accounts(connection: Connection, user_id: UserId) -> None:
    """Forget what the customer's accounts are; their labels, of four digits, stay with what was paid."""
    await connection.execute(
        """
        UPDATE bank_accounts SET removed_at = coalesce(removed_at, clock_timestamp()), data_key = NULL, details = NULL
        WHERE user_id = $1
        """,
        user_id,
    )


def account_rows(connection: Connection, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    """A customer's bank accounts for an export, oldest first."""
    return rows_of(
        connection,
        "SELECT id, created_at, usable_at, removed_at, currency, scheme, label, data_key, details FROM bank_accounts "
        "WHERE user_id = $1 ORDER BY id",
        user_id,
    )


def _account(row: Any) -> BankAccount:
    return BankAccount(**dict(row))
