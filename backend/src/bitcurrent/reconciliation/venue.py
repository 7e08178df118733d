"""Our books against the venue's: what lies there, its fees and movements, executions and orders that are not ours.

The account is never quiet while customers trade, so the venue's balance is compared with what our fills say we had at
that moment (by the venue's own times), and not with what we have now.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.money import EXACT, plain
from bitcurrent.ledger import service as ledger
from bitcurrent.reconciliation import executions, repository
from bitcurrent.reconciliation.memory import Compared, Memory, of_account, oldest_first, what_lies_outside
from bitcurrent.reconciliation.model import (
    NOTHING,
    BreakKind,
    Finding,
    Look,
    Pace,
    Party,
    Reason,
    Row,
    nearest,
    run_of,
)
from bitcurrent.reconciliation.ports import VenueBooks, VenueMovement
from bitcurrent.reconciliation.repository import Doubt
from bitcurrent.trading import evidence
from bitcurrent.trading.model import FillEvidence
from bitcurrent.trading.ports import VenueFee, VenueHoldings, VenueOrder

CASH: Final = "USD"
FEE_MAX: Final = Decimal("0.0025")
"""The most that the venue takes of what a fill brings in (the top of its published schedule)."""
FEES_LATE: Final = timedelta(hours=30)
"""Fees of a day are charged at its end or on the next day: fills may wait for theirs so long."""
FIRST_DAYS: Final = 3
PAGES_MAX: Final = 5
PAGES_MAX_WHOLLY: Final = 200
CHECKED: Final = frozenset(
    {BreakKind.HOLDINGS, BreakKind.FILLS, BreakKind.FOREIGN_ORDER, BreakKind.FEE_UNPOSTED, BreakKind.MOVEMENT}
)

Recognise = Callable[[Connection, VenueMovement], Awaitable[str | None]]
"""The reference of the journal that stands for a movement at the venue, if one does."""
UnderWay = Callable[[Connection], Awaitable[Mapping[str, Decimal]]]
"""Coins by asset that may have left the venue already while our books still have them there."""


@dataclass(slots=True, kw_only=True)
class _Told:
    """What the venue told in one look."""

    holdings: VenueHoldings
    asked_at: datetime
    answered_at: datetime
    orders: list[VenueOrder]
    fees: list[VenueFee] = field(default_factory=list)
    movements: list[VenueMovement] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Ours:
    """What our books say, read after the venue was asked."""

    balances: Mapping[str, Decimal]
    fills: Sequence[FillEvidence]
    received: Mapping[str, Decimal]
    under_way: Mapping[str, Decimal]
    doubts: Sequence[Doubt]
    booked: set[str]
    awaited: set[str]
    """Movements that are known to be ours, and whose journal is still to come."""
    strangers: list[VenueOrder]


class VenueCheck:
    """Compares with one venue account."""

    party = Party.VENUE

    def __init__(
        self,
        database: Database,
        books: VenueBooks,
        pace: Pace,
        *,
        recognise: Recognise | None = None,
        under_way: UnderWay | None = None,
    ) -> None:
        self._database = database
        self._books = books
        self._pace = pace
        self._recognise = recognise
        self._under_way = under_way

    async def look(self, *, wholly: bool = False) -> Compared:
        """Look once. Raises what the port raises when the venue cannot be asked."""
        memory = Memory()
        async with self._database.read() as connection:
            cursors = await repository.read_cursors(connection)
            doubts = await repository.read_doubts(connection)
        fills = await executions.read_new(self._books, cursors, memory, self._pace, wholly=wholly)
        told = await self._ask(cursors, memory, wholly=wholly)
        memory.doubts += [("fee", fee.activity_id, _fee_facts(fee)) for fee in told.fees]
        memory.doubts += [("movement", each.activity_id, _movement_facts(each)) for each in told.movements]
        await asyncio.sleep(self._pace.settle)
        ours = await self._read(cursors, doubts, told, memory, wholly=wholly)
        executed = await executions.compare(
            self._database, self._books, fills, oldest_first(doubts, "order"), memory, self._pace, wholly=wholly
        )
        findings = [*_fees(ours, memory, self._pace), *_movements(ours, memory, self._pace), *executed]
        findings += [_stranger(order) for order in ours.strangers]
        rows = [self._row(asset, told, ours) for asset in sorted(_assets(told, ours))]
        findings += [self._finding(row) for row in rows if row.difference]
        look = Look(party=self.party, rows=tuple(rows), findings=tuple(findings), checked=CHECKED)
        return Compared(look=look, memory=memory)

    async def _ask(self, cursors: Mapping[str, str], memory: Memory, *, wholly: bool) -> _Told:
        first = f"since:{(now() - timedelta(days=FIRST_DAYS)).date().isoformat()}"
        pages = PAGES_MAX_WHOLLY if wholly else PAGES_MAX
        fees: list[VenueFee] = []
        movements: list[VenueMovement] = []
        cursor = first if wholly else cursors.get("venue_fees", first)
        for _ in range(pages):
            page, behind = await self._books.fees_after(cursor)
            fees += page
            if behind == cursor or behind is None:
                break
            cursor = memory.cursors["venue_fees"] = behind
        cursor = first if wholly else cursors.get("venue_movements", first)
        for _ in range(pages):
            found, behind = await self._books.movements_after(cursor)
            movements += found
            if behind == cursor or behind is None:
                break
            cursor = memory.cursors["venue_movements"] = behind
        for fee in fees:
            name = f"last_fee:{fee.currency}"
            known = max(memory.cursors.get(name, ""), cursors.get(name, ""))
            memory.cursors[name] = max(known, fee.charged_at.isoformat())
        orders = await self._books.open_orders()
        asked_at = now()
        holdings = await self._books.holdings()
        return _Told(
            holdings=holdings, asked_at=asked_at, answered_at=now(), orders=orders, fees=fees, movements=movements
        )

    async def _read(
        self, cursors: Mapping[str, str], known: Sequence[Doubt], told: _Told, memory: Memory, *, wholly: bool
    ) -> _Ours:
        """Everything of ours in one snapshot."""
        posted = {
            name.removeprefix("last_fee:"): datetime.fromisoformat(value) - FEES_LATE
            for name, value in ({**cursors, **memory.cursors}).items()
            if name.startswith("last_fee:")
        }
        fresh = [Doubt(kind, key, facts, told.asked_at) for kind, key, facts in memory.doubts]
        doubts = {(each.kind, each.id): each for each in (*fresh, *known)}
        references = [_reference(each) for each in doubts.values() if each.kind != "order"]
        async with (
            self._database.read() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            balances = await what_lies_outside(connection, memory, wholly=wholly)
            fills = await evidence.fills_since(connection, told.asked_at - timedelta(seconds=self._pace.skew))
            usual = now() - timedelta(days=FIRST_DAYS)
            received = await evidence.received_since(connection, posted, usual=usual)
            booked = set(await ledger.moves_of(connection, references, "venue"))
            awaited: set[str] = set()
            for each in doubts.values():
                known_as = await self._name_of(connection, each)
                if known_as is not None:
                    there = bool(await ledger.moves_of(connection, [known_as], "venue"))
                    (booked if there else awaited).add(_reference(each))
            ids = [order.order_id for order in told.orders if order.order_id is not None]
            ours = await evidence.known_orders(connection, ids)
            under_way = await self._under_way(connection) if self._under_way is not None else {}
        return _Ours(
            balances=of_account(balances, "venue"),
            fills=fills,
            received=received,
            under_way=under_way,
            doubts=list(doubts.values()),
            booked=booked,
            awaited=awaited,
            strangers=[order for order in told.orders if order.order_id is None or order.order_id not in ours],
        )

    async def _name_of(self, connection: Connection, doubt: Doubt) -> str | None:
        """The journal that stands, or will stand, for a movement of ours."""
        if doubt.kind != "movement" or self._recognise is None:
            return None
        return await self._recognise(connection, _movement(doubt))

    def _row(self, asset: str, told: _Told, ours: _Ours) -> Row:
        """One asset: what it is here and there, and what explains the difference."""
        theirs = _theirs(told, asset)
        skew = timedelta(seconds=self._pace.skew)
        moved = [(fill.filled_at, amount) for fill in ours.fills for name, amount in fill.moved() if name == asset]
        candidates = run_of(moved, certain_after=told.answered_at + skew, total=ours.balances.get(asset, NOTHING))
        reasons = [
            Reason(what="the venue's fees that the books do not have yet", amount=_unbooked(ours, "fee", asset)),
            Reason(what="movements that the books do not have yet", amount=_unbooked(ours, "movement", asset)),
        ]
        there = theirs
        for reason in reasons:
            there = EXACT.add(there, reason.amount)
        fees = EXACT.multiply(ours.received.get(asset, NOTHING), FEE_MAX)
        leaving = ours.under_way.get(asset, NOTHING)
        explained, difference = nearest(candidates, theirs=there, allowed=EXACT.add(fees, leaving))
        what = "fees of fills that the venue has not charged yet" if not leaving else "fees to come and coins under way"
        reasons.append(Reason(what=what, amount=explained))
        return Row(
            party=Party.VENUE,
            asset=asset,
            ours=EXACT.add(there, EXACT.add(explained, difference)),
            theirs=theirs,
            difference=difference,
            reasons=tuple(reason for reason in reasons if reason.amount),
        )

    def _finding(self, row: Row) -> Finding:
        return Finding(
            kind=BreakKind.HOLDINGS,
            subject=f"venue:{row.asset}",
            party=Party.VENUE,
            asset=row.asset,
            account="venue",
            expected=EXACT.subtract(row.ours, row.difference),
            found=row.ours,
            text=f"The venue has {plain(row.theirs)} {row.asset}; our books say {plain(row.ours)}.",
            looks=self._pace.looks,
        )


def _assets(told: _Told, ours: _Ours) -> set[str]:
    there = {asset for asset, amount in told.holdings.coins.items() if amount} | {CASH}
    return there | {asset for asset, amount in ours.balances.items() if amount}


def _theirs(told: _Told, asset: str) -> Decimal:
    return told.holdings.cash if asset == CASH else told.holdings.coins.get(asset, NOTHING)


def _unbooked(ours: _Ours, kind: str, asset: str) -> Decimal:
    """What ours is more than theirs because of things that we have seen there and not booked."""
    total = NOTHING
    for doubt in ours.doubts:
        if doubt.kind == kind and doubt.facts["asset"] == asset and _reference(doubt) not in ours.booked:
            amount = Decimal(doubt.facts["amount"])
            total = EXACT.add(total, amount if kind == "fee" else amount.copy_negate())
    return total


def _fees(ours: _Ours, memory: Memory, pace: Pace) -> list[Finding]:
    """Fees that were charged and that no journal has, though there was time."""
    return _unposted(
        ours, memory, pace, kind="fee", found=BreakKind.FEE_UNPOSTED, text="The venue charged {} {}: no journal has it."
    )


def _movements(ours: _Ours, memory: Memory, pace: Pace) -> list[Finding]:
    """Cash or coins that came or went at the venue for a reason that the books do not know."""
    text = "{} {} moved at the venue, and no journal says why."
    return _unposted(ours, memory, pace, kind="movement", found=BreakKind.MOVEMENT, text=text)


def _unposted(ours: _Ours, memory: Memory, pace: Pace, *, kind: str, found: BreakKind, text: str) -> list[Finding]:
    findings = []
    for doubt in (each for each in ours.doubts if each.kind == kind):
        if _reference(doubt) in ours.booked:
            memory.dropped.append((kind, doubt.id))
        elif now() - doubt.first_seen >= _patience(doubt, ours, pace):
            amount = Decimal(doubt.facts["amount"])
            change = amount.copy_negate() if kind == "fee" else amount
            findings.append(
                Finding(
                    kind=found,
                    subject=f"venue-{kind}:{doubt.id}",
                    party=Party.VENUE,
                    asset=doubt.facts["asset"],
                    account="venue",
                    expected=change,
                    found=NOTHING,
                    text=text.format(plain(amount), doubt.facts["asset"]),
                )
            )
    return findings


def _patience(doubt: Doubt, ours: _Ours, pace: Pace) -> timedelta:
    """How long it may wait for its journal: longer when it is known to be ours."""
    return timedelta(seconds=pace.line_grace if _reference(doubt) in ours.awaited else pace.grace)


def _stranger(order: VenueOrder) -> Finding:
    asset = order.market.partition("/")[0] if order.market else CASH
    return Finding(
        kind=BreakKind.FOREIGN_ORDER,
        subject=f"venue-order:{order.venue_order_id}",
        party=Party.VENUE,
        asset=asset,
        expected=order.filled_quantity,
        found=NOTHING,
        text=f"An open order at the venue ({order.venue_order_id}) is none of ours.",
        looks=2,
    )


def _fee_facts(fee: VenueFee) -> dict[str, str]:
    return {"asset": fee.currency, "amount": plain(fee.amount), "at": fee.charged_at.isoformat()}


def _movement_facts(movement: VenueMovement) -> dict[str, str]:
    return {
        "asset": movement.asset,
        "amount": plain(movement.amount),
        "kind": movement.kind,
        "at": movement.happened_at.isoformat(),
        **({"transfer": movement.transfer_id} if movement.transfer_id else {}),
    }


def _movement(doubt: Doubt) -> VenueMovement:
    return VenueMovement(
        activity_id=doubt.id,
        kind=doubt.facts["kind"],
        asset=doubt.facts["asset"],
        amount=Decimal(doubt.facts["amount"]),
        happened_at=datetime.fromisoformat(doubt.facts["at"]),
        transfer_id=doubt.facts.get("transfer"),
    )


def _reference(doubt: Doubt) -> str:
    """What the journal of a fee or movement is called."""
    return f"venue_{doubt.kind}:{doubt.id}"
