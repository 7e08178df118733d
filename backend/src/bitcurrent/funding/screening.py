"""Screens who withdraws and who receives it, before anything leaves.

While people look into a match, the withdrawal waits where it is and is asked about again; once they have closed the
case as nothing, it goes on by itself.
"""

from typing import Any

from bitcurrent.compliance.screening.model import NoLists, Screening, Subject, UnderReview
from bitcurrent.compliance.screening.service import Screenings
from bitcurrent.funding.addresses.service import AddressBook
from bitcurrent.funding.bank_accounts.service import BankAccounts
from bitcurrent.funding.withdrawals.model import Withdrawal
from bitcurrent.funding.withdrawals.ports import Screened
from bitcurrent.kernel.database import Connection, Database

NO_LISTS = Screened(result="review", reference="none", reason="not_screened")


class WithdrawalScreening:
    """What withdrawals ask. A screening is committed by itself: it happened, whatever becomes of the withdrawal."""

    def __init__(
        self,
        *,
        database: Database,
        screenings: Screenings,
        bank_accounts: BankAccounts,
        address_book: AddressBook | None,
    ) -> None:
        self._database = database
        self._screenings = screenings
        self._bank_accounts = bank_accounts
        self._address_book = address_book

    async def screen(self, connection: Any, withdrawal: Withdrawal) -> Screened:
        """The worse of what is said of the customer and of the receiver; raises UnderReview while people look.

        Without any list in force it is people's to decide.
        """
        who = await self._screenings.subject_of(connection, withdrawal.user_id)
        receiver = await self._receiver(connection, withdrawal, who)
        everybody = [who] if receiver is None else [who, receiver]
        for subject in everybody:
            if await self._screenings.is_looked_into(connection, withdrawal.user_id, subject):
                raise UnderReview
        try:
            screened = await self._write_down(withdrawal, everybody)
        except NoLists:
            return NO_LISTS
        for found in screened:
            if found.outcome == "block":
                return Screened(result="block", reference=str(found.id), reason="screening")
        if any(found.outcome == "review" for found in screened):
            raise UnderReview
        return Screened(result="clear", reference=str(screened[0].id))

    async def _write_down(self, withdrawal: Withdrawal, everybody: list[Subject]) -> list[Screening]:
        async with self._database.transaction() as connection:
            return [
                await self._screenings.screen(
                    connection,
                    withdrawal.user_id,
                    subject,
                    occasion="withdrawal" if subject.role == "customer" else "beneficiary",
                    subject=f"withdrawal:{withdrawal.id}",
                )
                for subject in everybody
            ]

    async def _receiver(self, connection: Connection, withdrawal: Withdrawal, who: Subject) -> Subject | None:
        """Whoever receives it, where that is somebody by another name."""
        if withdrawal.destination is None:
            return None
        if withdrawal.rail == "bank":
            details = await self._bank_accounts.details(connection, [withdrawal.destination])
            account = details.get(withdrawal.destination)
            if account is None or account.holder == who.name:
                return None
            # Only accounts in the customer's own name are taken: it is another writing of it.
            return Subject(name=account.holder, birth_date=who.birth_date, country=who.country, role="beneficiary")
        if self._address_book is None:
            return None
        saved = await self._address_book.read_even_removed(connection, withdrawal.user_id, withdrawal.destination)
        name = saved.beneficiary.name if saved and saved.beneficiary else None
        return Subject(name=name, role="beneficiary") if name else None
