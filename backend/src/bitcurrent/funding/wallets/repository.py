"""All the SQL of transfers out of the venue's wallet, and of the Travel Rule's evidence."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import asyncpg

from bitcurrent.funding.addresses.model import Decision, KeptTransfer, TransferState
from bitcurrent.funding.ports import Transfer
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection

_EVIDENCE = "travel_rule_records"
# Names of our own columns, never somebody's input.
_COLUMNS = (
    "withdrawal_id, destination_id, asset, network, amount, state, asked_at, attempts, missing_since, looks, decision, "
    "venue_id, network_fee, transaction_hash, reason, "
    "coalesce(extract(epoch FROM clock_timestamp() - missing_since), 0)::numeric AS missing_seconds"
)


class TwinWaits(Exception):
    """An equal transfer has no answer so far: two of them could not be told apart."""


async def intend(
    connection: Connection, *, withdrawal_id: UUID, destination_id: UUID, asset: str, network: str, amount: Decimal
) -> bool:
    """Write down that it is asked for now. False: it was asked for before, and only the venue's list tells.

    Raises TwinWaits; the transaction is then spent.
    """
    try:
        found = await connection.fetchval(
            """
            INSERT INTO wallet_transfers AS t
                (withdrawal_id, destination_id, asset, network, amount, state, asked_at)
            VALUES ($1, $2, $3, $4, $5, 'asked', clock_timestamp())
            ON CONFLICT (withdrawal_id) DO UPDATE SET state = 'asked', asked_at = clock_timestamp(),
                attempts = t.attempts + 1, missing_since = NULL, looks = 0, decision = NULL, reason = NULL
            WHERE t.state = 'nothing_there' RETURNING true
            """,
            withdrawal_id,
            destination_id,
            asset,
            network,
            amount,
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "idx_wallet_transfers_unanswered":
            raise
        raise TwinWaits from error
    return bool(found)


async def keep_evidence(
    connection: Connection,
    vault: Vault,
    *,
    withdrawal_id: UUID,
    address_id: UUID,
    worth: Decimal,
    threshold: Decimal,
    evidence: bytes,
) -> None:
    """What was known of the receiver, once for each withdrawal."""
    record = vault.new_record(table=_EVIDENCE, row=withdrawal_id)
    await connection.execute(
        """
        INSERT INTO travel_rule_records (withdrawal_id, address_id, worth, threshold, required, data_key, evidence)
        VALUES ($1, $2, $3, $4, $3::numeric >= $4::numeric, $5, $6) ON CONFLICT (withdrawal_id) DO NOTHING
        """,
        withdrawal_id,
        address_id,
        worth,
        threshold,
        record.wrapped,
        record.encrypt(evidence, column="evidence"),
    )


async def read_evidence(connection: Connection, vault: Vault, withdrawal_id: UUID) -> bytes | None:
    """The evidence as it was kept; None when there is none."""
    row = await connection.fetchrow(
        "SELECT data_key, evidence FROM travel_rule_records WHERE withdrawal_id = $1", withdrawal_id
    )
    if row is None:
        return None
    record = vault.open_record(row["data_key"], table=_EVIDENCE, row=withdrawal_id)
    return record.decrypt(row["evidence"], column="evidence")


async def find(connection: Connection, withdrawal_id: UUID) -> KeptTransfer | None:
    """Our record of a withdrawal's transfer."""
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM wallet_transfers WHERE withdrawal_id = $1", withdrawal_id)
    return _kept(row) if row else None


async def lock(connection: Connection, withdrawal_id: UUID) -> KeptTransfer | None:
    """The same, and nobody else changes it before the transaction ends."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM wallet_transfers WHERE withdrawal_id = $1 FOR UPDATE", withdrawal_id
    )
    return _kept(row) if row else None


async def bound_among(connection: Connection, venue_ids: Sequence[str]) -> set[str]:
    """Which of the venue's transfers belong to one of ours."""
    rows = await connection.fetch(
        "SELECT venue_id FROM wallet_transfers WHERE venue_id = ANY ($1::text[])", list(venue_ids)
    )
    return {row["venue_id"] for row in rows}


async def bind(connection: Connection, withdrawal_id: UUID, transfer: Transfer) -> None:
    """This is the venue's transfer for it, and how far it is. Saying it again changes nothing."""
    state = TransferState(transfer.status)
    await connection.execute(
        """
        UPDATE wallet_transfers SET state = $2, venue_id = $3, network_fee = $4,
            transaction_hash = coalesce($5, transaction_hash), missing_since = NULL, decision = NULL,
            reason = CASE WHEN $2 = 'failed' THEN 'venue_failed' END,
            finished_at = CASE WHEN $2 IN ('complete', 'failed') THEN clock_timestamp() END
        WHERE withdrawal_id = $1 AND state IN ('asked', 'processing')
        """,
        withdrawal_id,
        state.value,
        transfer.id,
        transfer.network_fee,
        transfer.transaction_hash,
    )


async def note_missing(connection: Connection, withdrawal_id: UUID) -> KeptTransfer | None:
    """The venue's list was read without it."""
    row = await connection.fetchrow(
        f"""
        UPDATE wallet_transfers SET looks = looks + 1, missing_since = coalesce(missing_since, clock_timestamp())
        WHERE withdrawal_id = $1 AND state = 'asked' RETURNING {_COLUMNS}
        """,
        withdrawal_id,
    )
    return _kept(row) if row else None


async def never_was(connection: Connection, withdrawal_id: UUID) -> None:
    """It certainly never reached the venue, or two people decided so: it may be sent again."""
    await connection.execute(
        """
        UPDATE wallet_transfers SET state = 'nothing_there', decision = NULL
        WHERE withdrawal_id = $1 AND state = 'asked'
        """,
        withdrawal_id,
    )


async def fail(connection: Connection, withdrawal_id: UUID, reason: str) -> None:
    """It will not happen: the venue refused it, or two people gave it up."""
    await connection.execute(
        """
        UPDATE wallet_transfers SET state = 'failed', reason = $2, finished_at = clock_timestamp()
        WHERE withdrawal_id = $1 AND state IN ('asked', 'nothing_there')
        """,
        withdrawal_id,
        reason[:300],
    )


async def decide(connection: Connection, withdrawal_id: UUID, decision: Decision) -> None:
    """What two people decided; it counts when the venue's list is read without it once more."""
    await connection.execute(
        "UPDATE wallet_transfers SET decision = $2 WHERE withdrawal_id = $1 AND state = 'asked'",
        withdrawal_id,
        decision,
    )


async def list_open(
    connection: Connection, *, missing: bool | None, before: UUID | None, limit: int
) -> list[KeptTransfer]:
    """Transfers without an end, newest first; `missing` ones are those that the venue's list lacks."""
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM wallet_transfers WHERE finished_at IS NULL
            AND ($1::boolean IS NULL OR (missing_since IS NOT NULL) = $1)
            AND ($2::uuid IS NULL OR withdrawal_id < $2)
        ORDER BY withdrawal_id DESC LIMIT $3
        """,
        missing,
        before,
        limit,
    )
    return [_kept(row) for row in rows]


def _kept(row: asyncpg.Record) -> KeptTransfer:
    return KeptTransfer(**{**dict(row), "state": TransferState(row["state"])})
