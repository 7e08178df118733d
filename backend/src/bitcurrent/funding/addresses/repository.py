"""All the SQL of saved addresses and of what the venue knows of them, with their encryption."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from bitcurrent.funding.addresses.model import (
    AddressWish,
    Beneficiary,
    DestinationState,
    SavedAddress,
    Told,
    mask,
)
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.kernel.personal_data import rows_of

_SAVED = "withdrawal_addresses"
_DESTINATION = "venue_destinations"
PURPOSE = "withdrawal_addresses.address"
# Names of our own columns, never somebody's input.
_COLUMNS = (
    "a.id, a.user_id, a.asset, a.network, a.shown, a.data_key, a.address, a.label, a.beneficiary, a.created_at, "
    "a.usable_at, a.removed_at, a.destination_id, d.state AS destination_state, d.reason AS destination_reason"
)
_FROM = "withdrawal_addresses a JOIN venue_destinations d ON d.id = a.destination_id"


def index_of(vault: Vault, network: str, address: str) -> bytes:
    """What finds equal addresses of one network without showing them."""
    return vault.blind_index(f"{network}:{address}", purpose=PURPOSE)


async def lock_book(connection: Connection, user_id: UserId) -> tuple[int, int]:
    """Wait for whoever changes the same book; how many addresses it has, and how many were added within a day."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('withdrawal_addresses:' || $1::uuid::text, 0))", user_id
    )
    row = await connection.fetchrow(
        """
        SELECT count(*) FILTER (WHERE removed_at IS NULL) AS kept,
            count(*) FILTER (WHERE created_at > now() - interval '1 day') AS lately
        FROM withdrawal_addresses WHERE user_id = $1
        """,
        user_id,
    )
    assert row is not None
    return row["kept"], row["lately"]


async def insert_address(
    connection: Connection, vault: Vault, user_id: UserId, wish: AddressWish, *, wait: timedelta
) -> UUID | None:
    """Save an address, usable after the wait by the database's clock; None when the book has it already.

    The venue's own row of it is made, or taken up again, in the same transaction.
    """
    index = index_of(vault, wish.network, wish.address)
    destination_id = await _destination(connection, vault, wish, index)
    address_id = new_id()
    record = vault.new_record(table=_SAVED, row=address_id)
    saved: UUID | None = await connection.fetchval(
        """
        INSERT INTO withdrawal_addresses
            (id, user_id, asset, network, destination_id, address_index, shown, data_key, address, label, beneficiary,
            usable_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now() + $12)
        ON CONFLICT (user_id, asset, network, address_index) WHERE removed_at IS NULL DO NOTHING RETURNING id
        """,
        address_id,
        user_id,
        wish.asset,
        wish.network,
        destination_id,
        index,
        mask(wish.address),
        record.wrapped,
        record.encrypt(wish.address.encode(), column="address"),
        record.encrypt(wish.label.encode(), column="label"),
        None
        if wish.beneficiary is None
        else record.encrypt(msgspec.json.encode(wish.beneficiary), column="beneficiary"),
        wait,
    )
    return saved


async def _destination(connection: Connection, vault: Vault, wish: AddressWish, index: bytes) -> UUID:
    made = new_id()
    record = vault.new_record(table=_DESTINATION, row=made)
    destination_id: UUID = await connection.fetchval(
        """
        INSERT INTO venue_destinations AS d (id, network, asset, address_index, data_key, address)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (network, address_index) DO UPDATE SET next_at = least(d.next_at, now()),
            state = CASE WHEN d.state IN ('removed', 'refused') THEN 'waiting' ELSE d.state END
        RETURNING d.id
        """,
        made,
        wish.network,
        wish.asset,
        index,
        record.wrapped,
        record.encrypt(wish.address.encode(), column="address"),
    )
    return destination_id


async def find_address(
    connection: Connection, vault: Vault, user_id: UserId, address_id: UUID, *, removed: bool = False
) -> SavedAddress | None:
    """One of a customer's addresses; removed ones only when they are asked for."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM {_FROM} WHERE a.id = $1 AND a.user_id = $2 AND a.data_key IS NOT NULL "
        "AND ($3 OR a.removed_at IS NULL)",
        address_id,
        user_id,
        removed,
    )
    return None if row is None else _saved(vault, row)


async def list_addresses(
    connection: Connection, vault: Vault, user_id: UserId, *, asset: str | None, before: UUID | None, limit: int
) -> list[SavedAddress]:
    """A customer's addresses, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM {_FROM} WHERE a.user_id = $1 AND a.removed_at IS NULL
            AND ($2::text IS NULL OR a.asset = $2) AND ($3::uuid IS NULL OR a.id < $3)
        ORDER BY a.id DESC LIMIT $4
        """,
        user_id,
        asset,
        before,
        limit,
    )
    return [_saved(vault, row) for row in rows]


async def set_beneficiary(
    connection: Connection, vault: Vault, user_id: UserId, address_id: UUID, beneficiary: Beneficiary
) -> bool:
    """Who receives at an address; False when there is no such address."""
    row = await connection.fetchrow(
        "SELECT data_key FROM withdrawal_addresses WHERE id = $1 AND user_id = $2 AND removed_at IS NULL FOR UPDATE",
        address_id,
        user_id,
    )
    if row is None:
        return False
    record = vault.open_record(row["data_key"], table=_SAVED, row=address_id)
    await connection.execute(
        "UPDATE withdrawal_addresses SET beneficiary = $2 WHERE id = $1",
        address_id,
        record.encrypt(msgspec.json.encode(beneficiary), column="beneficiary"),
    )
    return True


async def remove_address(connection: Connection, user_id: UserId, address_id: UUID) -> UUID | None:
    """Take an address out of the book; the venue's row of it is looked at next. None when it is not there."""
    destination_id: UUID | None = await connection.fetchval(
        """
        UPDATE withdrawal_addresses SET removed_at = now() WHERE id = $1 AND user_id = $2 AND removed_at IS NULL
        RETURNING destination_id
        """,
        address_id,
        user_id,
    )
    if destination_id is not None:
        await connection.execute("UPDATE venue_destinations SET next_at = now() WHERE id = $1", destination_id)
    return destination_id


async def owners_of(connection: Connection, index: bytes, *, limit: int) -> list[UserId]:
    """Whoever has, or had, this address in their book."""
    rows = await connection.fetch(
        "SELECT DISTINCT user_id FROM withdrawal_addresses WHERE address_index = $1 ORDER BY user_id LIMIT $2",
        index,
        limit,
    )
    return [UserId(row["user_id"]) for row in rows]


def address_rows(connection: Connection, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    """A customer's addresses as they stand in the table, sealed, oldest first."""
    return rows_of(
        connection,
        "SELECT id, asset, network, shown, data_key, address, label, beneficiary, created_at, usable_at, removed_at "
        "FROM withdrawal_addresses WHERE user_id = $1 ORDER BY id",
        user_id,
    )


async def erase_addresses(connection: Connection, user_id: UserId) -> None:
    """Drop the data keys: nobody reads these addresses, labels and names again."""
    await connection.execute(
        """
        UPDATE withdrawal_addresses SET data_key = NULL, address = NULL, label = NULL, beneficiary = NULL,
            removed_at = coalesce(removed_at, now()) WHERE user_id = $1
        """,
        user_id,
    )


# What the venue is told


async def claim_destinations(connection: Connection, vault: Vault, *, limit: int, lease: timedelta) -> list[Told]:
    """Addresses that are to be looked at now; nobody else gets them before the lease is over."""
    rows = await connection.fetch(
        """
        UPDATE venue_destinations d SET next_at = now() + $2, attempts = d.attempts + 1
        WHERE d.id IN (
            SELECT id FROM venue_destinations
            WHERE next_at <= now() AND state NOT IN ('refused', 'removed')
            ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING d.id, d.asset, d.network, d.data_key, d.address, d.state, d.venue_id, d.attempts,
            EXISTS (SELECT FROM withdrawal_addresses a WHERE a.destination_id = d.id AND a.removed_at IS NULL)
            OR EXISTS (SELECT FROM withdrawals w JOIN withdrawal_addresses a ON a.id = w.destination
                WHERE a.destination_id = d.id AND w.rail = 'wallet' AND w.finished_at IS NULL) AS used
        """,
        limit,
        lease,
    )
    return [
        Told(
            id=row["id"],
            asset=row["asset"],
            network=row["network"],
            address=_destination_address(vault, row),
            state=DestinationState(row["state"]),
            venue_id=row["venue_id"],
            attempts=row["attempts"],
            used=row["used"],
        )
        for row in rows
    ]


async def move_destination(
    connection: Connection,
    destination_id: UUID,
    *,
    before: DestinationState,
    after: DestinationState,
    look_in: timedelta,
    venue_id: str | None = None,
    reason: str | None = None,
) -> bool:
    """The next state, unless somebody else was faster."""
    moved = await connection.fetchval(
        """
        UPDATE venue_destinations SET state = $3, venue_id = coalesce($4, venue_id), reason = $5,
            next_at = now() + $6,
            told_at = CASE WHEN $3 = 'pending' AND told_at IS NULL THEN now() ELSE told_at END,
            approved_at = CASE WHEN $3 = 'approved' THEN coalesce(approved_at, now()) ELSE NULL END,
            attempts = CASE WHEN $3 = state THEN attempts ELSE 0 END
        WHERE id = $1 AND state = $2 RETURNING true
        """,
        destination_id,
        before.value,
        after.value,
        venue_id,
        reason,
        look_in,
    )
    return bool(moved)


async def read_destination(connection: Connection, vault: Vault, destination_id: UUID) -> tuple[str, DestinationState]:
    """The venue's row of an address: the address itself, and how far the venue is with it."""
    row = await connection.fetchrow(
        "SELECT id, data_key, address, state FROM venue_destinations WHERE id = $1", destination_id
    )
    assert row is not None  # referenced by whoever asks
    return _destination_address(vault, row), DestinationState(row["state"])


async def count_waiting(connection: Connection) -> tuple[int, datetime | None]:
    """Addresses that the venue has not answered for, and since when the oldest waits."""
    row = await connection.fetchrow(
        "SELECT count(*) AS count, min(created_at) AS since FROM venue_destinations "
        "WHERE state IN ('waiting', 'telling')"
    )
    assert row is not None
    return row["count"], row["since"]


def open_row(vault: Vault, row: Mapping[str, Any]) -> dict[str, object]:
    """What is sealed in a row of `address_rows`, in the open; nothing of one that was erased."""
    if row["data_key"] is None:
        return {"address": None, "label": None, "beneficiary": None}
    record = vault.open_record(row["data_key"], table=_SAVED, row=row["id"])
    beneficiary = record.decrypt_text(row["beneficiary"], column="beneficiary")
    return {
        "address": record.decrypt_text(row["address"], column="address"),
        "label": record.decrypt_text(row["label"], column="label"),
        "beneficiary": None if beneficiary is None else msgspec.json.decode(beneficiary),
    }


def _destination_address(vault: Vault, row: asyncpg.Record) -> str:
    record = vault.open_record(row["data_key"], table=_DESTINATION, row=row["id"])
    return record.decrypt(row["address"], column="address").decode()


def _saved(vault: Vault, row: asyncpg.Record) -> SavedAddress:
    record = vault.open_record(row["data_key"], table=_SAVED, row=row["id"])
    beneficiary = record.decrypt_text(row["beneficiary"], column="beneficiary")
    return SavedAddress(
        id=row["id"],
        user_id=UserId(row["user_id"]),
        asset=row["asset"],
        network=row["network"],
        address=record.decrypt(row["address"], column="address").decode(),
        shown=row["shown"],
        label=record.decrypt(row["label"], column="label").decode(),
        beneficiary=None if beneficiary is None else msgspec.json.decode(beneficiary, type=Beneficiary),
        created_at=row["created_at"],
        usable_at=row["usable_at"],
        removed_at=row["removed_at"],
        destination_id=row["destination_id"],
        destination_state=DestinationState(row["destination_state"]),
        destination_reason=row["destination_reason"],
    )
