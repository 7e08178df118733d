"""The SQL of submissions."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from bitcurrent.compliance.kyc.model import (
    AskedLevel,
    Checker,
    Claims,
    Declaration,
    Flag,
    Level,
    Origin,
    Outcome,
    RailName,
    Reason,
    Submission,
    SubmissionFilter,
)
from bitcurrent.identity.privacy.model import Profile
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import rows_of

# Names of our own fields, never somebody's input.
_SUBMISSION: Final = ", ".join(field.name for field in fields(Submission))
_TABLE: Final = "kyc_submissions"


async def insert_draft(
    connection: Connection,
    vault: Vault,
    *,
    submission_id: UUID,
    user_id: UserId,
    level: AskedLevel,
    origin: Origin,
    rule_version: int,
    declaration: Declaration,
    flags: Sequence[Flag],
) -> Submission:
    """The customer's next version; the customer must be locked, so that no two take the same number."""
    sealing = vault.new_record(table=_TABLE, row=submission_id)
    row = await connection.fetchrow(
        f"""
        INSERT INTO kyc_submissions (id, user_id, version, level, origin, rule_version, flags, data_key, declaration)
        VALUES ($1, $2, (SELECT coalesce(max(version), 0) + 1 FROM kyc_submissions WHERE user_id = $2), $3, $4, $5, $6,
            $7, $8)
        RETURNING {_SUBMISSION}
        """,
        submission_id,
        user_id,
        level,
        origin,
        rule_version,
        list(flags),
        sealing.wrapped,
        sealing.encrypt(msgspec.json.encode(declaration), column="declaration"),
    )
    return _submission(row)


async def insert_approved(
    connection: Connection, *, submission_id: UUID, user_id: UserId, level: AskedLevel, rule_version: int, why: str
) -> None:
    """An approval that stands on nothing but that it is demo data; the customer must be locked."""
    await connection.execute(
        """
        INSERT INTO kyc_submissions (id, user_id, version, level, state, origin, rule_version, submitted_at, checker,
            decided_at, evidence, falls_to)
        VALUES ($1, $2, (SELECT coalesce(max(version), 0) + 1 FROM kyc_submissions WHERE user_id = $2), $3, 'approved',
            'demo', $4, now(), 'demo', now(), $5, 'none')
        """,
        submission_id,
        user_id,
        level,
        rule_version,
        {"evidence": why},
    )


async def read_submission(connection: Connection, submission_id: UUID, *, lock: bool = False) -> Submission | None:
    """One submission, locked if asked for."""
    ending = "FOR UPDATE" if lock else ""
    # nosemgrep: formatted-sql  words of this module, nobody's input
    row = await connection.fetchrow(f"SELECT {_SUBMISSION} FROM kyc_submissions WHERE id = $1 {ending}", submission_id)
    return _submission(row) if row else None


async def lock_customer(connection: Connection, user_id: UserId) -> None:
    """Wait for whoever changes what this customer is verified for, or begins a submission."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('kyc:' || $1::uuid::text, 0))", user_id)


async def read_open(connection: Connection, user_id: UserId) -> Submission | None:
    """The customer's submission that is not decided, if there is one."""
    row = await connection.fetchrow(
        f"SELECT {_SUBMISSION} FROM kyc_submissions WHERE user_id = $1 AND state IN ('draft', 'submitted', 'checking')",
        user_id,
    )
    return _submission(row) if row else None


async def list_of_customer(connection: Connection, user_id: UserId, *, limit: int) -> list[Submission]:
    """A customer's submissions, newest version first."""
    rows = await connection.fetch(
        f"SELECT {_SUBMISSION} FROM kyc_submissions WHERE user_id = $1 ORDER BY version DESC LIMIT $2", user_id, limit
    )
    return [_submission(row) for row in rows]


async def count_submitted(connection: Connection, user_id: UserId, *, since: timedelta) -> int:
    """How many submissions a customer has sent in lately."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM kyc_submissions WHERE user_id = $1 AND submitted_at > now() - $2::interval",
        user_id,
        since,
    )
    return count


async def search(connection: Connection, which: SubmissionFilter) -> list[Submission]:
    """Submissions that were sent in, oldest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_SUBMISSION} FROM kyc_submissions
        WHERE submitted_at IS NOT NULL AND ($1::text[] IS NULL OR state = ANY ($1)) AND ($2::text IS NULL OR level = $2)
          AND ($3::boolean IS NULL OR (flags <> '{{}}') = $3) AND ($4::uuid IS NULL OR user_id = $4)
          AND ($5::timestamptz IS NULL OR (submitted_at, id) > ($5, $6))
        ORDER BY submitted_at, id LIMIT $7
        """,
        list(which.states) if which.states else None,
        which.level,
        which.flagged,
        which.user_id,
        which.after[0] if which.after else None,
        which.after[1] if which.after else None,
        which.limit,
    )
    return [_submission(row) for row in rows]


async def mark_submitted(
    connection: Connection,
    vault: Vault,
    submission_id: UUID,
    *,
    profile: Profile,
    rail: RailName,
    flags: Sequence[Flag],
    evidence: Mapping[str, Any],
) -> Submission:
    """It is sent in, with the profile as it is now. It must be locked."""
    wrapped = await connection.fetchval("SELECT data_key FROM kyc_submissions WHERE id = $1", submission_id)
    sealing = vault.open_record(wrapped, table=_TABLE, row=submission_id)
    row = await connection.fetchrow(
        f"""
        UPDATE kyc_submissions SET state = 'submitted', submitted_at = clock_timestamp(), rail = $2, flags = $3,
            evidence = $4, profile = $5, next_at = CASE WHEN $2 = 'provider' THEN now() END
        WHERE id = $1 RETURNING {_SUBMISSION}
        """,
        submission_id,
        rail,
        list(flags),
        dict(evidence),
        sealing.encrypt(msgspec.json.encode(profile), column="profile"),
    )
    return _submission(row)


async def read_claims(connection: Connection, vault: Vault, submission_id: UUID) -> Claims:
    """What it says of the person; nothing of it once that was erased. Raises CryptoError."""
    row = await connection.fetchrow(
        "SELECT id, data_key, declaration, profile FROM kyc_submissions WHERE id = $1", submission_id
    )
    return Claims(declaration=None, profile=None) if row is None else open_claims(vault, dict(row))


def open_claims(vault: Vault, row: Mapping[str, Any]) -> Claims:
    """What a row says of the person; raises CryptoError."""
    if row["data_key"] is None:
        return Claims(declaration=None, profile=None)
    # An export gives ids as text, which the vault takes for the same.
    opened = vault.open_record(row["data_key"], table=_TABLE, row=row["id"])
    declared, profile = row["declaration"], row["profile"]
    return Claims(
        declaration=None
        if declared is None
        else msgspec.json.decode(opened.decrypt(declared, column="declaration"), type=Declaration),
        profile=None
        if profile is None
        else msgspec.json.decode(opened.decrypt(profile, column="profile"), type=Profile),
    )


async def mark_decided(
    connection: Connection,
    submission: Submission,
    outcome: Outcome,
    *,
    checker: Checker,
    reasons: Sequence[Reason] = (),
    decided_by: UserId | None = None,
    confirmed_by: UserId | None = None,
    evidence: Mapping[str, Any],
    valid: timedelta | None = None,
    falls_to: Level = "none",
) -> Submission:
    """It is decided; it must be locked."""
    row = await connection.fetchrow(
        f"""
        UPDATE kyc_submissions SET state = $2, checker = $3, decided_at = clock_timestamp(), decided_by = $4,
            confirmed_by = $5, reasons = $6, evidence = evidence || $7, expires_at = now() + $8::interval,
            falls_to = $9, next_at = NULL
        WHERE id = $1 RETURNING {_SUBMISSION}
        """,
        submission.id,
        outcome,
        checker,
        decided_by,
        confirmed_by,
        list(reasons),
        dict(evidence),
        valid,
        falls_to,
    )
    return _submission(row)


async def claim_due(connection: Connection, *, limit: int, lease: timedelta) -> list[Submission]:
    """Submissions that the provider is to be asked about; nobody else gets them until the lease is over."""
    rows = await connection.fetch(
        # nosemgrep: formatted-sql  words of this module, nobody's input
        f"""
        WITH due AS (
            SELECT id FROM kyc_submissions WHERE next_at <= now() AND state IN ('submitted', 'checking')
            ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED
        )
        UPDATE kyc_submissions s SET next_at = now() + $2, attempts = s.attempts + 1 FROM due WHERE s.id = due.id
        RETURNING {", ".join("s." + field.name for field in fields(Submission))}
        """,
        limit,
        lease,
    )
    return [_submission(row) for row in rows]


async def mark_checking(connection: Connection, submission_id: UUID, check_id: str, *, look_in: timedelta) -> None:
    """The provider has it, under this id, and is asked again after a while; a decided one stays as it is."""
    await connection.execute(
        """
        UPDATE kyc_submissions SET attempts = CASE state WHEN 'submitted' THEN 0 ELSE attempts END, state = 'checking',
            check_id = $2, next_at = now() + $3
        WHERE id = $1 AND state IN ('submitted', 'checking')
        """,
        submission_id,
        check_id,
        look_in,
    )


async def look_again(connection: Connection, submission_id: UUID, *, look_in: timedelta) -> None:
    """The provider is asked (again) after a while."""
    await connection.execute(
        "UPDATE kyc_submissions SET next_at = now() + $2 WHERE id = $1 AND state IN ('submitted', 'checking')"
        " AND rail = 'provider' AND next_at IS NOT NULL",
        submission_id,
        look_in,
    )


async def hand_to_people(connection: Connection, submission_id: UUID, flag: Flag | None) -> None:
    """The provider is asked no more; people decide, and see why."""
    await connection.execute(
        """
        UPDATE kyc_submissions SET next_at = NULL,
            flags = CASE WHEN $2::text IS NULL OR $2 = ANY (flags) THEN flags ELSE array_append(flags, $2) END
        WHERE id = $1 AND state IN ('submitted', 'checking')
        """,
        submission_id,
        flag,
    )


async def add_flag(connection: Connection, submission_id: UUID, flag: Flag) -> None:
    """People have to look at it, and see why; it must be locked."""
    await connection.execute(
        "UPDATE kyc_submissions SET flags = array_append(flags, $2) WHERE id = $1 AND NOT $2 = ANY (flags)",
        submission_id,
        flag,
    )


async def approved_of(connection: Connection, user_id: UserId) -> list[Submission]:
    """A customer's approvals that hold, newest first; locked."""
    rows = await connection.fetch(
        f"SELECT {_SUBMISSION} FROM kyc_submissions WHERE user_id = $1 AND state = 'approved'"
        " ORDER BY version DESC FOR UPDATE",
        user_id,
    )
    return [_submission(row) for row in rows]


async def count_waiting(connection: Connection) -> tuple[int, int]:
    """How many submissions wait for people, and how many for the provider."""
    row = await connection.fetchrow(
        "SELECT count(*) FILTER (WHERE next_at IS NULL) AS people, count(*) FILTER (WHERE next_at IS NOT NULL) AS"
        " provider FROM kyc_submissions WHERE state IN ('submitted', 'checking')"
    )
    assert row is not None  # an aggregate gives one row
    return row["people"], row["provider"]


async def insert_event(
    connection: Connection, *, event_id: str, check_id: str, reference: UUID, created_at: datetime
) -> bool:
    """Keep a webhook; False when it is known."""
    found = await connection.fetchval(
        """
        INSERT INTO kyc_events (event_id, check_id, reference, created_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING RETURNING true
        """,
        event_id,
        check_id,
        reference,
        created_at,
    )
    return bool(found)


async def purge_events(connection: Connection, *, days: int, limit: int) -> int:
    """Forget webhooks that came so many days ago; how many went."""
    result = await connection.execute(
        "DELETE FROM kyc_events WHERE event_id IN (SELECT event_id FROM kyc_events"
        " WHERE received_at < now() - make_interval(days => $1) ORDER BY received_at LIMIT $2)",
        days,
        limit,
    )
    return int(result.rpartition(" ")[2])


async def forget_claims(connection: Connection, user_id: UserId) -> None:
    """What submissions say of a person goes with its key; that they were decided, and how, stays."""
    await connection.execute(
        "UPDATE kyc_submissions SET data_key = NULL, declaration = NULL, profile = NULL WHERE user_id = $1", user_id
    )


def submission_rows(connection: Connection, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    """A customer's submissions for an export, oldest first, without what tells how we check."""
    return rows_of(
        connection,
        "SELECT id, version, level, state, created_at, submitted_at, decided_at, reasons, expires_at, rule_version,"
        " data_key, declaration, profile FROM kyc_submissions WHERE user_id = $1 ORDER BY version",
        user_id,
    )


def _submission(row: Any) -> Submission:
    return Submission(**dict(row))
