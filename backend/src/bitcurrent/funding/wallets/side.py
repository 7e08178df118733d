"""Everything that lets coins out, put together once by the wiring."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from bitcurrent.funding.addresses.service import AddressBook
from bitcurrent.funding.ports import Wallets
from bitcurrent.funding.wallets.deciding import LostTransfers
from bitcurrent.funding.wallets.service import WalletRail
from bitcurrent.funding.withdrawals.ports import Prices
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Database
from bitcurrent.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletSide:
    """What was put together: for handlers, operators, the withdrawal desk and the worker."""

    wallets: Wallets
    book: AddressBook
    rail: WalletRail
    lost: LostTransfers


def open_wallet_side(
    *,
    settings: Settings,
    database: Database,
    vault: Vault,
    wallets: Wallets,
    letters: Letters,
    approvals: Approvals,
    prices: Prices,
) -> WalletSide:
    """Put it together. Nothing is asked of anybody yet."""
    book = AddressBook(vault=vault, letters=letters, wait=timedelta(seconds=settings.destination_wait_seconds))
    return WalletSide(
        wallets=wallets,
        book=book,
        rail=WalletRail(
            database=database,
            vault=vault,
            book=book,
            wallets=wallets,
            prices=prices,
            threshold_usd=Decimal(settings.travel_rule_usd),
        ),
        lost=LostTransfers(approvals, missing_seconds=settings.venue_missing_seconds),
    )
