"""Payouts' verbs: ask for a batch, have it granted, write its file, read the bank's files in."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import structlog

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.funding.bank_accounts.model import BankDetails
from bitcurrent.funding.bank_accounts.service import BankAccounts
from bitcurrent.funding.payouts import repository
from bitcurrent.funding.payouts.bank_files import digest, read_bank_file
from bitcurrent.funding.payouts.model import (
    BATCH_MAX,
    BadBankFile,
    Batch,
    BatchNotFound,
    Imported,
    NothingToPay,
    OwnAccounts,
    Payment,
    Waiting,
    digest_of,
    reference_of,
)
from bitcurrent.funding.payouts.orders_file import payment_order
from bitcurrent.funding.payouts.taking import Taking
from bitcurrent.funding.ports import NotConfigured
from bitcurrent.funding.withdrawals.banking import BankSide
from bitcurrent.funding.withdrawals.model import Withdrawal
from bitcurrent.identity.approvals.model import Approval, Kind, SubjectGone
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.model import Actor
from bitcurrent.identity.permissions import check_permission
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.kernel.money import EXACT, plain

log = structlog.get_logger(__name__)

KIND = "payouts.batch"
SETTING = "BITCURRENT_BANK_OWN_ACCOUNTS"


class Payouts:
    """Pays approved bank withdrawals by files. Methods run in the caller's transaction."""

    def __init__(
        self,
        *,
        bank: BankSide,
        bank_accounts: BankAccounts,
        approvals: Approvals,
        own_accounts: OwnAccounts,
    ) -> None:
        self._bank = bank
        self._bank_accounts = bank_accounts
        self._approvals = approvals
        self._own_accounts = own_accounts
        approvals.register(Kind(name=KIND, ask="money.approve", grant="money.approve", handler=self._granted))

    async def waiting(self, connection: Connection) -> Sequence[Waiting]:
        """What waits for a batch, by currency."""
        return [
            Waiting(currency=currency, count=count, total=total)
            for currency, count, total in await self._bank.waiting(connection)
        ]

    async def ask(self, connection: Connection, actor: Actor, currency: str, *, reason: str, address: str) -> Approval:
        """Ask for a batch of what waits now; another person of finance grants exactly that.

        Raises NotConfigured, NothingToPay, AlreadyAsked, PermissionMissing, Invalid.
        """
        self._own(currency)
        waiting = await self._bank.lock_waiting(connection, currency, limit=BATCH_MAX)
        if not waiting:
            raise NothingToPay(currency)
        return await self._approvals.ask(
            connection,
            actor,
            kind=KIND,
            subject=f"payouts:{currency}",
            payload={
                "currency": currency,
                "count": len(waiting),
                "total": plain(_sum(waiting)),
                "up_to": str(waiting[-1].id),
                "withdrawals_sha256": digest_of([each.id for each in waiting]),
            },
            reason=reason,
            address=address,
        )

    async def _granted(self, connection: Connection, approval: Approval, granted_by: UserId) -> None:
        payload = approval.payload
        waiting = await self._bank.lock_waiting(
            connection, payload["currency"], limit=BATCH_MAX, up_to=UUID(payload["up_to"])
        )
        if digest_of([each.id for each in waiting]) != payload["withdrawals_sha256"]:
            raise SubjectGone("Some of these withdrawals have changed since this was asked for. Ask again.")
        batch = await self.make(connection, payload["currency"], waiting, approval_id=approval.id)
        await record(
            connection,
            actor_id=granted_by,
            actor_kind=ActorKind.OPERATOR,
            action="payouts.batch_made",
            subject=f"payout_batch:{batch.id}",
            reason=approval.reason,
            details={"approval": str(approval.id), "asked_by": str(approval.asked_by)},
            after={"currency": batch.currency, "count": str(batch.count), "total": plain(batch.total)},
        )

    async def make(
        self, connection: Connection, currency: str, waiting: Sequence[Withdrawal], *, approval_id: UUID | None
    ) -> Batch:
        """Take locked withdrawals into a new batch; from now on they are being sent. Raises Stopped, NothingToPay."""
        batch_id = new_id()
        taken = await self._bank.take(connection, waiting, batch_id)
        if not taken:
            raise NothingToPay(currency)
        crash_point("payouts.taken")
        return await repository.insert_batch(
            connection,
            batch_id=batch_id,
            currency=currency,
            message_id=f"B{batch_id.hex.upper()}",
            count=len(taken),
            total=_sum(taken),
            approval_id=approval_id,
        )

    async def make_demo(self, connection: Connection, currency: str, *, limit: int) -> Batch:
        """A batch for the demo's bank, which nobody grants. Raises NothingToPay, Stopped, NotConfigured."""
        self._own(currency)
        waiting = await self._bank.lock_waiting(connection, currency, limit=limit)
        return await self.make(connection, currency, waiting, approval_id=None)

    async def unanswered_of_demo(self, connection: Connection) -> list[UUID]:
        """The demo's batches of which something has not been booked."""
        return await repository.unanswered_of_demo(connection)

    async def batches(self, connection: Connection, *, before: UUID | None, limit: int) -> Sequence[Batch]:
        """Batches, newest first."""
        return await repository.list_batches(connection, before=before, limit=limit)

    async def read(self, connection: Connection, batch_id: UUID) -> tuple[Batch, list[Withdrawal]]:
        """A batch and its withdrawals; raises BatchNotFound."""
        batch = await repository.find_batch(connection, batch_id)
        if batch is None:
            raise BatchNotFound
        return batch, await self._bank.of_batch(connection, batch_id)

    async def file(self, connection: Connection, batch_id: UUID, *, actor: Actor | None, address: str | None) -> bytes:
        """The batch's pain.001 for the bank, the same each time; that it was taken out is written down."""
        batch, withdrawals = await self.read(connection, batch_id)
        own = self._own(batch.currency)
        accounts = [each.destination for each in withdrawals if each.destination is not None]
        details = await self._bank_accounts.details(connection, accounts)
        payments = [
            Payment(reference=reference_of(each.id), amount=each.amount, to=details[each.destination])
            for each in withdrawals
            if each.destination is not None
        ]
        await record(
            connection,
            actor_id=actor.user_id if actor else None,
            actor_kind=ActorKind.OPERATOR if actor else ActorKind.SYSTEM,
            actor_role=actor.role if actor else None,
            action="payouts.file_taken",
            subject=f"payout_batch:{batch.id}",
            address=address,
            details={"count": str(batch.count), "total": plain(batch.total), "currency": batch.currency},
        )
        return payment_order(batch, payments, own)

    async def take_file(
        self, connection: Connection, content: bytes, *, actor: Actor | None, address: str | None
    ) -> Imported:
        """Read a file of the bank in, wholly or not at all; the same file again does nothing. Raises BadBankFile."""
        if actor is not None:
            actor.require_operator()
            check_permission(actor.role, "money.approve")
        name = digest(content)
        known = await repository.find_file(connection, name)
        if known is not None:
            return known
        found = read_bank_file(content)
        if strange := next((head for head in found.heads if self._own_accounts.is_foreign(head)), None):
            raise BadBankFile(f"It is the statement of an account that is not ours (…{strange.account[-4:]}).")
        taken = await Taking(connection, self._bank, found).take()
        file_id = new_id()
        await repository.insert_file(
            connection,
            file_id=file_id,
            imported_by=actor.user_id if actor else None,
            kind=found.kind,
            sha256=name,
            lines=len(found.lines),
            changed=taken.changed,
        )
        await repository.insert_lines(connection, file_id, taken.lines)
        await repository.insert_closings(connection, file_id, found.closings)
        crash_point("payouts.file_taken")
        await record(
            connection,
            actor_id=actor.user_id if actor else None,
            actor_kind=ActorKind.OPERATOR if actor else ActorKind.SYSTEM,
            actor_role=actor.role if actor else None,
            action="payouts.bank_file_read",
            subject=f"bank_file:{file_id}",
            address=address,
            details={
                "kind": found.kind,
                "sha256": name.hex(),
                "lines": str(len(found.lines)),
                "changed": str(taken.changed),
                "flagged": str(taken.flagged),
            },
        )
        return Imported(
            id=file_id, kind=found.kind, lines=len(found.lines), changed=taken.changed, flagged=taken.flagged
        )

    def _own(self, currency: str) -> BankDetails:
        own = self._own_accounts.of(currency)
        if own is None:
            raise NotConfigured(f"An account of our own in {currency}", SETTING)
        return own


def _sum(withdrawals: Sequence[Withdrawal]) -> Decimal:
    total = Decimal(0)
    for each in withdrawals:
        total = EXACT.add(total, each.amount)
    return total
