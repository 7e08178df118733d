"""KYC's verbs for customers: see where they stand, begin a submission, send documents, hand it in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog

from bitcurrent.audit.service import record
from bitcurrent.compliance.kyc import documents_repository as files
from bitcurrent.compliance.kyc import repository
from bitcurrent.compliance.kyc.model import (
    CURRENT,
    DOCUMENTS_MAX,
    UNDECIDED,
    AskedLevel,
    Declaration,
    Document,
    DocumentNotFound,
    Flag,
    Incomplete,
    Level,
    LevelReached,
    Purpose,
    RailName,
    Submission,
    SubmissionNotFound,
    SubmissionOpen,
    TooManyAttempts,
    TooManyDocuments,
    WrongState,
    is_at_least,
    missing_for,
)
from bitcurrent.compliance.kyc.washing import CleanFile, Laundry
from bitcurrent.identity.kyc import kyc_level_of
from bitcurrent.identity.ports import Letters
from bitcurrent.identity.privacy.service import Privacy
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import UserId, new_id

log = structlog.get_logger(__name__)

SHOWN_MAX: Final = 20
RECHECK: Final[Flag] = "recheck"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a customer stands: the level reached, what was sent in, and what the next level still needs."""

    level: Level
    submissions: Sequence[Submission]
    documents: Mapping[UUID, Sequence[Document]]
    has_profile: bool
    missing: Mapping[AskedLevel, Sequence[str]]
    """By level that is not reached; with a draft for it, only what that draft lacks."""
    attempts_left: int


class Kyc:
    """What customers do to be verified. Methods run in the caller's transaction."""

    def __init__(self, *, vault: Vault, privacy: Privacy, letters: Letters, rail: RailName) -> None:
        self._vault = vault
        self._privacy = privacy
        self._letters = letters
        self._rail: RailName = rail
        self.laundry = Laundry()

    async def standing(self, connection: Connection, user_id: UserId) -> Standing:
        """Where the customer stands."""
        level = await kyc_level_of(connection, user_id)
        submissions = await repository.list_of_customer(connection, user_id, limit=SHOWN_MAX)
        documents = {each.id: await files.documents_of(connection, each.id) for each in submissions}
        has_profile = await self._privacy.profile(connection, user_id) is not None
        wanted: tuple[AskedLevel, ...] = ("basic", "full")
        missing = {}
        for each in wanted:
            if is_at_least(level, each):
                continue
            draft = next((one for one in submissions if one.state == "draft" and one.level == each), None)
            sent = [document.purpose for document in documents[draft.id]] if draft else []
            missing[each] = missing_for(each, has_profile=has_profile, purposes=sent, rules=CURRENT)
        used = await repository.count_submitted(connection, user_id, since=CURRENT.attempts_window)
        return Standing(
            level=level,
            submissions=submissions,
            documents=documents,
            has_profile=has_profile,
            missing=missing,
            attempts_left=max(0, CURRENT.attempts - used),
        )

    async def begin(
        self, connection: Connection, user_id: UserId, level: AskedLevel, declaration: Declaration, *, address: str
    ) -> Submission:
        """A new draft; the documents of a version that needed more are in it already.

        Raises SubmissionOpen, LevelReached, TooManyAttempts.
        """
        await repository.lock_customer(connection, user_id)
        if open_one := await repository.read_open(connection, user_id):
            raise SubmissionOpen(open_one.state)
        earlier = await repository.list_of_customer(connection, user_id, limit=SHOWN_MAX)
        ending, rechecked = _asked_again(earlier, level), _rechecked(earlier, level)
        reached = await kyc_level_of(connection, user_id)
        if is_at_least(reached, level) and not ending:
            raise LevelReached(reached)
        await self._check_attempts(connection, user_id)
        submission = await repository.insert_draft(
            connection,
            self._vault,
            submission_id=new_id(),
            user_id=user_id,
            level=level,
            origin="recheck" if rechecked else "customer",
            rule_version=CURRENT.version,
            declaration=declaration,
            flags=(RECHECK,) if rechecked else (),
        )
        if earlier and earlier[0].state == "needs_more" and earlier[0].level == level:
            await files.carry_over(connection, earlier[0].id, submission.id)
        await self._note(connection, submission, "kyc.begun", address)
        return submission

    async def read(self, connection: Connection, user_id: UserId, submission_id: UUID) -> Submission:
        """One of the customer's own; raises SubmissionNotFound."""
        found = await repository.read_submission(connection, submission_id)
        if found is None or found.user_id != user_id:
            raise SubmissionNotFound
        return found

    async def documents(self, connection: Connection, submission_id: UUID) -> Sequence[Document]:
        """What belongs to a submission."""
        return await files.documents_of(connection, submission_id)

    # ---- documents

    async def check_may_add(self, connection: Connection, user_id: UserId) -> None:
        """Whether there is a draft with room for a document, before one is looked at.

        Raises SubmissionNotFound, WrongState, TooManyDocuments.
        """
        found = await repository.read_open(connection, user_id)
        if found is None:
            raise SubmissionNotFound
        if found.state != "draft":
            raise WrongState(found.state)
        if len(await files.documents_of(connection, found.id)) > DOCUMENTS_MAX:
            raise TooManyDocuments

    async def add_document(
        self, connection: Connection, user_id: UserId, purpose: Purpose, file: CleanFile, *, address: str
    ) -> Document:
        """Keep a cleaned file with the customer's draft; the same file again changes nothing.

        Raises SubmissionNotFound, WrongState, TooManyDocuments.
        """
        draft = await self._draft(connection, user_id)
        there = await files.documents_of(connection, draft.id)
        known = next((one for one in there if one.purpose == purpose and one.sha256 == file.sha256), None)
        if known is not None:
            return known
        if len(there) >= DOCUMENTS_MAX:
            raise TooManyDocuments
        document = Document(
            id=new_id(),
            user_id=user_id,
            purpose=purpose,
            media_type=file.media_type,
            sha256=file.sha256,
            clean_sha256=file.clean_sha256,
            bytes=len(file.content),
            pages=file.pages,
            pieces=files.pieces_of(file.content),
            created_at=now(),
        )
        await files.insert_document(connection, self._vault, document, file.content)
        await files.attach(connection, draft.id, document.id)
        await self._note(connection, draft, "kyc.document_added", address, document=str(document.id), purpose=purpose)
        return document

    async def remove_document(
        self, connection: Connection, user_id: UserId, document_id: UUID, *, address: str
    ) -> None:
        """Take a document out of the draft; raises DocumentNotFound, SubmissionNotFound, WrongState."""
        document = await files.read_document(connection, document_id)
        if document is None or document.user_id != user_id:
            raise DocumentNotFound
        draft = await self._draft(connection, user_id)
        if not await files.detach(connection, draft.id, document_id):
            raise DocumentNotFound
        await self._note(connection, draft, "kyc.document_removed", address, document=str(document_id))

    # ---- handing in

    async def submit(self, connection: Connection, user_id: UserId, submission_id: UUID, *, address: str) -> Submission:
        """Hand a draft in; it is checked from now on and cannot be changed. Again changes nothing.

        Raises SubmissionNotFound, WrongState, Incomplete, TooManyAttempts.
        """
        await repository.lock_customer(connection, user_id)
        draft = await repository.read_submission(connection, submission_id, lock=True)
        if draft is None or draft.user_id != user_id:
            raise SubmissionNotFound
        if draft.state in UNDECIDED:
            return draft
        if draft.state != "draft":
            raise WrongState(draft.state)
        await self._check_attempts(connection, user_id)
        kept = await self._privacy.profile(connection, user_id)
        sent = await files.documents_of(connection, draft.id)
        purposes = [document.purpose for document in sent]
        missing = missing_for(draft.level, has_profile=kept is not None, purposes=purposes, rules=CURRENT)
        if missing or kept is None:
            raise Incomplete(missing)
        others = await files.used_by_others(connection, draft.id, user_id)
        flags: list[Flag] = [*draft.flags, *(("document_used_by_another",) if others else ())]
        evidence: dict[str, Any] = {"rule_version": draft.rule_version, "documents": files.ids_of(sent)}
        if others:
            evidence["documents_used_by"] = [str(other) for other in others]
        submitted = await repository.mark_submitted(
            connection,
            self._vault,
            draft.id,
            profile=kept.profile,
            rail=self._rail,
            flags=flags,
            evidence=evidence,
        )
        crash_point("kyc.submitted")
        await self._note(connection, submitted, "kyc.submitted", address)
        await tell_change(connection, submitted, await kyc_level_of(connection, user_id))
        await self._letters.queue(
            connection, user_id=user_id, template="kyc_submitted", values={"level": submitted.level}
        )
        return submitted

    async def _draft(self, connection: Connection, user_id: UserId) -> Submission:
        await repository.lock_customer(connection, user_id)
        found = await repository.read_open(connection, user_id)
        if found is None:
            raise SubmissionNotFound
        if found.state != "draft":
            raise WrongState(found.state)
        return found

    async def _check_attempts(self, connection: Connection, user_id: UserId) -> None:
        if await repository.count_submitted(connection, user_id, since=CURRENT.attempts_window) >= CURRENT.attempts:
            raise TooManyAttempts(CURRENT.attempts, CURRENT.attempts_window.days)

    async def _note(
        self, connection: Connection, submission: Submission, action: str, address: str, **details: object
    ) -> None:
        await record(
            connection,
            actor_id=submission.user_id,
            action=action,
            subject=f"kyc_submission:{submission.id}",
            address=address,
            details={"level": submission.level, "version": submission.version, **details},
        )


async def tell_change(connection: Connection, submission: Submission, level: Level) -> None:
    """The fact for those above: a submission of a customer changed, and the level that holds now."""
    await append_event(
        connection,
        user_id=submission.user_id,
        kind="kyc_changed",
        subject=submission.id,
        payload={
            "submission_id": str(submission.id),
            "state": submission.state,
            "asked": submission.level,
            "kyc_level": level,
            "reasons": list(submission.reasons),
        },
    )


def _asked_again(earlier: Sequence[Submission], level: AskedLevel) -> bool:
    """Whether the customer's approval of this level ends soon: then the same may be sent in before it has ended."""
    holding = [each for each in earlier if each.state == "approved" and each.level == level]
    return bool(holding) and all(
        each.expires_at is not None and each.expires_at - now() <= CURRENT.recheck_grace for each in holding
    )


def _rechecked(earlier: Sequence[Submission], level: AskedLevel) -> bool:
    """Whether an operator has asked for it, and not the calendar: such an approval would leave nothing behind."""
    holding = [each for each in earlier if each.state == "approved" and each.level == level]
    return any(each.expires_at is not None and each.falls_to == "none" for each in holding)
