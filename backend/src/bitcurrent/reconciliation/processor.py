"""The clearing account against the card processor: every line of its balance has its journal, every journal its line.

From that it follows that the balances agree; they are compared all the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from bitcurrent.funding.ports import BalanceLine, Processor
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.money import EXACT, plain
from bitcurrent.ledger import service as ledger
from bitcurrent.ledger.model import HouseMove
from bitcurrent.reconciliation import binding, breaks_repository, repository
from bitcurrent.reconciliation.binding import Group
from bitcurrent.reconciliation.memory import BEGINNING, Compared, Memory, of_account, what_lies_outside
from bitcurrent.reconciliation.model import NOTHING, BreakKind, Finding, Look, Pace, Party, Reason, Row
from bitcurrent.reconciliation.repository import Stored

PAGE: Final = 100
PAGES_MAX: Final = 1_000
OVERLAP: Final = timedelta(hours=1)
UNBOUND_MAX: Final = 5_000
MOVES_MAX: Final = 20_000
OPENING: Final = "opening:processor"
"""Stands for the lines from before our time, instead of a journal."""
BACK: Final = timedelta(days=1)
BACK_WHOLLY: Final = timedelta(days=30)
CHECKED: Final = frozenset({BreakKind.HOLDINGS, BreakKind.LINE_UNBOUND, BreakKind.LINE_AMOUNT, BreakKind.PAYOUT})


@dataclass(slots=True, kw_only=True)
class _Read:
    """What our side says, of one moment."""

    ours: Mapping[str, Decimal]
    sums: Mapping[str, Decimal]
    openings: Mapping[str, Decimal]
    lines: Sequence[Stored]
    groups: Mapping[str, Group]
    bound: Mapping[str, Sequence[Stored]]
    moves: Mapping[str, Mapping[str, Decimal]]
    journals: Sequence[HouseMove]
    seen: frozenset[str]
    resolved: Mapping[str, str]
    """Journals by which people resolved breaks about single lines and journals, by the break's subject."""


class ProcessorCheck:
    """Compares with one processor account.

    `books_payouts` says that payouts to our own bank are expected: they are booked as soon as the processor tells of
    them. Otherwise nobody is to pay out, and each payout is a break. Lines from before `since` are the account's
    history, not ours: together they are its opening, which is named in the table.
    """

    party = Party.PROCESSOR

    def __init__(
        self,
        database: Database,
        processor: Processor,
        pace: Pace,
        *,
        books_payouts: bool = False,
        since: datetime | None = None,
    ) -> None:
        self._since = since
        self._database = database
        self._processor = processor
        self._pace = pace
        self._books_payouts = books_payouts

    async def look(self, *, wholly: bool = False) -> Compared:
        """Look once. Raises NotSent or RefusedOutside when the processor cannot be asked."""
        memory = Memory()
        if not self._processor.configured:
            return Compared(look=Look(party=self.party), memory=memory)
        fresh = await self._new_lines(wholly=wholly)
        theirs = await self._processor.balances()
        # What came while we asked may be in the balance or not: with these lines, every moment since then is known.
        late = [line for line in (await self._new_lines(wholly=False)).values() if line.id not in fresh]
        memory.lines += [*fresh.values(), *late]
        async with (
            self._database.read() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            read = await self._read(connection, memory, wholly=wholly)
        findings = self._bind(read, memory)
        findings += self._unseen(read)
        rows = [self._row(currency, theirs, late, read) for currency in sorted({*theirs, *read.ours})]
        findings += [self._finding(row) for row in rows if row.difference]
        checked = CHECKED | {BreakKind.JOURNAL_UNSEEN} if wholly else CHECKED
        return Compared(
            look=Look(party=self.party, rows=tuple(rows), findings=tuple(findings), checked=checked), memory=memory
        )

    async def _new_lines(self, *, wholly: bool) -> dict[str, BalanceLine]:
        """Lines that are not stored yet, by id, from shortly before the newest one that is."""
        async with self._database.read() as connection:
            newest = None if wholly else await repository.newest_line(connection)
        since = BEGINNING if newest is None else newest - OVERLAP
        found: dict[str, BalanceLine] = {}
        after: str | None = None
        for _ in range(PAGES_MAX):
            page, more = await self._processor.balance_lines(since=since, after=after, limit=PAGE)
            async with self._database.read() as connection:
                known = await repository.known_lines(connection, [line.id for line in page])
            found |= {line.id: line for line in page if line.id not in known}
            if not more or not page:
                break
            after = page[-1].id
        return found

    async def _read(self, connection: Connection, memory: Memory, *, wholly: bool) -> _Read:
        ours = of_account(await what_lies_outside(connection, memory, wholly=wholly), "processor")
        sums = dict(await repository.sum_lines(connection))
        for line in memory.lines:
            sums[line.currency] = EXACT.add(sums.get(line.currency, NOTHING), line.net)
        openings = dict(await repository.sum_lines(connection, OPENING))
        for line in memory.lines:
            if self._is_history(line):
                openings[line.currency] = EXACT.add(openings.get(line.currency, NOTHING), line.net)
                memory.bindings[line.id] = OPENING
        moment = now()
        lines = [
            *await repository.unbound_lines(connection, limit=UNBOUND_MAX),
            *(Stored(line, moment) for line in memory.lines if not self._is_history(line)),
        ]
        groups = await binding.groups_of(connection, [each.line for each in lines])
        bound: dict[str, list[Stored]] = defaultdict(list)
        for each in await repository.bound_lines(connection, [group.key for group in groups.values()]):
            bound[each.reference or ""].append(each)
        since = moment - (BACK_WHOLLY if wholly else BACK)
        journals = await ledger.list_moves(connection, "processor", since=since, until=moment, limit=MOVES_MAX)
        keys = [binding.key_of(journal.reference) for journal in journals]
        seen = {each.reference or "" for each in await repository.bound_lines(connection, keys)}
        fees = [journal.reference for journal in journals if journal.kind == "processor_fee"]
        with_lines = await repository.known_lines(connection, [each.partition(":")[2] for each in fees])
        references = [
            *(reference for group in groups.values() for reference in group.references),
            *(binding.fee_reference(each.line) for each in lines),
        ]
        moves = await ledger.moves_of(connection, references, "processor")
        subjects = [_line_subject(each.line) for each in lines] + [_journal_subject(each) for each in journals]
        resolved = await breaks_repository.resolving_journals(connection, subjects)
        return _Read(
            ours=ours,
            sums=sums,
            openings=openings,
            lines=lines,
            groups=groups,
            bound=bound,
            moves=moves,
            journals=journals,
            seen=frozenset(seen | {f"stripe_fee:{line}" for line in with_lines}),
            resolved=resolved,
        )

    def _is_history(self, line: BalanceLine) -> bool:
        return self._since is not None and line.created_at < self._since

    def _bind(self, read: _Read, memory: Memory) -> list[Finding]:
        """Tie lines to journals, post what only the processor decides (its fees), and say what is left over."""
        findings: list[Finding] = []
        together: dict[str, list[Stored]] = defaultdict(list)
        for each in read.lines:
            fee = binding.fee_journal(each.line)
            if fee is not None and fee.reference not in read.moves:
                memory.journals.append(fee)
            group = read.groups.get(each.line.id)
            if (reference := read.resolved.get(_line_subject(each.line))) is not None:
                memory.bindings[each.line.id] = reference
            elif each.line.kind in binding.FEES:
                memory.bindings[each.line.id] = binding.fee_reference(each.line)
            elif each.line.kind in binding.PAYOUTS and group is not None:
                findings += self._payout(each, group, read, memory)
            elif group is None:
                findings += self._unbound(each, None)
            else:
                together[group.key].append(each)
        for key, lines in together.items():
            group = read.groups[lines[0].line.id]
            told, booked = _sides(lines, group, read)
            if booked == told:
                memory.bindings |= {each.line.id: key for each in lines}
            else:
                for each in lines:
                    findings += self._unbound(each, booked, told=told)
        return findings

    def _payout(self, stored: Stored, group: Group, read: _Read, memory: Memory) -> list[Finding]:
        journal = binding.payout_journal(stored.line)
        if journal.reference in read.moves:
            memory.bindings[stored.line.id] = group.key
            return []
        if self._books_payouts:
            memory.journals.append(journal)
            memory.bindings[stored.line.id] = group.key
            return []
        line = stored.line
        return [
            Finding(
                kind=BreakKind.PAYOUT,
                subject=_line_subject(line),
                party=Party.PROCESSOR,
                asset=line.currency,
                account="processor",
                expected=line.net,
                found=NOTHING,
                text=f"The processor paid out {plain(abs(line.net))} {line.currency} ({line.source}): nobody here did.",
            )
        ]

    def _unbound(self, stored: Stored, booked: Decimal | None, *, told: Decimal | None = None) -> list[Finding]:
        line = stored.line
        if now() - stored.seen_at < timedelta(seconds=self._pace.line_grace):
            return []
        about = f"The processor's {line.kind} of {plain(line.amount)} {line.currency} ({line.source or line.id})"
        return [
            Finding(
                kind=BreakKind.LINE_UNBOUND if booked is None else BreakKind.LINE_AMOUNT,
                subject=_line_subject(line),
                party=Party.PROCESSOR,
                asset=line.currency,
                account="processor",
                expected=binding.effect(line) if told is None else told,
                found=NOTHING if booked is None else booked,
                text=f"{about} has no journal."
                if booked is None
                else f"{about}: in all it moved {plain(told or NOTHING)}, our journals {plain(booked)}.",
            )
        ]

    def _unseen(self, read: _Read) -> list[Finding]:
        """Journals that should have a line by now and have none."""
        ripe = now() - timedelta(seconds=self._pace.line_grace)
        return [
            Finding(
                kind=BreakKind.JOURNAL_UNSEEN,
                subject=_journal_subject(journal),
                party=Party.PROCESSOR,
                asset=journal.currency,
                account="processor",
                expected=NOTHING,
                found=journal.amount.copy_negate(),
                text=f"The processor knows nothing of our journal {journal.reference} "
                f"({plain(journal.amount.copy_negate())} {journal.currency}).",
            )
            for journal in self._without_line(read)
            if journal.created_at < ripe
        ]

    @staticmethod
    def _without_line(read: _Read) -> list[HouseMove]:
        """Journals of the last while that no line is tied to. What people booked themselves needs none."""
        tied = read.seen | {group.key for group in read.groups.values()}
        return [
            journal
            for journal in read.journals
            if journal.kind != "adjustment"
            and binding.key_of(journal.reference) not in tied
            and _journal_subject(journal) not in read.resolved
        ]

    def _row(
        self,
        currency: str,
        theirs: Mapping[str, Decimal],
        late: Iterable[BalanceLine],
        read: _Read,
    ) -> Row:
        """One currency: what our books say and what the processor says, and what is on its way between the two."""
        there, ours = theirs.get(currency, NOTHING), read.ours.get(currency, NOTHING)
        sums = read.sums.get(currency, NOTHING)
        lines_not_booked = _not_booked(currency, read)
        young = NOTHING
        for journal in self._without_line(read):
            if journal.currency == currency:
                young = EXACT.add(young, journal.amount.copy_negate())
        told_late = _prefix(sums, there, [line for line in late if line.currency == currency])
        opening = read.openings.get(currency, NOTHING)
        reasons = (
            Reason(what="what lay there before our first line (opening)", amount=opening.copy_negate()),
            Reason(what="lines of the processor that no journal stands for yet", amount=lines_not_booked.copy_negate()),
            Reason(what="journals that the processor does not show yet", amount=young),
            Reason(what="lines that came while we asked", amount=told_late),
        )
        difference = EXACT.subtract(ours, there)
        for reason in reasons:
            difference = EXACT.subtract(difference, reason.amount)
        return Row(
            party=Party.PROCESSOR,
            asset=currency,
            ours=ours,
            theirs=there,
            difference=difference,
            reasons=tuple(reason for reason in reasons if reason.amount),
        )

    def _finding(self, row: Row) -> Finding:
        return Finding(
            kind=BreakKind.HOLDINGS,
            subject=f"processor:{row.asset}",
            party=Party.PROCESSOR,
            asset=row.asset,
            account="processor",
            expected=EXACT.subtract(row.ours, row.difference),
            found=row.ours,
            text=f"The processor has {plain(row.theirs)} {row.asset}; our books say {plain(row.ours)}.",
            looks=self._pace.looks,
        )


def _sides(lines: Sequence[Stored], group: Group, read: _Read) -> tuple[Decimal, Decimal | None]:
    """What all lines of a group did to what lies there, and what its journals did; None when it has no journal."""
    told = NOTHING
    for each in (*lines, *read.bound.get(group.key, ())):
        told = EXACT.add(told, binding.effect(each.line))
    return told, binding.moved(group.references, read.moves, lines[0].line.currency)


def _not_booked(currency: str, read: _Read) -> Decimal:
    """How much of the lines is not in the books yet: lines without journals, and fees that this look will post."""
    total = NOTHING
    together: dict[str, list[Stored]] = defaultdict(list)
    for each in read.lines:
        line = each.line
        if line.currency != currency or _line_subject(line) in read.resolved:
            continue
        fee = binding.fee_journal(line)
        if fee is not None and fee.reference not in read.moves:
            total = EXACT.add(total, line.net if line.kind in binding.FEES else line.fee.copy_negate())
        if line.kind in binding.FEES:
            continue
        group = read.groups.get(line.id)
        if group is None:
            total = EXACT.add(total, binding.effect(line))
        else:
            together[group.key].append(each)
    for lines in together.values():
        told, booked = _sides(lines, read.groups[lines[0].line.id], read)
        total = EXACT.add(total, EXACT.subtract(told, booked or NOTHING))
    return total


def _line_subject(line: BalanceLine) -> str:
    return f"processor-line:{line.id}"


def _journal_subject(journal: HouseMove) -> str:
    return f"journal:{journal.reference}"


def _prefix(sums: Decimal, there: Decimal, late: Sequence[BalanceLine]) -> Decimal:
    """How much of the newest lines the balance does not have yet; zero when none of their moments explains it."""
    left = sums
    for line in [None, *sorted(late, key=_made, reverse=True)]:
        if line is not None:
            left = EXACT.subtract(left, line.net)
        if left == there:
            return EXACT.subtract(sums, there)
    return NOTHING


def _made(line: BalanceLine) -> tuple[datetime, str]:
    return line.created_at, line.id
