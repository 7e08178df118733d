"""A run of reconciliation: look at every party, write down what was found, and give the table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import structlog

from bitcurrent.funding.ports import NotConfigured, NotSent, OutcomeUnknown, RefusedOutside
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import new_id
from bitcurrent.kernel.money import plain
from bitcurrent.reconciliation import repository
from bitcurrent.reconciliation.breaks import Breaks
from bitcurrent.reconciliation.memory import Compared
from bitcurrent.reconciliation.model import Break, Finding, Party, Row, Run
from bitcurrent.trading.ports import VenueError, VenueRefused, VenueUnknown

log = structlog.get_logger(__name__)

CANNOT_ASK: Final = (
    VenueError, VenueUnknown, VenueRefused, NotSent, NotConfigured, OutcomeUnknown, RefusedOutside,
)  # fmt: skip
_DOUBTS: Final = {"venue-order": "order", "venue-fee": "fee", "venue-movement": "movement"}


class Check(Protocol):
    """Compares our books with those of one party."""

    @property
    def party(self) -> Party:
        """Whose."""
        ...

    async def look(self, *, wholly: bool = False) -> Compared:
        """Look once, changing nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run gave: the table, what does not agree now, what could not be asked, and breaks that it opened."""

    started_at: datetime
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    troubles: tuple[str, ...]
    opened: tuple[Break, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether everything could be asked and nothing differs."""
        return not self.findings and not self.troubles


async def look(checks: Sequence[Check], *, wholly: bool = False) -> tuple[Result, list[Compared]]:
    """Look at every party, changing nothing: the result, and what each look wants to be remembered."""
    started_at, compared, troubles = now(), list[Compared](), list[str]()
    for check in checks:
        try:
            compared.append(await check.look(wholly=wholly))
        except CANNOT_ASK as error:
            troubles.append(f"The {check.party} could not be asked ({type(error).__name__}: {error})."[:300])
    result = Result(
        started_at=started_at,
        rows=tuple(row for each in compared for row in each.look.rows),
        findings=tuple(finding for each in compared for finding in each.look.findings),
        troubles=tuple(troubles),
    )
    return result, compared


async def run(database: Database, breaks: Breaks, checks: Sequence[Check], *, wholly: bool = False) -> Result:
    """Look at every party and write down what was found, all in one transaction. For one process at a time."""
    result, compared = await look(checks, wholly=wholly)

    async def write(connection: Connection) -> tuple[Break, ...]:
        opened: list[Break] = []
        for each in compared:
            await each.memory.write(connection)
            recorded = await breaks.note(connection, each.look)
            await repository.drop_doubts(connection, _doubts(recorded.settled))
            opened += recorded.opened
        crash_point("reconciliation.before_commit")
        await repository.insert_run(
            connection,
            run_id=new_id(),
            wholly=wholly,
            started_at=result.started_at,
            table=[told(row) for row in result.rows],
            findings=len(result.findings),
            troubles=result.troubles,
        )
        return tuple(opened)

    opened = await database.in_transaction(write)
    for trouble in result.troubles:
        log.warning("reconciliation_incomplete", trouble=trouble)
    return Result(
        started_at=result.started_at,
        rows=result.rows,
        findings=result.findings,
        troubles=result.troubles,
        opened=opened,
    )


def told(row: Row) -> Mapping[str, Any]:
    """A row as it is kept and answered: exact amounts as text."""
    return {
        "party": row.party.value,
        "asset": row.asset,
        "ours": plain(row.ours),
        "theirs": plain(row.theirs),
        "difference": plain(row.difference),
        "reasons": [{"what": reason.what, "amount": plain(reason.amount)} for reason in row.reasons],
    }


def _doubts(subjects: frozenset[str]) -> list[tuple[str, str]]:
    """The doubts that stood behind breaks which people have resolved for good."""
    found = []
    for subject in subjects:
        name, _, key = subject.partition(":")
        if name in _DOUBTS:
            found.append((_DOUBTS[name], key))
    return found


async def last_run(connection: Connection, *, wholly: bool | None = None) -> Run | None:
    """The newest run (that looked wholly, or not)."""
    return await repository.read_last_run(connection, wholly=wholly)
