"""Proofs of the log while the house is open: asked for by an operator or once a day, run by the worker that leads.

They check the chain itself. The heads that left the host are compared by `bitcurrent audit verify`, where they lie.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from bitcurrent.audit import proving_repository as repository
from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.proving_model import Proof
from bitcurrent.audit.service import record
from bitcurrent.audit.verification import Heads, verify
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Conflict
from bitcurrent.kernel.ids import new_id

log = structlog.get_logger(__name__)

LEASE: Final = timedelta(hours=1)
ATTEMPTS_MAX: Final = 3
EVERY_HOURS: Final = 24


class ProofRunning(Conflict):
    """One at a time: it reads everything."""

    code = "audit_verification_running"

    def __init__(self, proof_id: UUID | None) -> None:
        super().__init__(
            "A verification waits or runs already. Look at that one.",
            details={} if proof_id is None else {"verification_id": str(proof_id)},
        )


async def ask(connection: Connection, *, asked_by: UUID, role: str, address: str) -> Proof:
    """Ask for a proof of the whole log; raises ProofRunning."""
    made = await repository.insert(connection, new_id(), asked_by)
    if made is None:
        found = await repository.find_open(connection)
        raise ProofRunning(found.id if found else None)
    await record(
        connection,
        actor_id=asked_by,
        actor_kind=ActorKind.OPERATOR,
        actor_role=role,
        action="audit.verification_asked",
        subject=f"audit_verification:{made.id}",
        address=address,
    )
    return made


async def proofs(connection: Connection, *, before: UUID | None = None, limit: int) -> Sequence[Proof]:
    """Proofs, newest first."""
    return await repository.search(connection, before=before, limit=limit)


async def prove_due(database: Database, counts: Counter[str]) -> bool:
    """Run the proof that waits, the daily one included; whether there was one. For the worker that leads."""
    async with database.transaction() as connection:
        hours = await repository.hours_since_last(connection)
        if hours is None or hours >= EVERY_HOURS:
            await repository.insert(connection, new_id(), None)
        proof_id = await repository.claim(connection, lease=LEASE, attempts_max=ATTEMPTS_MAX)
    if proof_id is None:
        return False
    try:
        async with database.read() as connection:
            report = await verify(connection, Heads())
    except Exception as error:
        counts["audit_verification_troubled"] += 1
        log.exception("audit_verification_troubled", verification=str(proof_id))
        async with database.transaction() as connection:
            await repository.give_up(connection, proof_id, type(error).__name__, attempts_max=ATTEMPTS_MAX)
        return True
    if not report.holds:
        counts["audit_chain_broken"] += 1
        log.error("audit_chain_broken", verification=str(proof_id), first=report.first_break)
    async with database.transaction() as connection:
        await repository.finish(
            connection,
            proof_id,
            holds=report.holds,
            sealed=report.sealed,
            waiting=report.waiting,
            first_break=report.first_break,
        )
    return True
