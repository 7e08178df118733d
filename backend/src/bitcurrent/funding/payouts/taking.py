"""Taking what a bank's file says into the books: every line fits, or nothing of the file is taken."""

from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import structlog

from bitcurrent.funding.payouts import repository
from bitcurrent.funding.payouts.model import BadBankFile, BankFile, BankLine, is_damaged, withdrawal_in
from bitcurrent.funding.withdrawals.banking import BankSide
from bitcurrent.funding.withdrawals.model import State, Withdrawal
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.money import EXACT, plain

log = structlog.get_logger(__name__)

_ON_THE_WAY = {State.SENDING, State.SENT}


@dataclass(slots=True)
class Taken:
    """What came of a file: how many withdrawals moved, how many lines a person must look at, the statement's lines."""

    changed: int = 0
    flagged: int = 0
    lines: list[tuple[BankLine, UUID | None]] = field(default_factory=list)


class Taking:
    """One file, in one transaction. Raising leaves nothing behind."""

    def __init__(self, connection: Connection, bank: BankSide, found: BankFile) -> None:
        self._connection = connection
        self._bank = bank
        self._file = found
        self._taken = Taken()
        self._ours: dict[UUID, Withdrawal] = {}
        self._net: dict[UUID, Decimal] = {}

    async def take(self) -> Taken:
        """Take it. Raises BadBankFile, which names the entry at fault."""
        if self._file.kind == "pain.002":
            await self._take_status()
        else:
            await self._take_statement()
        return self._taken

    async def _take_status(self) -> None:
        batch = await repository.find_batch_by_message(self._connection, self._file.message_id or "")
        if batch is None:
            raise BadBankFile("It is about a batch that is none of ours.")
        members = [each.id for each in await self._bank.of_batch(self._connection, batch.id)]
        self._ours = await self._bank.lock_many(self._connection, members)
        named: set[UUID] = set()
        for line in self._file.lines:
            withdrawal_id = withdrawal_in(line.reference)
            if withdrawal_id is None or withdrawal_id not in self._ours:
                raise BadBankFile("It is about a payment that is not of this batch.", line=line.number)
            named.add(withdrawal_id)
            await self._hear(withdrawal_id, line.kind, line.number, line.reason)
        if self._file.whole_batch is not None:
            for withdrawal_id in sorted(self._ours.keys() - named):
                await self._hear(withdrawal_id, self._file.whole_batch, 0, self._file.reason)

    async def _hear(self, withdrawal_id: UUID, kind: str, number: int, reason: str | None) -> None:
        state = self._ours[withdrawal_id].state
        if kind == "accepted":
            if state is State.FAILED:
                raise BadBankFile("It accepts what the bank had rejected.", line=number)
            if state is State.SENDING:
                await self._move(withdrawal_id, State.SENT)
        elif kind == "rejected":
            if state in {State.SETTLED, State.RETURNED}:
                raise BadBankFile("It rejects what the bank had booked.", line=number)
            if state in _ON_THE_WAY:
                await self._move(withdrawal_id, State.FAILED, reason or "rejected")

    async def _take_statement(self) -> None:
        names = [repository.name_of(line) for line in self._file.lines]
        if len(set(names)) != len(names):
            raise BadBankFile("It holds the same booking twice.")
        known = await repository.known_lines(self._connection, names)
        fresh = [line for line in self._file.lines if repository.name_of(line) not in known]
        if damaged := next((line for line in fresh if is_damaged(line.reference)), None):
            raise BadBankFile("Its reference was one of ours and is not whole.", line=damaged.number)
        about = {line.number: found for line in fresh if (found := withdrawal_in(line.reference)) is not None}
        self._net = await repository.net_by_withdrawal(self._connection, list(about.values()))
        self._ours = await self._bank.lock_many(self._connection, list(about.values()))
        # What left is booked before what came back, however the bank has sorted them.
        for line in sorted(fresh, key=lambda each: (each.kind != "booked", each.number)):
            withdrawal_id = about.get(line.number)
            if withdrawal_id is not None:
                await self._book(line, withdrawal_id)
            self._taken.lines.append((line, withdrawal_id))

    async def _book(self, line: BankLine, withdrawal_id: UUID) -> None:
        withdrawal = self._ours.get(withdrawal_id)
        if withdrawal is None or withdrawal.rail != "bank":
            raise BadBankFile("It is about a withdrawal that there is not.", line=line.number)
        assert line.amount is not None  # every line of a statement has one
        if line.currency != withdrawal.asset or abs(line.amount) != withdrawal.amount:
            raise BadBankFile(
                f"It is {plain(line.amount)} {line.currency}; the withdrawal was {plain(withdrawal.amount)} "
                f"{withdrawal.asset}.",
                line=line.number,
            )
        state = withdrawal.state
        net = self._net[withdrawal_id] = EXACT.add(self._net.get(withdrawal_id, Decimal(0)), line.amount)
        if line.kind == "booked" and state in _ON_THE_WAY:
            await self._move(withdrawal_id, State.SETTLED)
        elif line.kind == "came_back" and state is State.SETTLED:
            # Of a payment that was made twice the second one may come back: then it is paid as it should be.
            if net == 0:
                await self._move(withdrawal_id, State.RETURNED, line.reason or "came_back")
        elif state in {State.SETTLED, State.RETURNED}:
            # The bank booked it a second time, out or back. It happened: keep it, and have a person ask the bank.
            self._taken.flagged += 1
            log.error("bank_booked_twice", withdrawal=str(withdrawal_id), line=repository.name_of(line))
        else:
            raise BadBankFile(f"It is about a withdrawal that is {state} here.", line=line.number)

    async def _move(self, withdrawal_id: UUID, state: State, reason: str | None = None) -> None:
        moved = await self._bank.move(self._connection, self._ours[withdrawal_id], state, reason=reason)
        self._ours[withdrawal_id] = moved
        self._taken.changed += 1
