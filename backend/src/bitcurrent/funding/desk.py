"""The withdrawal desk: everything that lets money out, put together once by the wiring."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from bitcurrent.compliance.limits.service import Limits
from bitcurrent.compliance.screening.service import Screenings
from bitcurrent.funding.addresses.service import AddressBook
from bitcurrent.funding.bank_accounts.service import BankAccounts
from bitcurrent.funding.bonuses.service import Bonuses
from bitcurrent.funding.payouts.model import OwnAccounts
from bitcurrent.funding.payouts.rail import BankRail
from bitcurrent.funding.payouts.service import Payouts
from bitcurrent.funding.ports import Processor
from bitcurrent.funding.reversals.operating import Reversals
from bitcurrent.funding.reversals.service import Refunds
from bitcurrent.funding.screening import WithdrawalScreening
from bitcurrent.funding.withdrawals.banking import BankSide
from bitcurrent.funding.withdrawals.card_rail import Bounces, CardRail
from bitcurrent.funding.withdrawals.deciding import Deciding
from bitcurrent.funding.withdrawals.model import RailName
from bitcurrent.funding.withdrawals.ports import Prices, Rail
from bitcurrent.funding.withdrawals.service import Withdrawals
from bitcurrent.funding.withdrawals.terms import WithdrawalTerms
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.ports import Letters
from bitcurrent.identity.privacy.service import Privacy
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Database
from bitcurrent.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalDesk:
    """What was put together: for handlers, operators, and the worker."""

    rails: dict[RailName, Rail]
    withdrawals: Withdrawals
    terms: WithdrawalTerms
    deciding: Deciding
    bank_accounts: BankAccounts
    payouts: Payouts


def forfeit_at_once(bonuses: Bonuses, reversals: Reversals, withdrawals: Withdrawals) -> None:
    """Whatever lets money out takes bonuses with it in the same transaction: refunds, disputes, withdrawals."""
    reversals.refunds.reversed = bonuses.deposit_reversed
    reversals.disputes.reversed = bonuses.deposit_reversed
    withdrawals.leaving = bonuses.money_leaves


def open_desk(
    *,
    settings: Settings,
    database: Database,
    vault: Vault,
    privacy: Privacy,
    letters: Letters,
    limits: Limits,
    approvals: Approvals,
    prices: Prices,
    processor: Processor,
    refunds: Refunds,
    screenings: Screenings,
    address_book: AddressBook | None = None,
    more_rails: Sequence[Rail] = (),
) -> WithdrawalDesk:
    """Put the desk together. Nothing is asked of anybody yet; raises ValueError for accounts that cannot be read."""
    wait = timedelta(seconds=settings.destination_wait_seconds)
    bank_accounts = BankAccounts(vault=vault, privacy=privacy, letters=letters, wait=wait)
    cards = CardRail(database=database, refunds=refunds, processor=processor)
    every: tuple[Rail, ...] = (
        cards,
        BankRail(bank_accounts),
        *more_rails,
    )
    rails: dict[RailName, Rail] = {rail.name: rail for rail in every}
    withdrawals = Withdrawals(
        database=database,
        rails=rails,
        prices=prices,
        limits=limits,
        letters=letters,
        secret_key=settings.secret_key,
        cards=cards,
    )
    refunds.bounced = Bounces(withdrawals.changes).hear
    return WithdrawalDesk(
        rails=rails,
        withdrawals=withdrawals,
        terms=WithdrawalTerms(approvals),
        deciding=Deciding(
            changes=withdrawals.changes,
            approvals=approvals,
            screening=WithdrawalScreening(
                database=database, screenings=screenings, bank_accounts=bank_accounts, address_book=address_book
            ),
            automatic_usd=Decimal(settings.withdrawal_automatic_usd),
        ),
        bank_accounts=bank_accounts,
        payouts=Payouts(
            bank=BankSide(withdrawals.changes),
            bank_accounts=bank_accounts,
            approvals=approvals,
            own_accounts=OwnAccounts(settings.bank_holder, settings.bank_own_accounts),
        ),
    )
