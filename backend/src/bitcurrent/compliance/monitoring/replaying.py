"""What a rule would have said of the past: the same judging over what monitoring has seen, without any effect.

Memory is bounded: one batch with its customers' histories, one entry for a customer within the rule's window, and a
counted number of alerts.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from bitcurrent.compliance.monitoring import alerts_repository, repository
from bitcurrent.compliance.monitoring.judging import LastWords, Memory, ReadyRule, judge_all
from bitcurrent.compliance.monitoring.model import Hit, RuleRecord
from bitcurrent.compliance.monitoring.parameters import Parameters
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId

BATCH: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldBe:
    """An alert that the rule would have raised; `was` tells whether there was one about that very transaction."""

    position: int
    user_id: UserId
    subject: UUID | None
    at: datetime
    hit: Hit
    was: bool


@dataclass(slots=True)
class Tally:
    """What a replay went through, kept up while it runs. `only_then`: alerts that there were, and would not be."""

    transactions: int = 0
    would_be: int = 0
    both: int = 0
    were: int = 0

    @property
    def only_then(self) -> int:
        """Alerts of the time that the replay did not raise."""
        return self.were - self.both


async def replay(
    database: Database, record: RuleRecord, parameters: Parameters, *, since: datetime, until: datetime, tally: Tally
) -> AsyncIterator[WouldBe]:
    """Each alert that would have been, oldest first. The rule's window before `since` is gone through silently."""
    rule, last = ReadyRule(record, parameters), LastWords()
    async with database.read() as connection:
        from_id = await repository.first_id(connection, since - parameters.window)
    while from_id is not None:
        async with database.read() as connection:
            found, raised = await _judge_piece(
                connection, rule, last, since - parameters.window, until=until, from_id=from_id
            )
            if not found:
                return
            actual = await _actual(connection, rule, [position for position, *_ in raised])
            tally.transactions += sum(1 for _, at in found if at >= since)
        for position, user_id, subject, at, hit in raised:
            if at < since:
                continue
            was = position in actual
            tally.would_be += 1
            tally.both += was
            yield WouldBe(position=position, user_id=user_id, subject=subject, at=at, hit=hit, was=was)
        newest = found[-1][1]
        last.at = {key: at for key, at in last.at.items() if at + parameters.window > newest}
        from_id = found[-1][0] + 1


Raised = tuple[int, UserId, UUID | None, datetime, Hit]


async def _judge_piece(
    connection: Connection, rule: ReadyRule, last: LastWords, since: datetime, *, until: datetime, from_id: int
) -> tuple[list[tuple[int, datetime]], list[Raised]]:
    """Ids and moments of the next piece of the history, and what the rule would have told of it."""
    piece = await repository.read_facts(connection, since=since, until=until, from_id=from_id, limit=BATCH)
    if not piece:
        return [], []
    facts = [fact for _, fact in piece]
    memory = await Memory.before(connection, facts, before=piece[0][0])
    said = judge_all(facts, [rule], memory, last)
    raised = [
        (fact.position, fact.user_id, fact.subject, fact.at, spoken.hit)
        for fact in facts
        for spoken in said.get(fact.position, ())
        if spoken.fresh
    ]
    return [(number, fact.at) for number, fact in piece], raised


async def _actual(connection: Connection, rule: ReadyRule, positions: list[int]) -> set[int]:
    return await alerts_repository.spoken_of(connection, rule.record.name, positions)


async def count_actual(database: Database, record: RuleRecord, *, since: datetime, until: datetime) -> int:
    """How many alerts of this rule there were at the time."""
    async with database.read() as connection:
        return await alerts_repository.count_between(connection, record.name, since, until)
