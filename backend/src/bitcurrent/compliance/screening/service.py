"""Screening somebody, and what follows: a case and held withdrawals while people look, and what they decided.

Every method that takes a connection runs in its caller's transaction.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.compliance.cases.model import Case
from bitcurrent.compliance.cases.service import Cases
from bitcurrent.compliance.restrictions.service import lift_of_case, restrict
from bitcurrent.compliance.screening import lists_repository, repository
from bitcurrent.compliance.screening.lists import InMemory, Key, ListsInMemory
from bitcurrent.compliance.screening.matching import NameIndex
from bitcurrent.compliance.screening.model import (
    Match,
    Occasion,
    Outcome,
    Rescreening,
    RescreeningRuns,
    Rules,
    RulesVersion,
    SanctionsList,
    Screening,
    ScreeningFilter,
    ScreeningNotFound,
    Subject,
    Verdict,
    check_rules,
)
from bitcurrent.compliance.screening.names import read_name
from bitcurrent.compliance.screening.scoring import judge, kinds_for, score_match
from bitcurrent.identity.approvals.model import Approval, Kind
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.model import Actor
from bitcurrent.identity.permissions import Permission, check_permission
from bitcurrent.identity.privacy.persons import person_of
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id

log = structlog.get_logger(__name__)

REVIEW: Permission = "compliance.review"
CODE: Final = "sanctions"
RULES: Final = "screening.rules"
MATCHES_KEPT: Final = 20
"""So many matches of one screening are kept as evidence; the highest ones."""


class Screenings:
    """Screens customers and those whom they pay."""

    def __init__(self, vault: Vault, cases: Cases, approvals: Approvals) -> None:
        self._vault = vault
        self._cases = cases
        self._approvals = approvals
        approvals.register(Kind(name=RULES, ask=REVIEW, grant=REVIEW, handler=self._new_rules))
        self.lists = ListsInMemory()
        cases.when_closed("sanctions", self._closed)
        cases.when_reopened("sanctions", self._reopened)

    # ---- screening

    async def screen_customer(
        self, connection: Connection, user_id: UserId, *, occasion: Occasion, subject: str | None = None
    ) -> Screening:
        """Screen a customer as the profile has them. Raises NoLists while there is none to compare with."""
        who = await self.subject_of(connection, user_id)
        return await self.screen(connection, user_id, who, occasion=occasion, subject=subject or f"user:{user_id}")

    async def subject_of(self, connection: Connection, user_id: UserId) -> Subject:
        """A customer as they are screened."""
        person = await person_of(connection, self._vault, user_id)
        if person is None:
            return Subject(name="")
        return Subject(name=person.name, birth_date=person.birth_date, country=person.country)

    async def screen(
        self, connection: Connection, user_id: UserId, who: Subject, *, occasion: Occasion, subject: str
    ) -> Screening:
        """Compare somebody with the lists in force, and write it down with all that it was decided by.

        `review`: people have to look; a case stands and nothing is paid out until two of them have closed it.
        `block`: two people have found before that this is who is listed.
        """
        lists = await self.lists.current(connection)
        rules = await repository.current_rules(connection)
        index = self.inputs_index(who)
        dismissed = await repository.dismissed(connection, user_id, index)
        found = [match for match in matches_of(who, lists.index, rules.rules) if match.entry.id not in dismissed]
        verdict = judge(who, found, rules.rules)
        outcome, case_id = await self._follow(connection, user_id, who, verdict, index, subject, lists, rules)
        return await repository.insert(
            connection,
            self._vault,
            repository.NewScreening(
                id=new_id(),
                user_id=user_id,
                occasion=occasion,
                role=who.role,
                subject=subject,
                lists=lists.versions,
                rules_version=rules.version,
                risk_score=verdict.risk_score,
                parts=verdict.parts,
                outcome=outcome,
                entry_ids=[match.entry.id for match in verdict.matches[:MATCHES_KEPT]],
                inputs_index=index,
                case_id=case_id,
                inputs=_inputs(who),
                evidence=[_told(match) for match in verdict.matches[:MATCHES_KEPT]],
            ),
        )

    async def _follow(
        self,
        connection: Connection,
        user_id: UserId,
        who: Subject,
        verdict: Verdict,
        index: bytes,
        subject: str,
        lists: InMemory,
        rules: RulesVersion,
    ) -> tuple[Outcome, UUID | None]:
        """What follows from a verdict: the outcome as it is now, and the case about it."""
        about = await repository.cases_about(connection, user_id, who.role, index)
        if confirmed := await self._cases.find_closed(connection, about, cleared=False):
            return "block", confirmed
        key = _case_key(user_id, index)
        standing = await self._cases.find_standing(connection, "sanctions", key)
        seen = not verdict.matches and await self._cases.find_closed(connection, about, cleared=True)
        if verdict.outcome == "clear" or (seen and not standing):
            # What else than a name weighs so much (a country) has been looked at, and is the same.
            return ("review", standing.id) if standing else ("clear", None)
        case_id = await self._cases.open(
            connection,
            kind="sanctions",
            user_id=user_id,
            subject=subject,
            summary=f"A {who.role} scores {verdict.risk_score} of 100 with {len(verdict.matches)} listed names",
            evidence={
                "inputs": _inputs(who),
                "score": str(verdict.risk_score),
                "parts": {name: str(points) for name, points in verdict.parts.items()},
                "matches": [_told(match) for match in verdict.matches[:MATCHES_KEPT]],
                "lists": dict(lists.versions),
                "rules_version": str(rules.version),
            },
            priority="urgent" if verdict.risk_score >= 95 else "high",
            dedupe_key=key,
        )
        await self._hold(connection, user_id, case_id)
        log.warning("screening_hit", case=str(case_id), score=verdict.risk_score)
        return "review", case_id

    async def is_looked_into(self, connection: Connection, user_id: UserId, who: Subject) -> bool:
        """Whether people are at it: a case about just this stands."""
        key = _case_key(user_id, self.inputs_index(who))
        return await self._cases.find_standing(connection, "sanctions", key) is not None

    def inputs_index(self, who: Subject) -> bytes:
        """A keyed hash of what is asked: the same question again, whatever the order of a name's words."""
        words = sorted(word.text for word in read_name(who.name, company=who.company).words)
        asked = "\n".join((who.role, " ".join(words), str(who.birth_date), str(who.country)))
        return self._vault.blind_index(asked, purpose="aml_screenings.inputs")

    async def asked_since(self, connection: Connection, user_id: UserId, who: Subject, since: Any) -> bool:
        """Whether just this was screened since a moment."""
        return await repository.asked_since(connection, user_id, self.inputs_index(who), since)

    # ---- what people decided

    async def _closed(self, connection: Connection, case: Case, by: UserId) -> None:
        if case.outcome == "cleared":
            await repository.dismiss_of_case(connection, case.id)
            await lift_of_case(connection, case.id, decided_by=by)
        elif case.user_id is not None:
            for scope in ("withdrawals", "orders"):
                await restrict(
                    connection, user_id=case.user_id, scope=scope, reason=f"Confirmed in case {case.id}",
                    code=CODE, case_id=case.id,
                )  # fmt: skip

    async def _reopened(self, connection: Connection, case: Case, by: UserId) -> None:
        await repository.revoke_of_case(connection, case.id)
        if case.user_id is not None:
            await self._hold(connection, case.user_id, case.id)

    async def _hold(self, connection: Connection, user_id: UserId, case_id: UUID) -> None:
        await restrict(
            connection, user_id=user_id, scope="withdrawals", reason=f"Looked into in case {case_id}", code=CODE,
            case_id=case_id,
        )  # fmt: skip

    # ---- reading

    async def read(self, connection: Connection, actor: Actor, screening_id: UUID, *, address: str) -> Screening:
        """One screening with what it was about; reading it is written down. Raises ScreeningNotFound."""
        actor.require_operator()
        check_permission(actor.role, REVIEW)
        found = await repository.read(connection, self._vault, screening_id)
        if found is None:
            raise ScreeningNotFound
        await record(
            connection,
            actor_id=actor.user_id,
            actor_kind=ActorKind.OPERATOR,
            actor_role=actor.role,
            action="screening.read",
            subject=f"user:{found.user_id}",
            address=address,
            details={"screening": str(screening_id)},
        )
        return found

    async def search(self, connection: Connection, which: ScreeningFilter) -> Sequence[Screening]:
        """Screenings, newest first, without what is personal."""
        return await repository.list_screenings(connection, which)

    async def rules(self, connection: Connection) -> RulesVersion:
        """The rules in force."""
        return await repository.current_rules(connection)

    async def ask_for_rules(
        self, connection: Connection, actor: Actor, rules: Rules, *, reason: str, address: str
    ) -> Approval:
        """Ask for a new version of the rules; another person has to grant it. Raises Invalid for what cannot be meant.

        What was decided before stays decided, by the version that it names.
        """
        return await self._approvals.ask(
            connection,
            actor,
            kind=RULES,
            subject="screening_rules",
            payload=msgspec.to_builtins(check_rules(rules)),
            reason=reason,
            address=address,
        )

    async def _new_rules(self, connection: Connection, approval: Approval, granted_by: UserId) -> None:
        before = await repository.current_rules(connection)
        rules = check_rules(msgspec.convert(approval.payload, Rules))
        after = await repository.insert_rules(connection, rules, reason=approval.reason, approval_id=approval.id)
        await record(
            connection,
            actor_id=granted_by,
            actor_kind=ActorKind.OPERATOR,
            action="screening_rules.changed",
            subject=f"screening_rules:{after.version}",
            reason=approval.reason,
            details={"approval": str(approval.id), "asked_by": str(approval.asked_by)},
            before=msgspec.to_builtins(before.rules),
            after=msgspec.to_builtins(rules),
        )

    async def lists_in_force(self, connection: Connection) -> Sequence[SanctionsList]:
        """The version of each list that counts."""
        return await lists_repository.in_force(connection)

    async def list_versions(
        self, connection: Connection, *, before: UUID | None, limit: int
    ) -> Sequence[SanctionsList]:
        """Every version of every list, newest first."""
        return await lists_repository.list_versions(connection, before=before, limit=limit)

    async def rescreenings(self, connection: Connection, *, before: UUID | None, limit: int) -> Sequence[Rescreening]:
        """When everybody was compared anew, newest first."""
        return await lists_repository.list_rescreenings(connection, before=before, limit=limit)

    async def rescreen(self, connection: Connection, actor: Actor, *, reason: str, address: str) -> Rescreening:
        """Have the worker compare every customer with everything in force. Raises RescreeningRuns, NoLists."""
        actor.require_operator()
        check_permission(actor.role, REVIEW)
        await self.lists.current(connection)
        run = await lists_repository.ask_rescreening(connection, list_id=None, asked_by=actor.user_id)
        if run is None:
            raise RescreeningRuns
        await record(
            connection,
            actor_id=actor.user_id,
            actor_kind=ActorKind.OPERATOR,
            actor_role=actor.role,
            action="screening.asked_for_everybody",
            subject=f"rescreening:{run.id}",
            address=address,
            reason=reason,
        )
        return run


def matches_of(who: Subject, index: NameIndex[Key], rules: Rules) -> list[Match]:
    """Everybody on the lists who may be meant, each once by the best name."""
    reach = max(rules.same_day, 0) + max(rules.same_country, 0)
    kinds = kinds_for(who)
    best: dict[UUID, Match] = {}
    for found in index.find(who.name, cutoff=rules.review_from - reach - 1, company=who.company):
        entry, name = found.item
        if entry.listed.kind not in kinds:
            continue
        match = score_match(who, entry, alias=name.text, quality=name.quality, name_score=found.score, rules=rules)
        if entry.id not in best or match.score > best[entry.id].score:
            best[entry.id] = match
    return list(best.values())


def _case_key(user_id: UserId, index: bytes) -> str:
    return f"{user_id}:{index.hex()[:32]}"


def _inputs(who: Subject) -> Mapping[str, Any]:
    return {
        "name": who.name,
        "birth_date": who.birth_date.isoformat() if who.birth_date else None,
        "country": who.country,
        "role": who.role,
    }


def _told(match: Match) -> Mapping[str, Any]:
    listed = match.entry.listed
    return {
        "entry_id": str(match.entry.id),
        "source": match.entry.source,
        "key": listed.key,
        "alias": match.alias,
        "score": str(match.score),
        "parts": {name: str(points) for name, points in match.parts.items()},
        "births": list(listed.births),
        "countries": list(listed.countries),
        "programs": list(listed.programs),
    }


async def erase(connection: Connection, user_id: UserId) -> None:
    """What is personal in a customer's screenings is forgotten when the law does not ask for it any more."""
    await repository.erase(connection, user_id)
