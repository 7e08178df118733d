"""The SQL of proofs of the audit log that were asked for."""

from dataclasses import fields
from datetime import timedelta
from typing import Final
from uuid import UUID

from bitcurrent.audit.proving_model import Proof
from bitcurrent.kernel.database import Connection

_PROOF: Final = ", ".join(field.name for field in fields(Proof))


async def insert(connection: Connection, proof_id: UUID, asked_by: UUID | None) -> Proof | None:
    """A new one; None when one waits or runs already."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('audit_verifications'))")
    row = await connection.fetchrow(
        f"""
        INSERT INTO audit_verifications (id, asked_by) SELECT $1, $2
        WHERE NOT EXISTS (SELECT FROM audit_verifications WHERE finished_at IS NULL) RETURNING {_PROOF}
        """,
        proof_id,
        asked_by,
    )
    return Proof(**dict(row)) if row else None


async def find_open(connection: Connection) -> Proof | None:
    """The one that waits or runs."""
    row = await connection.fetchrow(f"SELECT {_PROOF} FROM audit_verifications WHERE finished_at IS NULL LIMIT 1")
    return Proof(**dict(row)) if row else None


async def search(connection: Connection, *, before: UUID | None, limit: int) -> list[Proof]:
    """Proofs, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_PROOF} FROM audit_verifications WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2
        """,
        before,
        limit,
    )
    return [Proof(**dict(row)) for row in rows]


async def claim(connection: Connection, *, lease: timedelta, attempts_max: int) -> UUID | None:
    """Take the one that waits, or whose prover died."""
    found: UUID | None = await connection.fetchval(
        """
        UPDATE audit_verifications SET started_at = now(), attempts = attempts + 1 WHERE id IN (
            SELECT id FROM audit_verifications
            WHERE finished_at IS NULL AND attempts < $2 AND (started_at IS NULL OR started_at < now() - $1::interval)
            ORDER BY asked_at LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING id
        """,
        lease,
        attempts_max,
    )
    return found


async def finish(
    connection: Connection, proof_id: UUID, *, holds: bool, sealed: int, waiting: int, first_break: str | None
) -> None:
    """Write down what it found."""
    await connection.execute(
        """
        UPDATE audit_verifications SET finished_at = now(), holds = $2, sealed = $3, waiting = $4, first_break = $5
        WHERE id = $1 AND finished_at IS NULL
        """,
        proof_id,
        holds,
        sealed,
        waiting,
        first_break,
    )


async def give_up(connection: Connection, proof_id: UUID, trouble: str, *, attempts_max: int) -> None:
    """Write down what went wrong; after the last attempt it is over, and nobody knows whether the log holds."""
    await connection.execute(
        """
        UPDATE audit_verifications SET trouble = $2, started_at = NULL,
            finished_at = CASE WHEN attempts >= $3 THEN now() END
        WHERE id = $1 AND finished_at IS NULL
        """,
        proof_id,
        trouble,
        attempts_max,
    )


async def hours_since_last(connection: Connection) -> int | None:
    """Since the last proof was asked for; None when there never was one."""
    found: int | None = await connection.fetchval(
        "SELECT extract(epoch FROM now() - max(asked_at))::bigint / 3600 FROM audit_verifications"
    )
    return found
