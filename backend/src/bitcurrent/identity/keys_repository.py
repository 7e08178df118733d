"""The SQL of API keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import asyncpg

from bitcurrent.identity.key_limits import KeyLimits
from bitcurrent.identity.model import Actor, ApiKey, Scope
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.kernel.networks import Networks

# Constants of this module, never somebody's input.
_KEY = (
    "k.id, k.key_id, k.label, k.scopes, k.created_at, k.expires_at, k.revoked_at, k.last_used_at,"
    " k.last_used_address, k.networks, k.symbols, k.daily_notional, k.require_signature,"
    " coalesce((SELECT d.used FROM api_key_days d WHERE d.key_id = k.key_id"
    " AND d.day = (now() AT TIME ZONE 'UTC')::date), 0) AS used_today"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTerms:
    """What a key is and may do; checked already."""

    label: str
    scopes: Sequence[Scope]
    expires_at: datetime | None = None
    networks: Networks | None = None
    symbols: frozenset[str] | None = None
    daily_notional: Decimal | None = None
    require_signature: bool = False

    def columns(self) -> tuple[object, ...]:
        """As they are stored: label, scopes, expires_at, networks, symbols, daily_notional, require_signature."""
        return (
            self.label,
            sorted(set(self.scopes)),
            self.expires_at,
            None if self.networks is None else self.networks.texts(),
            None if self.symbols is None else sorted(self.symbols),
            self.daily_notional,
            self.require_signature,
        )


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A working key: the hash of its secret, when it ends, and whoever it stands for."""

    secret_hash: bytes
    expires_at: datetime | None
    actor: Actor


async def insert_key(
    connection: Connection, *, user_id: UserId, key_id: str, secret_hash: bytes, terms: KeyTerms
) -> ApiKey:
    """A new API key."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO api_keys AS k (id, user_id, key_id, secret_hash, label, scopes, expires_at, networks, symbols,
            daily_notional, require_signature)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING {_KEY}
        """,
        new_id(),
        user_id,
        key_id,
        secret_hash,
        *terms.columns(),
    )
    assert row is not None  # INSERT … RETURNING gives its row
    return _key_of(row)


async def lock_key(connection: Connection, user_id: UserId, key_id: str) -> ApiKey | None:
    """A user's key, locked until the transaction ends."""
    row = await connection.fetchrow(
        f"SELECT {_KEY} FROM api_keys k WHERE k.user_id = $1 AND k.key_id = $2 FOR UPDATE OF k", user_id, key_id
    )
    return _key_of(row) if row else None


async def update_key(connection: Connection, user_id: UserId, key_id: str, terms: KeyTerms) -> ApiKey:
    """Give a user's key other terms; the key must exist."""
    row = await connection.fetchrow(
        f"""
        UPDATE api_keys k SET label = $3, scopes = $4, expires_at = $5, networks = $6, symbols = $7,
            daily_notional = $8, require_signature = $9
        WHERE k.user_id = $1 AND k.key_id = $2 RETURNING {_KEY}
        """,
        user_id,
        key_id,
        *terms.columns(),
    )
    assert row is not None  # locked by lock_key
    return _key_of(row)


async def key_exists(connection: Connection, key_id: str) -> bool:
    """Whether there is, or was, a key with this id."""
    found = await connection.fetchval("SELECT EXISTS (SELECT FROM api_keys WHERE key_id = $1)", key_id)
    return bool(found)


async def count_keys(connection: Connection, user_id: UserId) -> int:
    """Keys that still work. Locks the user, so that two keys made at once are counted one after the other."""
    await connection.execute("SELECT 1 FROM users WHERE id = $1 FOR UPDATE", user_id)
    count = await connection.fetchval(
        """
        SELECT count(*) FROM api_keys
        WHERE user_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
        """,
        user_id,
    )
    return int(count)


async def keys(connection: Connection, user_id: UserId, *, before: UUID | None, limit: int) -> list[ApiKey]:
    """A user's API keys, newest first, revoked ones too."""
    rows = await connection.fetch(
        f"""
        SELECT {_KEY} FROM api_keys k WHERE k.user_id = $1 AND ($2::uuid IS NULL OR k.id < $2)
        ORDER BY k.id DESC LIMIT $3
        """,
        user_id,
        before,
        limit,
    )
    return [_key_of(row) for row in rows]


async def find_key(connection: Connection, user_id: UserId, key_id: str) -> ApiKey | None:
    """A user's key."""
    row = await connection.fetchrow(
        f"SELECT {_KEY} FROM api_keys k WHERE k.user_id = $1 AND k.key_id = $2", user_id, key_id
    )
    return _key_of(row) if row else None


async def revoke_key(connection: Connection, user_id: UserId, key_id: str) -> bool | None:
    """Revoke a user's key: True now, False when it was already, None when there is none such."""
    row = await connection.fetchrow(
        """
        WITH ended AS (
            UPDATE api_keys SET revoked_at = now()
            WHERE user_id = $1 AND key_id = $2 AND revoked_at IS NULL RETURNING id
        )
        SELECT EXISTS (SELECT FROM ended) AS now FROM api_keys WHERE user_id = $1 AND key_id = $2
        """,
        user_id,
        key_id,
    )
    return bool(row["now"]) if row else None


async def revoke_all(connection: Connection, user_id: UserId) -> list[str]:
    """Revoke all of a user's API keys; the ids of those that still worked."""
    rows = await connection.fetch(
        "UPDATE api_keys SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL RETURNING key_id", user_id
    )
    return [row["key_id"] for row in rows]


async def working_key(connection: Connection, key_id: str) -> FoundKey | None:
    """A key that has not ended, whatever secret came with it: the caller compares."""
    row = await connection.fetchrow(
        """
        SELECT k.secret_hash, k.expires_at, k.scopes, k.networks, k.symbols, k.daily_notional, k.require_signature,
            u.id, u.role, u.status, u.is_customer
        FROM api_keys k JOIN users u ON u.id = k.user_id
        WHERE k.key_id = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
          AND u.status <> 'closed'
        """,
        key_id,
    )
    if row is None:
        return None
    actor = Actor(
        UserId(row["id"]),
        row["role"],
        row["status"],
        frozenset(row["scopes"]),
        key_id=key_id,
        is_customer=row["is_customer"],
        limits=_limits_of(key_id, row),
    )
    return FoundKey(row["secret_hash"], row["expires_at"], actor)


async def note_use(connection: Connection, key_id: str, address: str | None) -> None:
    """Remember when and from where a key was used: at most once a minute, or when the address is another."""
    await connection.execute(
        """
        UPDATE api_keys SET last_used_at = now(), last_used_address = coalesce($2, last_used_address)
        WHERE key_id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute'
            OR last_used_address IS DISTINCT FROM coalesce($2, last_used_address))
        """,
        key_id,
        address,
    )


def _limits_of(key_id: str, row: asyncpg.Record) -> KeyLimits | None:
    networks, symbols = row["networks"], row["symbols"]
    if networks is None and symbols is None and row["daily_notional"] is None and not row["require_signature"]:
        return None
    return KeyLimits(
        key_id=key_id,
        networks=None if networks is None else Networks.of(networks),
        symbols=None if symbols is None else frozenset(symbols),
        daily_notional=row["daily_notional"],
        require_signature=row["require_signature"],
    )


def _key_of(row: asyncpg.Record) -> ApiKey:
    return ApiKey(
        id=row["id"],
        key_id=row["key_id"],
        label=row["label"],
        scopes=frozenset(row["scopes"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
        last_used_address=row["last_used_address"],
        limits=_limits_of(row["key_id"], row),
        used_today=row["used_today"],
    )
