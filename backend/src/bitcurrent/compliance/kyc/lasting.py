"""What time does to an approval: warnings, its end, and being asked to verify again before that."""

from typing import Final

from bitcurrent.compliance.kyc import documents_repository as files
from bitcurrent.compliance.kyc import lasting_repository, repository
from bitcurrent.compliance.kyc.levels import WORK, note, set_level
from bitcurrent.compliance.kyc.model import (
    CURRENT,
    RULES,
    NothingToRecheck,
    Submission,
    due_warning,
    highest,
    is_at_least,
)
from bitcurrent.compliance.kyc.service import tell_change
from bitcurrent.identity.kyc import kyc_level_of
from bitcurrent.identity.model import Actor
from bitcurrent.identity.permissions import check_permission
from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId

WARNED_AT_ONCE: Final = 50
DAY: Final = "%Y-%m-%d"


class Lasting:
    """Keeps approvals no longer than they hold. Methods run in the caller's transaction."""

    def __init__(self, letters: Letters) -> None:
        self._letters = letters

    async def recheck(
        self, connection: Connection, actor: Actor, user_id: UserId, *, reason: str, address: str
    ) -> Submission:
        """Ask a customer to verify again: what holds now ends after the grace, unless it is replaced.

        Raises NothingToRecheck.
        """
        actor.require_operator()
        check_permission(actor.role, WORK)
        await repository.lock_customer(connection, user_id)
        holding = await repository.approved_of(connection, user_id)
        if not holding:
            raise NothingToRecheck
        newest = max(holding, key=lambda one: (is_at_least(one.level, "full"), one.version))
        left = CURRENT.recheck_grace
        ends = min([await lasting_repository.shorten(connection, each.id, left=left) for each in holding])
        await note(connection, actor, "kyc.recheck_asked", newest, address, reason=reason)
        await self._letters.queue(
            connection,
            user_id=user_id,
            template="kyc_recheck",
            values={"level": newest.level, "until": f"{ends:{DAY}}"},
        )
        found = await repository.read_submission(connection, newest.id)
        assert found is not None  # submissions are kept
        return found

    async def expire_one(self, connection: Connection) -> bool:
        """End one approval or forgotten draft whose time is over; False when there is none."""
        submission = await lasting_repository.next_expired(connection, draft_kept=CURRENT.draft_kept)
        if submission is None:
            return False
        await lasting_repository.mark_expired(connection, submission.id)
        if submission.state == "draft":
            await lasting_repository.forget_draft(connection, submission.id)
            await files.drop_documents_of(connection, submission.id)
            return True
        holding = await repository.approved_of(connection, submission.user_id)
        left = highest([submission.falls_to, *(each.level for each in holding if each.id != submission.id)])
        reached = await kyc_level_of(connection, submission.user_id)
        if is_at_least(left, reached):
            return True
        await set_level(connection, submission, left)
        ended = await repository.read_submission(connection, submission.id)
        assert ended is not None  # submissions are kept
        await tell_change(connection, ended, left)
        await self._letters.queue(
            connection, user_id=ended.user_id, template="kyc_expired", values={"level": ended.level, "left": left}
        )
        return True

    async def warn_some(self, connection: Connection) -> int:
        """Tell customers whose approval ends soon; how many were told."""
        soon = await lasting_repository.soon_expired(connection, warnings=CURRENT.warnings, limit=WARNED_AT_ONCE)
        for submission in soon:
            assert submission.expires_at is not None  # it ends soon
            days = due_warning(
                RULES[submission.rule_version],
                expires_at=submission.expires_at,
                moment=now(),
                warned=submission.warned,
            )
            if days is None:
                continue
            await lasting_repository.mark_warned(connection, submission.id, days)
            await self._letters.queue(
                connection,
                user_id=submission.user_id,
                template="kyc_expiring",
                values={"level": submission.level, "until": f"{submission.expires_at:{DAY}}"},
            )
        return len(soon)
