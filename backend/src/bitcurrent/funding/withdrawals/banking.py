"""What the bank's room needs of withdrawals: which wait for a batch, to take them into one, what became of them.

Everything runs in the caller's transaction, which has locked the withdrawals by what it read here.
"""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from bitcurrent.compliance.restrictions.model import Restricted
from bitcurrent.compliance.restrictions.service import require_free
from bitcurrent.compliance.stops.service import require_running
from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.provenance.model import InDebt
from bitcurrent.funding.withdrawals import repository
from bitcurrent.funding.withdrawals.changing import Changes, Facts
from bitcurrent.funding.withdrawals.model import PRODUCTS, State, Withdrawal
from bitcurrent.kernel.database import Connection


class BankSide:
    """Bank withdrawals for whoever makes batches and reads the bank's files."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def waiting(self, connection: Connection) -> Sequence[tuple[str, int, Decimal]]:
        """Currency, number and sum of what waits for a batch."""
        return await repository.waiting_for_bank(connection)

    async def lock_waiting(
        self, connection: Connection, currency: str, *, limit: int, up_to: UUID | None = None
    ) -> list[Withdrawal]:
        """What waits for a batch, oldest first, up to one that was seen; locked."""
        return await repository.lock_for_bank(connection, currency, up_to=up_to, limit=limit)

    async def take(self, connection: Connection, waiting: Sequence[Withdrawal], batch_id: UUID) -> list[Withdrawal]:
        """Take locked ones into a batch; those whose owner owes money by now are refused, and those
        of a restricted owner wait. Raises Stopped."""
        taken = []
        for withdrawal in waiting:
            await require_running(connection, product=PRODUCTS["bank"], asset=withdrawal.asset)
            try:
                await require_free(connection, withdrawal.user_id, "withdrawals")
                await provenance.require_no_debt(connection, withdrawal.user_id)
            except Restricted:
                # It waits, approved, for a later batch.
                continue
            except InDebt:
                await self._changes.move(connection, withdrawal, State.REFUSED, Facts(reason="in_debt"))
            else:
                facts = Facts(batch_id=batch_id)
                taken.append(await self._changes.move(connection, withdrawal, State.SENDING, facts))
        return taken

    async def of_batch(self, connection: Connection, batch_id: UUID) -> list[Withdrawal]:
        """The withdrawals of a batch."""
        return await repository.read_batch(connection, batch_id)

    async def lock_many(self, connection: Connection, withdrawal_ids: Sequence[UUID]) -> dict[UUID, Withdrawal]:
        """These, locked; those that there are not are left out."""
        return await repository.lock_many(connection, withdrawal_ids)

    async def move(
        self, connection: Connection, withdrawal: Withdrawal, state: State, *, reason: str | None = None
    ) -> Withdrawal:
        """What the bank has said of a locked one. Raises WrongState."""
        return await self._changes.move(connection, withdrawal, state, Facts(reason=reason))
