"""All of privacy's SQL: profiles with their encryption, and the schedule of erasures."""

from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime

import msgspec

from bitcurrent.identity.factors import repository as factors
from bitcurrent.identity.privacy.model import Address, Document, Erasure, KeptProfile, Profile
from bitcurrent.kernel.crypto import Record, Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import rows_of

_TABLE = "customer_profiles"


async def find_profile(connection: Connection, vault: Vault, user_id: UserId) -> KeptProfile | None:
    """A customer's profile; None when there is none, or it was erased."""
    row = await connection.fetchrow(
        """
        SELECT data_key, legal_name, birth_date, address, phone, documents, updated_at FROM customer_profiles
        WHERE user_id = $1 AND data_key IS NOT NULL
        """,
        user_id,
    )
    if row is None:
        return None
    record = vault.open_record(row["data_key"], table=_TABLE, row=user_id)
    profile = Profile(
        legal_name=record.decrypt(row["legal_name"], column="legal_name").decode(),
        birth_date=date.fromisoformat(record.decrypt(row["birth_date"], column="birth_date").decode()),
        address=msgspec.json.decode(record.decrypt(row["address"], column="address"), type=Address),
        phone=record.decrypt_text(row["phone"], column="phone"),
        documents=msgspec.json.decode(record.decrypt(row["documents"], column="documents"), type=tuple[Document, ...]),
    )
    return KeptProfile(profile=profile, updated_at=row["updated_at"])


async def users_after(connection: Connection, after: UserId | None, limit: int) -> list[UserId]:
    """Customers who have a profile, in the order of their ids."""
    rows = await connection.fetch(
        """
        SELECT user_id FROM customer_profiles
        WHERE data_key IS NOT NULL AND ($1::uuid IS NULL OR user_id > $1) ORDER BY user_id LIMIT $2
        """,
        after,
        limit,
    )
    return [UserId(row["user_id"]) for row in rows]


async def users_changed_since(connection: Connection, since: datetime, limit: int) -> list[tuple[UserId, datetime]]:
    """Customers whose profile has changed since a moment, the first change first."""
    rows = await connection.fetch(
        """
        SELECT user_id, updated_at FROM customer_profiles
        WHERE data_key IS NOT NULL AND updated_at >= $1 ORDER BY updated_at, user_id LIMIT $2
        """,
        since,
        limit,
    )
    return [(UserId(row["user_id"]), row["updated_at"]) for row in rows]


async def save_profile(connection: Connection, vault: Vault, user_id: UserId, profile: Profile) -> datetime:
    """Keep a profile instead of any earlier one, under a new data key; when that was."""
    record = vault.new_record(table=_TABLE, row=user_id)
    saved: datetime = await connection.fetchval(
        """
        INSERT INTO customer_profiles
            (user_id, data_key, legal_name, birth_date, address, phone, documents, phone_index, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now())
        ON CONFLICT (user_id) DO UPDATE SET
            data_key = excluded.data_key, legal_name = excluded.legal_name, birth_date = excluded.birth_date,
            address = excluded.address, phone = excluded.phone, documents = excluded.documents,
            phone_index = excluded.phone_index, updated_at = excluded.updated_at
        RETURNING updated_at
        """,
        user_id,
        record.wrapped,
        *_encrypted(record, profile),
        None if profile.phone is None else _phone_index(vault, profile.phone),
    )
    return saved


def _encrypted(record: Record, profile: Profile) -> tuple[bytes | None, ...]:
    return (
        record.encrypt(profile.legal_name.encode(), column="legal_name"),
        record.encrypt(profile.birth_date.isoformat().encode(), column="birth_date"),
        record.encrypt(msgspec.json.encode(profile.address), column="address"),
        record.encrypt_text(profile.phone, column="phone"),
        record.encrypt(msgspec.json.encode(profile.documents), column="documents"),
    )


async def users_with_phone(connection: Connection, vault: Vault, phone: str, *, limit: int = 50) -> list[UserId]:
    """Whose profile has this telephone number, in E.164 form."""
    rows = await connection.fetch(
        "SELECT user_id FROM customer_profiles WHERE phone_index = $1 ORDER BY user_id LIMIT $2",
        _phone_index(vault, phone),
        limit,
    )
    return [UserId(row["user_id"]) for row in rows]


async def lock_user(connection: Connection, user_id: UserId) -> str | None:
    """Lock a user's row against changes at the same time; their KYC level."""
    level: str | None = await connection.fetchval(
        "SELECT kyc_level FROM users WHERE id = $1 FOR NO KEY UPDATE", user_id
    )
    return level


async def close_user(connection: Connection, user_id: UserId) -> list[str]:
    """Close an account and revoke its API keys; the ids of those that worked until now."""
    await connection.execute("UPDATE users SET status = 'closed' WHERE id = $1", user_id)
    rows = await connection.fetch(
        "UPDATE api_keys SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL RETURNING key_id", user_id
    )
    return [row["key_id"] for row in rows]


async def schedule_erasure(connection: Connection, user_id: UserId, *, days: int) -> Erasure:
    """Schedule an erasure, or find the one there is: asking again changes nothing."""
    row = await connection.fetchrow(
        """
        INSERT INTO erasures (user_id, due_at) VALUES ($1, now() + make_interval(days => $2))
        ON CONFLICT (user_id) DO UPDATE SET user_id = excluded.user_id
        RETURNING asked_at, due_at, done_at
        """,
        user_id,
        days,
    )
    assert row is not None  # INSERT … RETURNING gives its row
    return Erasure(asked_at=row["asked_at"], due_at=row["due_at"], done_at=row["done_at"])


async def next_due(connection: Connection) -> UserId | None:
    """Somebody whose erasure is due, locked; skips those that another worker is erasing."""
    found = await connection.fetchval(
        """
        SELECT user_id FROM erasures WHERE done_at IS NULL AND due_at <= now()
        ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
        """
    )
    return None if found is None else UserId(found)


async def postpone_erasure(connection: Connection, user_id: UserId, *, days: int) -> None:
    """Make an erasure due some days from now."""
    await connection.execute(
        "UPDATE erasures SET due_at = now() + make_interval(days => $2) WHERE user_id = $1", user_id, days
    )


async def shred(connection: Connection, user_id: UserId) -> None:
    """Drop the data keys, and with them all that is under them; factors, links, and what described devices."""
    await connection.execute(
        """
        UPDATE users SET data_key = NULL, email_index = NULL, email_encrypted = NULL, display_name_encrypted = NULL,
            password_hash = 'erased', status = 'closed'
        WHERE id = $1
        """,
        user_id,
    )
    await connection.execute(
        """
        UPDATE customer_profiles SET data_key = NULL, legal_name = NULL, birth_date = NULL, address = NULL,
            phone = NULL, documents = NULL, phone_index = NULL, updated_at = now()
        WHERE user_id = $1
        """,
        user_id,
    )
    await factors.remove_all(connection, user_id)
    await connection.execute("DELETE FROM account_links WHERE user_id = $1", user_id)
    await connection.execute("UPDATE lost_factor_requests SET reason = '', address = '' WHERE user_id = $1", user_id)
    await connection.execute("UPDATE user_sessions SET address = '', device = '' WHERE user_id = $1", user_id)
    await connection.execute("UPDATE api_keys SET label = '' WHERE user_id = $1", user_id)
    await connection.execute("UPDATE erasures SET done_at = now() WHERE user_id = $1", user_id)


def session_rows(connection: Connection, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    """A customer's sessions for an export, oldest first."""
    return rows_of(
        connection,
        """
        SELECT id, created_at, expires_at, revoked_at, last_seen_at, address, device FROM user_sessions
        WHERE user_id = $1 ORDER BY created_at
        """,
        user_id,
    )


def key_rows(connection: Connection, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    """A customer's API keys for an export, oldest first, without the hashes of their secrets."""
    return rows_of(
        connection,
        """
        SELECT key_id, label, scopes, created_at, expires_at, revoked_at, last_used_at FROM api_keys
        WHERE user_id = $1 ORDER BY created_at
        """,
        user_id,
    )


def factor_rows(connection: Connection, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    """A customer's second factors for an export, without their secrets; a telephone number still encrypted."""
    return rows_of(
        connection,
        """
        SELECT 'totp' AS method, NULL AS label, NULL::bytea AS phone_encrypted, created_at, confirmed_at
        FROM totp_factors WHERE user_id = $1
        UNION ALL
        SELECT 'passkey', label, NULL, created_at, created_at FROM passkeys WHERE user_id = $1
        UNION ALL
        SELECT 'sms', NULL, phone_encrypted, created_at, confirmed_at FROM sms_factors WHERE user_id = $1
        ORDER BY created_at
        """,
        user_id,
    )


def _phone_index(vault: Vault, phone: str) -> bytes:
    return vault.blind_index(phone, purpose="customer_profiles.phone")
