"""Judging facts in their order by rules: the same steps live and in a replay, so that both say the same."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bitcurrent.compliance.monitoring import repository
from bitcurrent.compliance.monitoring.model import HISTORY_MAX, Fact, Hit, Mark, RuleRecord, Window
from bitcurrent.compliance.monitoring.parameters import Parameters
from bitcurrent.compliance.monitoring.rules import judge
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId


@dataclass(frozen=True, slots=True)
class ReadyRule:
    """A version of a rule with its parameters read."""

    record: RuleRecord
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Spoken:
    """A rule spoke of a fact; `fresh` unless it had spoken of this customer within its window already."""

    rule: ReadyRule
    hit: Hit
    fresh: bool


@dataclass(slots=True)
class LastWords:
    """When each rule spoke last of each customer: one alert for a customer within a rule's window."""

    at: dict[tuple[str, UserId], datetime] = field(default_factory=dict)

    def fresh(self, rule: ReadyRule, fact: Fact) -> bool:
        """Whether this is to be told; told, it is remembered."""
        key = (rule.record.name, fact.user_id)
        last = self.at.get(key)
        if last is not None and fact.at < last + rule.parameters.window:
            return False
        self.at[key] = fact.at
        return True


@dataclass(slots=True)
class Memory:
    """What rules may know before a batch, kept up with each fact of it."""

    earlier: dict[UserId, list[Fact]]
    seen: dict[Mark, dict[UserId, datetime]]

    @classmethod
    async def before(cls, connection: Connection, facts: Sequence[Fact], *, before: int | None) -> "Memory":
        """What was judged before an id (live: before now)."""
        users = {fact.user_id for fact in facts}
        marks = {mark for fact in facts for mark in fact.marks}
        return cls(
            await repository.read_earlier(connection, users, before=before),
            await repository.read_sightings(connection, marks, before=before),
        )

    def window(self, fact: Fact) -> Window:
        """What is known when this fact comes."""
        return Window(
            fact=fact,
            earlier=tuple(self.earlier[fact.user_id]),
            shared={mark: repository.sightings(self.seen.get(mark, {})) for mark in fact.marks},
        )

    def learn(self, fact: Fact) -> None:
        """From now on it is one of the earlier ones."""
        history = self.earlier[fact.user_id]
        history.append(fact)
        del history[:-HISTORY_MAX]
        for mark in fact.marks:
            users = self.seen.setdefault(mark, {})
            users[fact.user_id] = max(fact.at, users.get(fact.user_id, fact.at))


def judge_all(
    facts: Iterable[Fact], rules: Sequence[ReadyRule], memory: Memory, last: LastWords
) -> Mapping[int, tuple[Spoken, ...]]:
    """What the rules say of each fact, by position; facts of which nobody speaks are left out."""
    said: dict[int, tuple[Spoken, ...]] = {}
    for fact in facts:
        window = memory.window(fact)
        spoken = []
        for rule in rules:
            hit = judge(rule.parameters, window)
            if hit is not None:
                spoken.append(Spoken(rule, hit, last.fresh(rule, fact)))
        if spoken:
            said[fact.position] = tuple(spoken)
        memory.learn(fact)
    return said
