"""The SQL of second factors, of tries at them, and of challenges."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from bitcurrent.identity.factors.model import Challenge, Enrolled, Method, Passkey, Purpose, Sms, Totp, Tries
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import SessionId, UserId

# Constants of this module, never somebody's input.
_TOTP = "user_id, secret_encrypted, created_at, confirmed_at, last_step"
_PASSKEY = "id, user_id, credential_id, public_key, sign_count, label, transports, backed_up, created_at, last_used_at"
_SMS = "user_id, phone_encrypted, created_at, confirmed_at, code_hash, code_expires_at, code_tries"
_CHALLENGE = "id, purpose, user_id, session_id, bytes, expires_at"


async def lock_user(connection: Connection, user_id: UserId) -> None:
    """One change of somebody's factors at a time, until the transaction ends."""
    await connection.execute("SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE", user_id)


async def enrolled(connection: Connection, user_id: UserId) -> Enrolled:
    """What a user has."""
    row = await connection.fetchrow(
        """
        SELECT EXISTS (SELECT FROM totp_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL) AS totp,
            (SELECT count(*) FROM passkeys WHERE user_id = $1) AS passkeys,
            EXISTS (SELECT FROM sms_factors WHERE user_id = $1 AND confirmed_at IS NOT NULL) AS sms,
            (SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL) AS recovery_codes
        """,
        user_id,
    )
    assert row is not None  # a SELECT of scalars gives its row
    return Enrolled(**dict(row))


async def remove_all(connection: Connection, user_id: UserId) -> None:
    """Every factor, code and try of a user."""
    for table in ("totp_factors", "passkeys", "sms_factors", "recovery_codes", "factor_tries"):
        # nosemgrep: formatted-sql  one of the tables named here
        await connection.execute(f"DELETE FROM {table} WHERE user_id = $1", user_id)


# ---- tries


async def lock_tries(connection: Connection, user_id: UserId, method: Method) -> Tries:
    """The tries so far; tries at the same factor wait for each other until the transaction ends."""
    await connection.execute(
        "INSERT INTO factor_tries (user_id, method) VALUES ($1, $2) ON CONFLICT DO NOTHING", user_id, method
    )
    row = await connection.fetchrow(
        "SELECT failures, locks, locked_until FROM factor_tries WHERE user_id = $1 AND method = $2 FOR UPDATE",
        user_id,
        method,
    )
    if row is None:  # removed in between with all factors: there is nothing to try any more
        return Tries()
    return Tries(tuple(row["failures"]), row["locks"], row["locked_until"])


async def save_tries(connection: Connection, user_id: UserId, method: Method, tries: Tries) -> None:
    """The tries as they are now."""
    await connection.execute(
        "UPDATE factor_tries SET failures = $3, locks = $4, locked_until = $5 WHERE user_id = $1 AND method = $2",
        user_id,
        method,
        list(tries.failures),
        tries.locks,
        tries.locked_until,
    )


async def locks(connection: Connection, user_id: UserId) -> dict[Method, datetime]:
    """The factors that are locked now, and until when."""
    rows = await connection.fetch(
        "SELECT method, locked_until FROM factor_tries WHERE user_id = $1 AND locked_until > now()", user_id
    )
    return {row["method"]: row["locked_until"] for row in rows}


# ---- authenticator apps


async def put_totp(connection: Connection, user_id: UserId, secret_encrypted: bytes) -> bool:
    """A new secret that waits for its first code; False when there is a confirmed one."""
    result = await connection.execute(
        """
        INSERT INTO totp_factors (user_id, secret_encrypted) VALUES ($1, $2)
        ON CONFLICT (user_id) DO UPDATE SET secret_encrypted = $2, created_at = now(), last_step = NULL
            WHERE totp_factors.confirmed_at IS NULL
        """,
        user_id,
        secret_encrypted,
    )
    return result == "INSERT 0 1"


async def find_totp(connection: Connection, user_id: UserId) -> Totp | None:
    """A user's authenticator app, confirmed or not."""
    row = await connection.fetchrow(f"SELECT {_TOTP} FROM totp_factors WHERE user_id = $1", user_id)
    return Totp(**dict(row)) if row else None


async def accept_step(connection: Connection, user_id: UserId, step: int) -> bool:
    """Take a step if it is newer than the last one taken: compare and set in one statement; whether it was."""
    result = await connection.execute(
        """
        UPDATE totp_factors SET last_step = $2, confirmed_at = coalesce(confirmed_at, now())
        WHERE user_id = $1 AND (last_step IS NULL OR last_step < $2)
        """,
        user_id,
        step,
    )
    return result == "UPDATE 1"


async def delete_totp(connection: Connection, user_id: UserId) -> bool:
    """Remove the authenticator app; whether there was a confirmed one."""
    found = await connection.fetchval(
        "DELETE FROM totp_factors WHERE user_id = $1 RETURNING confirmed_at IS NOT NULL", user_id
    )
    return bool(found)


# ---- recovery codes


async def replace_recovery_codes(connection: Connection, user_id: UserId, hashes: Sequence[bytes]) -> None:
    """New codes; the old ones, used or not, are gone."""
    await connection.execute("DELETE FROM recovery_codes WHERE user_id = $1", user_id)
    await connection.executemany(
        "INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, $2)", [(user_id, each) for each in hashes]
    )


async def use_recovery_code(connection: Connection, user_id: UserId, code_hash: bytes) -> bool | None:
    """Use a code up: True now, False when it was used before, None when there is none such."""
    result = await connection.execute(
        "UPDATE recovery_codes SET used_at = now() WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL",
        user_id,
        code_hash,
    )
    if result == "UPDATE 1":
        return True
    known = await connection.fetchval(
        "SELECT true FROM recovery_codes WHERE user_id = $1 AND code_hash = $2", user_id, code_hash
    )
    return False if known else None


# ---- passkeys


async def insert_passkey(connection: Connection, passkey: Passkey) -> bool:
    """A new passkey; False when its credential is known already."""
    result = await connection.execute(
        f"""
        INSERT INTO passkeys ({_PASSKEY}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (credential_id) DO NOTHING
        """,
        passkey.id,
        passkey.user_id,
        passkey.credential_id,
        passkey.public_key,
        passkey.sign_count,
        passkey.label,
        list(passkey.transports),
        passkey.backed_up,
        passkey.created_at,
        passkey.last_used_at,
    )
    return result == "INSERT 0 1"


async def passkeys_of(connection: Connection, user_id: UserId) -> list[Passkey]:
    """A user's passkeys, oldest first."""
    rows = await connection.fetch(f"SELECT {_PASSKEY} FROM passkeys WHERE user_id = $1 ORDER BY id", user_id)
    return [_passkey_of(row) for row in rows]


async def lock_passkey(connection: Connection, credential_id: bytes) -> Passkey | None:
    """A passkey by its credential; two answers of one passkey wait for each other until the transaction ends."""
    row = await connection.fetchrow(
        f"SELECT {_PASSKEY} FROM passkeys WHERE credential_id = $1 FOR UPDATE", credential_id
    )
    return _passkey_of(row) if row else None


async def use_passkey(connection: Connection, passkey_id: UUID, *, sign_count: int, backed_up: bool) -> None:
    """A passkey was used."""
    await connection.execute(
        "UPDATE passkeys SET sign_count = $2, backed_up = $3, last_used_at = now() WHERE id = $1",
        passkey_id,
        sign_count,
        backed_up,
    )


async def delete_passkey(connection: Connection, user_id: UserId, passkey_id: UUID) -> bool:
    """Remove a passkey; whether there was one."""
    result = await connection.execute("DELETE FROM passkeys WHERE user_id = $1 AND id = $2", user_id, passkey_id)
    return result == "DELETE 1"


def _passkey_of(row: asyncpg.Record) -> Passkey:
    values = dict(row)
    return Passkey(**{**values, "transports": tuple(values["transports"])})


# ---- phones


async def put_sms(connection: Connection, user_id: UserId, phone_encrypted: bytes) -> bool:
    """A phone that waits for its first code; False when there is a confirmed one."""
    result = await connection.execute(
        """
        INSERT INTO sms_factors (user_id, phone_encrypted) VALUES ($1, $2)
        ON CONFLICT (user_id) DO UPDATE
            SET phone_encrypted = $2, created_at = now(), code_hash = NULL, code_expires_at = NULL
            WHERE sms_factors.confirmed_at IS NULL
        """,
        user_id,
        phone_encrypted,
    )
    return result == "INSERT 0 1"


async def find_sms(connection: Connection, user_id: UserId) -> Sms | None:
    """A user's phone, confirmed or not."""
    row = await connection.fetchrow(f"SELECT {_SMS} FROM sms_factors WHERE user_id = $1", user_id)
    return Sms(**dict(row)) if row else None


async def set_sms_code(connection: Connection, user_id: UserId, code_hash: bytes, lifetime: timedelta) -> None:
    """A new code is on its way; the one before counts no more."""
    await connection.execute(
        """
        UPDATE sms_factors SET code_hash = $2, code_expires_at = now() + $3, code_tries = 0 WHERE user_id = $1
        """,
        user_id,
        code_hash,
        lifetime,
    )


async def try_sms_code(connection: Connection, user_id: UserId, code_hash: bytes, *, tries_max: int) -> bool:
    """Count a try and use the code up when it is the one; whether it was."""
    row = await connection.fetchrow(
        """
        UPDATE sms_factors SET
            code_tries = code_tries + 1,
            code_hash = CASE WHEN code_hash = $2 OR code_tries + 1 >= $3 THEN NULL ELSE code_hash END,
            confirmed_at = CASE WHEN code_hash = $2 THEN coalesce(confirmed_at, now()) ELSE confirmed_at END
        FROM (SELECT code_hash = $2 AS fits FROM sms_factors WHERE user_id = $1 FOR UPDATE) AS before
        WHERE user_id = $1 AND code_hash IS NOT NULL AND code_expires_at > now() AND code_tries < $3
        RETURNING before.fits
        """,
        user_id,
        code_hash,
        tries_max,
    )
    return bool(row and row["fits"])


async def delete_sms(connection: Connection, user_id: UserId) -> bool:
    """Remove the phone; whether there was a confirmed one."""
    found = await connection.fetchval(
        "DELETE FROM sms_factors WHERE user_id = $1 RETURNING confirmed_at IS NOT NULL", user_id
    )
    return bool(found)


# ---- challenges and freshness


async def insert_challenge(connection: Connection, challenge: Challenge, token_hash: bytes) -> None:
    """Something begun."""
    await connection.execute(
        f"INSERT INTO factor_challenges ({_CHALLENGE}, token_hash) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        challenge.id,
        challenge.purpose,
        challenge.user_id,
        challenge.session_id,
        challenge.bytes,
        challenge.expires_at,
        token_hash,
    )


async def find_challenge(connection: Connection, token_hash: bytes, purpose: Purpose) -> Challenge | None:
    """What was begun with this token and can still be completed, locked until the transaction ends.

    A password changed since then, or an account closed, ends it.
    """
    row = await connection.fetchrow(
        f"""
        SELECT {_CHALLENGE} FROM factor_challenges c
        WHERE token_hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > now()
          AND NOT EXISTS (
            SELECT FROM users u
            WHERE u.id = c.user_id AND (u.password_changed_at > c.created_at OR u.status = 'closed'))
        FOR UPDATE
        """,
        token_hash,
        purpose,
    )
    return Challenge(**dict(row)) if row else None


async def use_challenge(connection: Connection, challenge_id: UUID) -> None:
    """It is completed, and never again."""
    await connection.execute("UPDATE factor_challenges SET used_at = now() WHERE id = $1", challenge_id)


async def end_challenges(connection: Connection, user_id: UserId) -> None:
    """What a user has begun cannot be completed any more."""
    await connection.execute(
        "UPDATE factor_challenges SET used_at = now() WHERE user_id = $1 AND used_at IS NULL", user_id
    )


async def purge_challenges(connection: Connection, *, limit: int) -> int:
    """Forget what expired more than a day ago, some thousands at a time; returns how many went."""
    result = await connection.execute(
        """
        DELETE FROM factor_challenges WHERE id IN (
            SELECT id FROM factor_challenges WHERE expires_at < now() - interval '1 day' ORDER BY expires_at LIMIT $1)
        """,
        limit,
    )
    return int(result.rpartition(" ")[2])


async def freshen(connection: Connection, session_id: SessionId) -> datetime:
    """A factor was used in this session now; the moment."""
    moment: datetime = await connection.fetchval(
        "UPDATE user_sessions SET stepped_up_at = now() WHERE id = $1 RETURNING stepped_up_at", session_id
    )
    return moment


async def stepped_up_at(connection: Connection, session_id: SessionId) -> datetime | None:
    """When a factor was last used in this session."""
    found: datetime | None = await connection.fetchval(
        "SELECT stepped_up_at FROM user_sessions WHERE id = $1 AND revoked_at IS NULL", session_id
    )
    return found
