"""Monitoring's verbs: judge what has happened since the last look, and decide alerts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.compliance.cases.model import Case
from bitcurrent.compliance.cases.service import Cases
from bitcurrent.compliance.monitoring import alerts_repository, repository
from bitcurrent.compliance.monitoring.facts import KINDS, Surroundings, currency_of, fact_of
from bitcurrent.compliance.monitoring.judging import LastWords, Memory, Spoken, judge_all
from bitcurrent.compliance.monitoring.model import (
    Alert,
    AlertDecided,
    AlertFilter,
    AlertNotFound,
    Fact,
    RuleRecord,
)
from bitcurrent.compliance.monitoring.parameters import written
from bitcurrent.compliance.monitoring.ports import Homes, Prices
from bitcurrent.compliance.monitoring.rulebook import RuleBook, ready_rules
from bitcurrent.compliance.restrictions import service as restrictions
from bitcurrent.identity.approvals.service import Approvals, read_reason
from bitcurrent.identity.model import Actor
from bitcurrent.identity.permissions import check_permission
from bitcurrent.identity.whereabouts import whereabouts
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.events import Cursor, Event, read_events
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.kernel.money import plain

log = structlog.get_logger(__name__)

BATCH: Final = 500
HOLD_SCORE_PRIORITY: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one round did: events read, transactions judged, alerts by rule, and when the newest event happened."""

    events: int
    transactions: int
    alerts: Counter[str]
    newest: datetime | None


class Monitoring:
    """Looks at what customers do. Methods that take a connection run in its transaction."""

    def __init__(
        self, *, database: Database, vault: Vault, cases: Cases, approvals: Approvals, prices: Prices, homes: Homes
    ) -> None:
        self._database = database
        self._vault = vault
        self._cases = cases
        self._prices = prices
        self._homes = homes
        self.rulebook = RuleBook(approvals)
        cases.when_closed("monitoring", self._case_closed)
        cases.when_reopened("monitoring", self._case_reopened)

    # ---- the feed

    async def judge_next(self, *, limit: int = BATCH) -> Judged:
        """Judge the next events, in one transaction with all that follows from it: each exactly once."""
        async with self._database.read() as connection:
            cursor = await repository.read_cursor(connection)
            events, after = await read_events(connection, cursor, limit)
        if not events:
            return Judged(events=0, transactions=0, alerts=Counter(), newest=None)
        wanted = [event for event in events if event.kind in KINDS]
        # Prices before the transaction: they may be asked for outside.
        currencies = {currency for event in wanted if (currency := currency_of(event))}
        prices = await self._prices.usd(sorted(currencies)) if currencies else {}
        alerts = await self._database.in_transaction(lambda tx: self._judge(tx, cursor, after, wanted, prices))
        crash_point("monitoring.recorded")
        return Judged(events=len(events), transactions=len(wanted), alerts=alerts, newest=events[-1].created_at)

    async def _judge(
        self,
        connection: Connection,
        cursor: Cursor,
        after: Cursor,
        events: Sequence[Event],
        prices: Mapping[str, Any],
    ) -> Counter[str]:
        if await repository.read_cursor(connection, lock=True) != cursor:
            return Counter()  # somebody else has judged these meanwhile
        facts = await self._facts(connection, events, prices)
        told: Counter[str] = Counter()
        if facts:
            rules = await ready_rules(connection)
            memory = await Memory.before(connection, facts, before=None)
            last = LastWords(await alerts_repository.newest(connection, {fact.user_id for fact in facts}))  # type: ignore[arg-type]  # rule names are texts
            said = judge_all(facts, rules, memory, last)
            await repository.insert_facts(connection, [_row(fact, said.get(fact.position, ())) for fact in facts])
            for fact in facts:
                for spoken in said.get(fact.position, ()):
                    if spoken.fresh:
                        await self._raise(connection, fact, spoken)
                        told[spoken.rule.record.name] += 1
        await repository.move_cursor(connection, after)
        crash_point("monitoring.judged")
        return told

    async def _facts(self, connection: Connection, events: Sequence[Event], prices: Mapping[str, Any]) -> list[Fact]:
        """Events as facts, with what is known of their customers; events of nobody are left out."""
        known = await whereabouts(connection, self._vault, {UserId(event.user_id) for event in events})
        homes: dict[UserId, str | None] = {}
        facts = []
        for event in events:
            user_id = UserId(event.user_id)
            if user_id not in known:
                continue
            if KINDS[event.kind] == "card" and user_id not in homes:
                homes[user_id] = await self._homes(connection, user_id)
            home = homes.get(user_id) if KINDS[event.kind] == "card" else None
            facts.append(fact_of(event, prices, Surroundings(residence=home, access=known[user_id])))
        return facts

    async def _raise(self, connection: Connection, fact: Fact, spoken: Spoken) -> None:
        """Write an alert down, with its case and its hold where the rule says so."""
        rule, hit = spoken.rule.record, spoken.hit
        alert_id = new_id()
        case_id = None
        if rule.action != "alert":
            case_id = await self._open_case(connection, fact, spoken, alert_id)
        if rule.action == "hold":
            await restrictions.restrict(
                connection,
                user_id=fact.user_id,
                scope="withdrawals",
                code=f"monitoring:{rule.name}",
                reason=hit.words,
                case_id=case_id,
            )
        alert = Alert(
            id=alert_id,
            rule=rule.name,
            rule_version=rule.version,
            user_id=fact.user_id,
            position=fact.position,
            at=fact.at,
            score=hit.score,
            parts=hit.parts,
            words=hit.words,
            state="open" if case_id is None else "escalated",
            held=rule.action == "hold",
            case_id=case_id,
        )
        await alerts_repository.insert(connection, alert)
        log.info("monitoring_alert", alert=str(alert_id), rule=rule.name, score=hit.score, held=alert.held)

    async def _open_case(self, connection: Connection, fact: Fact, spoken: Spoken, alert_id: UUID) -> UUID:
        rule, hit = spoken.rule.record, spoken.hit
        return await self._cases.open(
            connection,
            kind="monitoring",
            user_id=fact.user_id,
            subject=f"user:{fact.user_id}",
            summary=f"{rule.name}: {hit.words}"[:300],
            evidence={
                "alert": str(alert_id),
                "rule": rule.name,
                "rule_version": rule.version,
                "parameters": written(spoken.rule.parameters),
                "score": hit.score,
                "parts": dict(hit.parts),
                "transaction": _told(fact),
            },
            priority="high" if hit.score >= HOLD_SCORE_PRIORITY else "normal",
            dedupe_key=f"user:{fact.user_id}",
        )

    async def _case_closed(self, connection: Connection, case: Case, by: UserId) -> None:
        alerts = await alerts_repository.of_case(connection, case.id)
        if case.outcome == "cleared":
            await restrictions.lift_of_case(connection, case.id, decided_by=by)
        await repository.set_reviewed(connection, [alert.position for alert in alerts], standing=("open",))

    async def _case_reopened(self, connection: Connection, case: Case, by: UserId) -> None:
        """What was held because of it is held again."""
        for rule in sorted(
            {alert.rule for alert in await alerts_repository.of_case(connection, case.id) if alert.held}
        ):
            assert case.user_id is not None  # monitoring's cases are about customers
            await restrictions.restrict(
                connection,
                user_id=case.user_id,
                scope="withdrawals",
                code=f"monitoring:{rule}",
                reason=f"Case {case.id} was opened again",
                case_id=case.id,
            )

    # ---- people

    async def alerts(self, connection: Connection, which: AlertFilter) -> Sequence[Alert]:
        """Alerts, newest first."""
        return await alerts_repository.search(connection, which)

    async def alert(self, connection: Connection, alert_id: UUID) -> Alert:
        """One alert; raises AlertNotFound."""
        found = await alerts_repository.read(connection, alert_id)
        if found is None:
            raise AlertNotFound
        return found

    async def evidence(
        self, connection: Connection, alert: Alert
    ) -> tuple[RuleRecord | None, Fact | None, Sequence[Mapping[str, Any]]]:
        """The rule's version, the transaction, and all that rules said of it."""
        found = await repository.read_fact(connection, alert.position)
        rules = await repository.list_rules(connection, name=None, before=alert.rule_version + 1, limit=1)
        fact, said = (found[0], found[1]) if found else (None, [])
        return (rules[0] if rules else None), fact, said

    async def dismiss(
        self, connection: Connection, actor: Actor, alert_id: UUID, *, reason: str, address: str
    ) -> Alert:
        """Nothing in it, with the reason. Raises AlertNotFound, AlertDecided."""
        alert = await self._open_alert(connection, actor, alert_id)
        words = read_reason(reason)
        decided = await alerts_repository.decide(connection, alert.id, "dismissed", by=actor.user_id, decision=words)
        await repository.set_reviewed(connection, [alert.position], standing=("open", "escalated"))
        await self._note(connection, actor, "alert.dismissed", decided, address)
        return decided

    async def escalate(
        self, connection: Connection, actor: Actor, alert_id: UUID, *, reason: str, address: str
    ) -> Alert:
        """Into a case about its customer. Raises AlertNotFound, AlertDecided."""
        alert = await self._open_alert(connection, actor, alert_id)
        words = read_reason(reason)
        rule, fact, _ = await self.evidence(connection, alert)
        case_id = await self._cases.open(
            connection,
            kind="monitoring",
            user_id=alert.user_id,
            subject=f"user:{alert.user_id}",
            summary=f"{alert.rule}: {alert.words}"[:300],
            evidence={
                "alert": str(alert.id),
                "rule": alert.rule,
                "rule_version": alert.rule_version,
                "parameters": dict(rule.parameters) if rule else {},
                "score": alert.score,
                "parts": dict(alert.parts),
                "transaction": _told(fact) if fact else {},
                "escalated_because": words,
            },
            dedupe_key=f"user:{alert.user_id}",
            opened_by=actor.user_id,
        )
        decided = await alerts_repository.decide(
            connection, alert.id, "escalated", by=actor.user_id, decision=words, case_id=case_id
        )
        await self._note(connection, actor, "alert.escalated", decided, address)
        return decided

    async def _open_alert(self, connection: Connection, actor: Actor, alert_id: UUID) -> Alert:
        actor.require_operator()
        check_permission(actor.role, "compliance.review")
        found = await alerts_repository.read(connection, alert_id, lock=True)
        if found is None:
            raise AlertNotFound
        if found.state != "open":
            raise AlertDecided(found.state)
        return found

    async def _note(self, connection: Connection, actor: Actor, action: str, alert: Alert, address: str) -> None:
        # The words of the decision stay with the alert: the log of acts keeps none about people.
        await record(
            connection,
            actor_id=actor.user_id,
            actor_kind=ActorKind.OPERATOR,
            actor_role=actor.role,
            action=action,
            subject=f"alert:{alert.id}",
            address=address,
            details={"rule": alert.rule, "user": str(alert.user_id), "case": str(alert.case_id or "none")},
        )


async def erase(connection: Connection, user_id: UserId) -> None:
    """What monitoring knew of a customer is forgotten when the law does not ask for it any more."""
    await repository.erase(connection, user_id)


def _row(fact: Fact, said: Sequence[Spoken]) -> tuple[Fact, Sequence[Mapping[str, Any]], bool]:
    hits = [
        {
            "rule": spoken.rule.record.name,
            "version": spoken.rule.record.version,
            "score": spoken.hit.score,
            "parts": dict(spoken.hit.parts),
        }
        for spoken in said
    ]
    return fact, hits, any(spoken.fresh for spoken in said)


def _told(fact: Fact) -> dict[str, Any]:
    return {
        "event": fact.position,
        "kind": fact.kind,
        "subject": str(fact.subject) if fact.subject else None,
        "at": fact.at.isoformat(),
        "worth": plain(fact.worth) if fact.worth is not None else None,
        "facts": dict(fact.facts),
    }
