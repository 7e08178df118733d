"""Deciding on submissions: what a provider says, what people say, what time says; a level never without evidence."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import structlog

from bitcurrent.compliance.cases.service import Cases
from bitcurrent.compliance.kyc import documents_repository as files
from bitcurrent.compliance.kyc import repository
from bitcurrent.compliance.kyc.levels import WORK, note, set_level
from bitcurrent.compliance.kyc.model import (
    REASONS,
    RULES,
    UNDECIDED,
    Checker,
    Claims,
    Document,
    Flag,
    Level,
    Outcome,
    ProfileChanged,
    Reason,
    Submission,
    SubmissionFilter,
    SubmissionNotFound,
    WrongState,
    highest,
    may_be_approved_by_machine,
    needs_four_eyes,
    read_reasons,
)
from bitcurrent.compliance.kyc.ports import Check
from bitcurrent.compliance.kyc.service import tell_change
from bitcurrent.compliance.screening.model import NoLists
from bitcurrent.compliance.screening.service import Screenings
from bitcurrent.identity.approvals.model import Approval, Kind, SubjectGone
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.kyc import kyc_level_of
from bitcurrent.identity.model import Actor
from bitcurrent.identity.permissions import check_permission
from bitcurrent.identity.ports import Letters
from bitcurrent.identity.privacy.service import Privacy
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId

log = structlog.get_logger(__name__)

APPROVE_FLAGGED: Final = "kyc.approve_flagged"


class Reviews:
    """Decides on submissions. Methods run in the caller's transaction."""

    def __init__(
        self,
        *,
        vault: Vault,
        privacy: Privacy,
        letters: Letters,
        approvals: Approvals,
        cases: Cases,
        screenings: Screenings,
    ) -> None:
        self._vault = vault
        self._privacy = privacy
        self._letters = letters
        self._approvals = approvals
        self._cases = cases
        self._screenings = screenings
        approvals.register(Kind(name=APPROVE_FLAGGED, ask=WORK, grant=WORK, handler=self._granted))

    # ---- people

    async def search(self, connection: Connection, which: SubmissionFilter) -> Sequence[Submission]:
        """Submissions that were sent in, oldest first: the queue."""
        return await repository.search(connection, which)

    async def read(self, connection: Connection, submission_id: UUID) -> Submission:
        """One submission without its personal data; raises SubmissionNotFound."""
        found = await repository.read_submission(connection, submission_id)
        if found is None:
            raise SubmissionNotFound
        return found

    async def look(
        self, connection: Connection, actor: Actor, submission_id: UUID, *, address: str
    ) -> tuple[Submission, Claims, Sequence[Document]]:
        """One submission with what it says of the person; that it was read is written down."""
        found = await self.read(connection, submission_id)
        await note(connection, actor, "kyc.read", found, address)
        claims = await repository.read_claims(connection, self._vault, submission_id)
        return found, claims, await files.documents_of(connection, submission_id)

    async def approve(
        self, connection: Connection, actor: Actor, submission_id: UUID, *, reason: str, address: str
    ) -> Submission | Approval:
        """Approve it; a flagged one for `full` only asks for the second person's yes. `reason` says why.

        The customer is screened first. Where that needs people, the submission stays as it is, flagged; what is given
        back says so. Raises SubmissionNotFound, WrongState, ProfileChanged, AlreadyAsked, Invalid.
        """
        submission = await self._undecided(connection, actor, submission_id)
        await self._check_profile(connection, submission)
        submission, screening = await self._screened(connection, submission)
        if "screening_open" in submission.flags and screening is None:
            return submission
        if needs_four_eyes(submission):
            return await self._approvals.ask(
                connection,
                actor,
                kind=APPROVE_FLAGGED,
                subject=f"kyc_submission:{submission.id}",
                payload={"submission_id": str(submission.id), "flags": list(submission.flags)},
                reason=reason,
                address=address,
            )
        await note(connection, actor, "kyc.approved", submission, address, reason=reason)
        return await self._approved(
            connection,
            submission,
            checker="operator",
            decided_by=actor.user_id,
            evidence={"by": str(actor.user_id), "screening": screening},
        )

    async def refuse(
        self,
        connection: Connection,
        actor: Actor,
        submission_id: UUID,
        outcome: Outcome,
        reasons: Sequence[Reason],
        *,
        address: str,
    ) -> Submission:
        """Reject it, or ask for more, with the reasons that the customer is told.

        Raises SubmissionNotFound, WrongState, Invalid.
        """
        submission = await self._undecided(connection, actor, submission_id)
        told = read_reasons(outcome, reasons)
        await note(connection, actor, f"kyc.{outcome}", submission, address, reason=", ".join(told))
        return await self._refused(
            connection, submission, outcome, told, checker="operator", decided_by=actor.user_id, evidence={}
        )

    async def _granted(self, connection: Connection, approval: Approval, granted_by: UserId) -> None:
        submission = await repository.read_submission(connection, UUID(approval.payload["submission_id"]), lock=True)
        if submission is None or submission.state not in UNDECIDED:
            raise SubjectGone("This submission was decided in the meantime. Nothing was done.")
        await self._check_profile(connection, submission)
        submission, screening = await self._screened(connection, submission)
        if "screening_open" in submission.flags and screening is None:
            raise SubjectGone("The customer's screening needs people first. Nothing was done.")
        await self._approved(
            connection,
            submission,
            checker="operator",
            decided_by=approval.asked_by,
            confirmed_by=granted_by,
            evidence={
                "approval": str(approval.id),
                "by": str(approval.asked_by),
                "confirmed_by": str(granted_by),
                "screening": screening,
            },
        )

    # ---- the provider

    async def apply(self, connection: Connection, submission_id: UUID, check: Check) -> None:
        """What the provider says, once it is final; decided before, it changes nothing. Unknown never approves."""
        submission = await repository.read_submission(connection, submission_id, lock=True)
        if submission is None or submission.state not in UNDECIDED:
            return
        evidence = {"check": {"id": check.id, "status": check.status, "reasons": list(check.reasons)}}
        if check.status == "approved":
            if not may_be_approved_by_machine(submission):
                await repository.hand_to_people(connection, submission.id, None)
                await self._to_people(connection, submission, evidence)
            elif await self._profile_changed(connection, submission):
                changed: tuple[Reason, ...] = ("profile_changed",)
                await self._refused(
                    connection, submission, "needs_more", changed, checker="provider", evidence=evidence
                )
            else:
                await self._approved_by_provider(connection, submission, evidence)
        elif check.status == "rejected" or check.status == "needs_more":
            reasons: tuple[Reason, ...] = tuple(check.reasons) or ("not_verified",)
            await self._refused(connection, submission, check.status, reasons, checker="provider", evidence=evidence)
        elif check.status == "unsure":
            await repository.hand_to_people(connection, submission.id, "provider_unsure")
            await self._to_people(connection, submission, evidence)

    async def _approved_by_provider(
        self, connection: Connection, submission: Submission, evidence: Mapping[str, Any]
    ) -> None:
        """Approve what the provider approves, unless the screening makes anybody wonder: then people decide."""
        submission, screening = await self._screened(connection, submission)
        if may_be_approved_by_machine(submission):
            evidence = {**evidence, "screening": screening}
            await self._approved(connection, submission, checker="provider", evidence=evidence)
        else:
            await repository.hand_to_people(connection, submission.id, None)
            await self._to_people(connection, submission, evidence)

    async def _screened(self, connection: Connection, submission: Submission) -> tuple[Submission, str | None]:
        """The submission as it is after the customer was screened, and the id of a screening that was clear."""
        flag: Flag = "not_screened"
        try:
            found = await self._screenings.screen_customer(
                connection, submission.user_id, occasion="kyc", subject=f"kyc_submission:{submission.id}"
            )
        except NoLists:
            log.warning("kyc_not_screened", submission=str(submission.id))
        else:
            if found.outcome == "clear":
                return submission, str(found.id)
            flag = "screening_open"
        await repository.add_flag(connection, submission.id, flag)
        return await self.read(connection, submission.id), None

    async def give_up(self, connection: Connection, submission: Submission) -> None:
        """The provider does not take it, or does not answer for too long: people decide."""
        await repository.hand_to_people(connection, submission.id, "provider_silent")
        await self._to_people(connection, submission, {"check": {"id": submission.check_id or "", "status": "silent"}})

    async def _to_people(self, connection: Connection, submission: Submission, evidence: Mapping[str, Any]) -> None:
        await self._cases.open(
            connection,
            kind="kyc",
            user_id=submission.user_id,
            subject=f"kyc_submission:{submission.id}",
            summary=f"A submission for the level {submission.level} needs people.",
            evidence={**submission.evidence, **evidence, "flags": list(submission.flags)},
            dedupe_key=str(submission.id),
        )

    # ---- the end of a submission

    async def _approved(
        self,
        connection: Connection,
        submission: Submission,
        *,
        checker: Checker,
        evidence: Mapping[str, Any],
        decided_by: UserId | None = None,
        confirmed_by: UserId | None = None,
    ) -> Submission:
        rules = RULES[submission.rule_version]
        falls_to: Level = "basic" if submission.level == "full" else "none"
        done = await repository.mark_decided(
            connection,
            submission,
            "approved",
            checker=checker,
            decided_by=decided_by,
            confirmed_by=confirmed_by,
            evidence=evidence,
            valid=rules.valid[submission.level],
            falls_to=falls_to,
        )
        crash_point("kyc.approved")
        reached = highest((await kyc_level_of(connection, done.user_id), done.level))
        await set_level(connection, done, reached)
        await tell_change(connection, done, reached)
        await self._letters.queue(
            connection, user_id=done.user_id, template="kyc_approved", values={"level": done.level}
        )
        return done

    async def _refused(
        self,
        connection: Connection,
        submission: Submission,
        outcome: Outcome,
        reasons: Sequence[Reason],
        *,
        checker: Checker,
        evidence: Mapping[str, Any],
        decided_by: UserId | None = None,
    ) -> Submission:
        done = await repository.mark_decided(
            connection,
            submission,
            outcome,
            checker=checker,
            reasons=reasons,
            decided_by=decided_by,
            evidence=evidence,
        )
        await tell_change(connection, done, await kyc_level_of(connection, done.user_id))
        words = " ".join(REASONS[reason] for reason in reasons)
        await self._letters.queue(
            connection, user_id=done.user_id, template=f"kyc_{outcome}", values={"level": done.level, "reasons": words}
        )
        return done

    # ---- the house's own

    async def _undecided(self, connection: Connection, actor: Actor, submission_id: UUID) -> Submission:
        actor.require_operator()
        check_permission(actor.role, WORK)
        found = await repository.read_submission(connection, submission_id, lock=True)
        if found is None:
            raise SubmissionNotFound
        if found.state not in UNDECIDED:
            raise WrongState(found.state)
        return found

    async def _check_profile(self, connection: Connection, submission: Submission) -> None:
        if await self._profile_changed(connection, submission):
            raise ProfileChanged

    async def _profile_changed(self, connection: Connection, submission: Submission) -> bool:
        """Whether the profile is not the one that was sent in, in what is verified. It stays as it is from here on."""
        await kyc_level_of(connection, submission.user_id, lock=True)
        claims = await repository.read_claims(connection, self._vault, submission.id)
        kept = await self._privacy.profile(connection, submission.user_id)
        if claims.profile is None or kept is None:
            return True
        sent, today = claims.profile, kept.profile
        return (sent.legal_name, sent.birth_date, sent.address, sent.documents) != (
            today.legal_name, today.birth_date, today.address, today.documents,
        )  # fmt: skip
