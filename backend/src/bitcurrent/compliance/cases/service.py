"""Opening cases, looking into them, and closing them by four eyes. Every method runs in its caller's transaction.

Customers never learn of a case: telling somebody that they are suspected is forbidden almost everywhere.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
import structlog

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.compliance.cases import repository
from bitcurrent.compliance.cases.model import (
    EVIDENCE_BYTES_MAX,
    NOTE_LENGTH_MAX,
    PRIORITIES,
    SUMMARY_LENGTH_MAX,
    Case,
    CaseClosed,
    CaseEntry,
    CaseFilter,
    CaseHandler,
    CaseKind,
    CaseNotClosed,
    CaseNotFound,
    CaseOutcome,
    CaseProposed,
    EntryKind,
    Priority,
    read_text,
)
from bitcurrent.identity.approvals.model import SamePerson
from bitcurrent.identity.approvals.service import read_reason
from bitcurrent.identity.model import Actor
from bitcurrent.identity.permissions import Permission, check_permission
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import Conflict
from bitcurrent.kernel.ids import UserId, new_id

log = structlog.get_logger(__name__)

WORK: Permission = "compliance.review"
"""Who may look into cases, propose how they end, and confirm it."""


class NothingProposed(Conflict):
    """Nobody has proposed how it ends."""

    code = "nothing_proposed"

    def __init__(self) -> None:
        super().__init__("Nobody has proposed an outcome of this case yet.")


class Cases:
    """Keeps cases."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._closed: dict[CaseKind, CaseHandler] = {}
        self._reopened: dict[CaseKind, CaseHandler] = {}

    def when_closed(self, kind: CaseKind, handler: CaseHandler) -> None:
        """Say what follows, in the same transaction, when a case of this kind is closed; one handler for each kind."""
        if kind in self._closed:
            raise ValueError(f"there is a handler for closed cases of {kind} already")
        self._closed[kind] = handler

    def when_reopened(self, kind: CaseKind, handler: CaseHandler) -> None:
        """Say what follows when a closed case of this kind is opened again; one handler for each kind."""
        if kind in self._reopened:
            raise ValueError(f"there is a handler for reopened cases of {kind} already")
        self._reopened[kind] = handler

    # ---- rules of the house

    async def open(
        self,
        connection: Connection,
        *,
        kind: CaseKind,
        user_id: UserId | None,
        subject: str,
        summary: str,
        evidence: Mapping[str, Any],
        priority: Priority = "normal",
        dedupe_key: str,
        opened_by: UserId | None = None,
    ) -> UUID:
        """Open a case; its id. While one of this kind and key stands, the evidence is added to that one instead.

        `subject` reads like "withdrawal:<id>"; `summary` holds no personal data. `evidence` is JSON (versions of
        rules, inputs, parts of a score), amounts as text; it is encrypted. A repeated opening can raise the priority.
        """
        if len(msgspec.json.encode(evidence)) > EVIDENCE_BYTES_MAX:
            raise ValueError(f"the evidence of a case has at most {EVIDENCE_BYTES_MAX} bytes")
        case, fresh = await repository.insert_case(
            connection,
            case_id=new_id(),
            kind=kind,
            user_id=user_id,
            subject=subject,
            summary=read_text(summary, field="summary", length_max=SUMMARY_LENGTH_MAX),
            priority=priority,
            dedupe_key=dedupe_key,
        )
        entry: EntryKind = "opened" if fresh else "evidence"
        await repository.add_entry(
            connection, self._vault, case.id, entry, author=opened_by, text=summary, evidence=evidence
        )  # fmt: skip
        if not fresh:
            if PRIORITIES.index(priority) > PRIORITIES.index(case.priority):
                await repository.set_priority(connection, case.id, priority)
            return case.id
        log.info("case_opened", case=str(case.id), kind=kind, priority=priority)
        await record(
            connection,
            actor_id=opened_by,
            actor_kind=ActorKind.SYSTEM if opened_by is None else ActorKind.OPERATOR,
            action="case.opened",
            subject=f"case:{case.id}",
            details={"kind": kind, "about": subject, "priority": priority, "user": str(user_id) if user_id else None},
        )
        return case.id

    async def find_standing(self, connection: Connection, kind: CaseKind, dedupe_key: str) -> Case | None:
        """The case of this kind and key that is not closed, if there is one."""
        return await repository.find_standing(connection, kind, dedupe_key)

    async def find_closed(self, connection: Connection, case_ids: Sequence[UUID], *, cleared: bool) -> UUID | None:
        """The newest of these that two people have closed: as nothing, or as what it looked like."""
        return await repository.find_closed(connection, case_ids, cleared=cleared) if case_ids else None

    async def count_standing(self, connection: Connection) -> dict[str, int]:
        """How many cases are not closed, by kind."""
        return await repository.count_standing(connection)

    # ---- people

    async def read(self, connection: Connection, case_id: UUID) -> Case:
        """One case; raises CaseNotFound."""
        found = await repository.read_case(connection, case_id)
        if found is None:
            raise CaseNotFound
        return found

    async def history(
        self, connection: Connection, actor: Actor, case_id: UUID, *, address: str
    ) -> tuple[Case, Sequence[CaseEntry]]:
        """A case with all that was written and found; reading it is written down. Raises CaseNotFound."""
        actor.require_operator()
        check_permission(actor.role, WORK)
        case = await self.read(connection, case_id)
        entries = await repository.read_entries(connection, self._vault, case_id)
        await self._audit(connection, actor, "case.read", case, address)
        return case, entries

    async def search(self, connection: Connection, which: CaseFilter) -> Sequence[Case]:
        """Cases, newest first."""
        return await repository.list_cases(connection, which)

    async def assign(self, connection: Connection, actor: Actor, case_id: UUID, owner: UserId, *, address: str) -> Case:
        """Have somebody look after it; the caller has seen that they may. Raises CaseNotFound, CaseClosed."""
        before = await self._standing(connection, actor, case_id)
        after = await repository.set_owner(connection, case_id, owner)
        await repository.add_entry(
            connection, self._vault, case_id, "assigned", author=actor.user_id, evidence={"owner": str(owner)}
        )
        await self._audit(
            connection, actor, "case.assigned", after, address, details={"owner": str(owner)},
            before={"owner": str(before.owner) if before.owner else None},
        )  # fmt: skip
        return after

    async def note(self, connection: Connection, actor: Actor, case_id: UUID, text: str, *, address: str) -> Case:
        """Write something down; it is never changed. Raises CaseNotFound, CaseClosed, Invalid."""
        case = await self._standing(connection, actor, case_id)
        words = read_text(text, field="text", length_max=NOTE_LENGTH_MAX)
        await repository.add_entry(connection, self._vault, case_id, "note", author=actor.user_id, text=words)
        await self._audit(connection, actor, "case.noted", case, address)
        return case

    async def propose(
        self, connection: Connection, actor: Actor, case_id: UUID, outcome: CaseOutcome, *, reason: str, address: str
    ) -> Case:
        """Propose how it ends; somebody else has to confirm it. Raises CaseNotFound, CaseClosed, CaseProposed."""
        case = await self._standing(connection, actor, case_id)
        if case.state == "proposed":
            raise CaseProposed
        return await self._step(
            connection,
            actor,
            await repository.mark_proposed(connection, case_id, actor.user_id, outcome),
            ("proposed", "case.proposed"),
            text=read_reason(reason),
            address=address,
        )

    async def confirm(self, connection: Connection, actor: Actor, case_id: UUID, *, address: str) -> Case:
        """Close it as somebody else has proposed, with what follows. Raises NothingProposed, SamePerson, CaseClosed."""
        case = await self._proposed(connection, actor, case_id)
        if case.proposed_by == actor.user_id:
            raise SamePerson
        closed = await self._step(
            connection,
            actor,
            await repository.mark_closed(connection, case_id, actor.user_id),
            ("closed", "case.closed"),
            address=address,
        )
        if handler := self._closed.get(closed.kind):
            await handler(connection, closed, actor.user_id)
        return closed

    async def refuse(self, connection: Connection, actor: Actor, case_id: UUID, *, reason: str, address: str) -> Case:
        """Say no to what was proposed, or take it back: it is open again. Raises NothingProposed, CaseClosed."""
        await self._proposed(connection, actor, case_id)
        return await self._step(
            connection,
            actor,
            await repository.mark_open(connection, case_id, reopened=False),
            ("refused", "case.proposal_refused"),
            text=read_reason(reason),
            address=address,
        )

    async def reopen(self, connection: Connection, actor: Actor, case_id: UUID, *, reason: str, address: str) -> Case:
        """Look into a closed one again; what followed from its end is taken back where it can be.

        Raises CaseNotFound, CaseNotClosed, and CaseProposed's kin where another case about the same stands by now.
        """
        case = await self._locked(connection, actor, case_id)
        if case.state != "closed":
            raise CaseNotClosed(case.state)
        if await repository.find_standing(connection, case.kind, case.dedupe_key):
            raise AnotherStands
        reopened = await self._step(
            connection,
            actor,
            await repository.mark_open(connection, case_id, reopened=True),
            ("reopened", "case.reopened"),
            text=read_reason(reason),
            address=address,
        )
        if handler := self._reopened.get(reopened.kind):
            await handler(connection, reopened, actor.user_id)
        return reopened

    # ---- the house's own

    async def _step(
        self,
        connection: Connection,
        actor: Actor,
        after: Case,
        names: tuple[EntryKind, str],
        *,
        address: str,
        text: str | None = None,
    ) -> Case:
        entry, action = names
        outcome = after.outcome or after.proposed_outcome
        await repository.add_entry(
            connection,
            self._vault,
            after.id,
            entry,
            author=actor.user_id,
            text=text,
            evidence={"outcome": outcome} if outcome else None,
        )
        # Words about people stay where they can be erased: the log of acts keeps none of them.
        await self._audit(connection, actor, action, after, address, details={"outcome": outcome})
        return after

    async def _locked(self, connection: Connection, actor: Actor, case_id: UUID) -> Case:
        actor.require_operator()
        check_permission(actor.role, WORK)
        found = await repository.read_case(connection, case_id, lock=True)
        if found is None:
            raise CaseNotFound
        return found

    async def _standing(self, connection: Connection, actor: Actor, case_id: UUID) -> Case:
        case = await self._locked(connection, actor, case_id)
        if case.state == "closed":
            raise CaseClosed
        return case

    async def _proposed(self, connection: Connection, actor: Actor, case_id: UUID) -> Case:
        case = await self._standing(connection, actor, case_id)
        if case.state != "proposed":
            raise NothingProposed
        return case

    async def _audit(
        self,
        connection: Connection,
        actor: Actor,
        action: str,
        case: Case,
        address: str,
        *,
        details: Mapping[str, object] | None = None,
        before: Mapping[str, object] | None = None,
    ) -> None:
        await record(
            connection,
            actor_id=actor.user_id,
            actor_kind=ActorKind.OPERATOR,
            actor_role=actor.role,
            action=action,
            subject=f"case:{case.id}",
            address=address,
            details={"kind": case.kind, "about": case.subject, **(details or {})},
            before=before,
        )


class AnotherStands(Conflict):
    """The same is being looked into already."""

    code = "case_stands"

    def __init__(self) -> None:
        super().__init__("Another case about the same is open already: work on that one.")


async def erase(connection: Connection, user_id: UserId) -> None:
    """What was written about a customer is forgotten when the law does not ask for it any more; that it was, stays."""
    await repository.erase_entries(connection, user_id)
