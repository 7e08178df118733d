"""Finding a customer by what one has in hand, and everything about one of them as it is read for an operator."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from bitcurrent.audit.model import Act
from bitcurrent.audit.service import newest_acts_about
from bitcurrent.backoffice.notes.model import Note
from bitcurrent.backoffice.notes.service import Notes
from bitcurrent.compliance.cases.model import Case, CaseFilter
from bitcurrent.compliance.cases.service import Cases
from bitcurrent.compliance.monitoring.model import Alert, AlertFilter
from bitcurrent.compliance.monitoring.service import Monitoring
from bitcurrent.compliance.restrictions import service as restrictions
from bitcurrent.compliance.restrictions.model import Restriction
from bitcurrent.compliance.screening.model import Screening, ScreeningFilter
from bitcurrent.compliance.screening.service import Screenings
from bitcurrent.funding.deposits.model import Deposit, DepositFilter, DepositNotFound
from bitcurrent.funding.deposits.service import Deposits
from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.provenance.model import Debt
from bitcurrent.funding.reversals.model import Dispute, Refund
from bitcurrent.funding.reversals.operating import Reversals
from bitcurrent.funding.withdrawals.model import Withdrawal, WithdrawalFilter, WithdrawalNotFound
from bitcurrent.funding.withdrawals.service import Withdrawals
from bitcurrent.identity import customers
from bitcurrent.identity.customers_model import KeptKey, KeptSession
from bitcurrent.identity.model import User
from bitcurrent.identity.privacy.model import KeptProfile
from bitcurrent.identity.privacy.service import Privacy
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.ids import OrderId, UserId
from bitcurrent.portfolio.model import Portfolio, View
from bitcurrent.portfolio.service import PortfolioReader
from bitcurrent.portfolio.wallet import Wallet, WalletView
from bitcurrent.trading import oversight
from bitcurrent.trading.model import Order
from bitcurrent.trading.oversight_model import AnyOrderFilter

RECENT: Final = 20
CARD_DEPOSITS_MAX: Final = 500
_CARD: Final = re.compile(r"\d{4}", re.ASCII)
_PHONE: Final = re.compile(r"\+[\d ()-]{6,30}", re.ASCII)


class UnknownQuestion(Invalid):
    """Nothing can be looked up by this."""

    code = "unknown_question"

    def __init__(self) -> None:
        super().__init__(
            "Look for a whole e-mail address, a telephone number (+44…), the last four digits of a card, or the id "
            "of a customer, an order, a deposit or a withdrawal. Names are encrypted and cannot be searched.",
            field="q",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Everything about one customer, the newest of each. Cases, alerts and screenings: for those who work on them."""

    user: User
    profile: KeptProfile | None
    restrictions: Sequence[Restriction]
    portfolio: Portfolio
    view: View
    wallet: WalletView
    orders: Sequence[Order]
    deposits: Sequence[Deposit]
    withdrawals: Sequence[Withdrawal]
    refunds: Sequence[Refund]
    disputes: Sequence[Dispute]
    debts: Sequence[Debt]
    sessions: Sequence[KeptSession]
    keys: Sequence[KeptKey]
    devices: int
    newest_device_at: datetime | None
    cases: Sequence[Case] | None
    alerts: Sequence[Alert] | None
    screenings: Sequence[Screening] | None
    notes: Sequence[Note]
    acts: Sequence[Act]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerDesk:
    """Reads from every room what it says about one customer."""

    database: Database
    identity: Identity
    privacy: Privacy
    deposits: Deposits
    withdrawals: Withdrawals
    reversals: Reversals
    portfolio: PortfolioReader
    wallet: Wallet
    cases: Cases
    screenings: Screenings
    notes: Notes

    async def find(self, connection: Connection, question: str) -> tuple[UUID, ...]:
        """Whom this is about: nobody, somebody, or everybody with such a card. Raises UnknownQuestion."""
        text = question.strip()
        if "@" in text:
            found = await customers.find_by_email(connection, self.identity, text)
            return () if found is None else (found,)
        if _CARD.fullmatch(text):
            which = DepositFilter(card_last4=text, limit=CARD_DEPOSITS_MAX)
            return tuple({deposit.user_id for deposit in await self.deposits.search(connection, which)})
        if _PHONE.fullmatch(text):
            return tuple(await self.privacy.users_with_phone(connection, text))
        try:
            known = UUID(text)
        except ValueError:
            raise UnknownQuestion from None
        # Ids of different things never meet: whichever it is, only one of these knows it.
        owners = {known, await oversight.owner_of(connection, OrderId(known)), await self._payer(connection, known)}
        return tuple(owner for owner in owners if owner is not None)

    async def _payer(self, connection: Connection, known: UUID) -> UUID | None:
        try:
            return (await self.deposits.read(connection, None, known)).user_id
        except DepositNotFound:
            pass
        try:
            return (await self.withdrawals.read(None, known))[0].user_id
        except WithdrawalNotFound:
            return None

    async def read(self, user_id: UserId, *, suspicions: Monitoring | None) -> Story:
        """Everything about one customer, with `suspicions` also what is suspected; raises NotFound."""
        async with self.database.read() as connection:
            user = await self.identity.user(connection, user_id)
        # These read in connections of their own, and prices with none open.
        portfolio, view = await self.portfolio.portfolio(user_id), await self.portfolio.view(None)
        wallet = await self.wallet.read(user_id)
        withdrawals = await self.withdrawals.search(WithdrawalFilter(user_id=user_id, limit=RECENT))
        async with self.database.read() as connection:
            devices, newest_device_at = await customers.count_devices(connection, user_id)
            cases: Sequence[Case] | None = None
            alerts: Sequence[Alert] | None = None
            screenings: Sequence[Screening] | None = None
            if suspicions is not None:
                alerts = await suspicions.alerts(connection, AlertFilter(user_id=user_id, limit=RECENT))
                cases = await self.cases.search(connection, CaseFilter(user_id=user_id, limit=RECENT))
                screenings = await self.screenings.search(connection, ScreeningFilter(user_id=user_id, limit=RECENT))
            return Story(
                user=user,
                profile=await self.privacy.profile(connection, user_id),
                restrictions=await restrictions.standing_of(connection, user_id),
                portfolio=portfolio,
                view=view,
                wallet=wallet,
                orders=await oversight.search_orders(connection, AnyOrderFilter(user_id=user_id, limit=RECENT)),
                deposits=await self.deposits.search(connection, DepositFilter(user_id=user_id, limit=RECENT)),
                withdrawals=withdrawals,
                refunds=await self.reversals.refunds.search(connection, user_id=user_id, limit=RECENT),
                disputes=await self.reversals.disputes.search(connection, user_id=user_id, limit=RECENT),
                debts=await provenance.list_debts(connection, user_id, before=None, limit=RECENT),
                sessions=await customers.sessions_of(connection, user_id, limit=RECENT),
                keys=await customers.keys_of(connection, user_id, limit=RECENT),
                devices=devices,
                newest_device_at=newest_device_at,
                cases=cases,
                alerts=alerts,
                screenings=screenings,
                notes=await self.notes.of_customer(connection, user_id, limit=RECENT),
                acts=await newest_acts_about(connection, user_id, limit=RECENT),
            )
