"""Changing a customer's level, always with the submission that says why, and writing down what operators do."""

from typing import Final

import structlog

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.compliance.kyc import repository
from bitcurrent.compliance.kyc.model import CURRENT, AskedLevel, Level, Submission, is_at_least
from bitcurrent.identity.kyc import kyc_level_of, set_kyc_level
from bitcurrent.identity.model import Actor
from bitcurrent.identity.permissions import Permission
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id

log = structlog.get_logger(__name__)

WORK: Final[Permission] = "compliance.review"


async def set_level(connection: Connection, why: Submission, level: Level) -> None:
    """The level that a submission leads to, with where it comes from."""
    before = await set_kyc_level(connection, why.user_id, level)
    if before == level:
        return
    await record(
        connection,
        actor_id=None,
        actor_kind=ActorKind.SYSTEM,
        action="kyc.level_changed",
        subject=f"user:{why.user_id}",
        details={"submission": str(why.id), "checker": why.checker, "rule_version": why.rule_version},
        before={"kyc_level": before},
        after={"kyc_level": level},
    )
    log.info("kyc_level_changed", user=str(why.user_id), before=before, after=level)


async def note(
    connection: Connection, actor: Actor, action: str, about: Submission, address: str, *, reason: str | None = None
) -> None:
    """What an operator did with a submission."""
    await record(
        connection,
        actor_id=actor.user_id,
        actor_kind=ActorKind.OPERATOR,
        actor_role=actor.role,
        action=action,
        subject=f"kyc_submission:{about.id}",
        address=address,
        reason=reason,
        details={"user": str(about.user_id), "level": about.level, "rules": about.rule_version},
    )


async def seed_demo_level(connection: Connection, user_id: UserId, level: AskedLevel) -> None:
    """Verify a customer of the demo, with evidence that says that it is none; again changes nothing."""
    await repository.lock_customer(connection, user_id)
    if is_at_least(await kyc_level_of(connection, user_id), level):
        return
    await repository.insert_approved(
        connection,
        submission_id=new_id(),
        user_id=user_id,
        level=level,
        rule_version=CURRENT.version,
        why="demo data",
    )
    await set_kyc_level(connection, user_id, level)
