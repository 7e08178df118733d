"""What may leave the account now, and why the rest may not: the wallet page's truth."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol

from bitcurrent.funding.holdings import list_holdings
from bitcurrent.funding.holdings_model import Holding
from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.provenance.model import Lot, NoPrice, Worth
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import EXACT
from bitcurrent.ledger import service as ledger
from bitcurrent.ledger.model import Balance
from bitcurrent.portfolio.service import snapshot
from bitcurrent.trading.holdings import list_holds
from bitcurrent.trading.model import OrderHold

Obstacle = Literal["in_debt", "not_released", "no_price"]


class Prices(Protocol):
    """What things are worth."""

    async def usd(self, assets: Iterable[str]) -> Mapping[str, Decimal]:
        """USD for one of each asset whose price is fresh; the others are left out."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pocket:
    """One asset: how much of it may leave (None: nobody can say now), what stands in the way, what holds the rest."""

    balance: Balance
    withdrawable: Decimal | None
    obstacle: Obstacle | None
    orders: tuple[OrderHold, ...]
    holdings: tuple[Holding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletView:
    """Everything at one moment: each asset, the card payments that are not released, and what is owed."""

    as_of: datetime
    pockets: tuple[Pocket, ...]
    locks: tuple[tuple[Lot, Decimal], ...]
    owed: Mapping[str, Decimal]


class Wallet:
    """Reads; it locks nothing and promises nothing: a withdrawal asks again, under locks."""

    def __init__(self, database: Database, prices: Prices) -> None:
        self._database = database
        self._prices = prices

    async def read(self, user_id: UserId) -> WalletView:
        """What may leave now, asset by asset."""
        async with self._database.read() as connection:
            assets = {balance.currency for balance in await ledger.read_balances(connection, user_id)}
            lots = await provenance.lots_of(connection, user_id)
            debts = await provenance.open_debts(connection, user_id)
        assets |= {lot.currency for lot in lots} | {debt.currency for debt in debts}
        # Prices are asked for with no transaction open.
        prices = await self._prices.usd(sorted(assets))
        moment = now()
        async with snapshot(self._database) as connection:
            balances = await ledger.read_balances(connection, user_id)
            orders = await list_holds(connection, user_id)
            holdings = await list_holdings(connection, user_id)
            in_orders: dict[str, Decimal] = {}
            for hold in orders:
                in_orders[hold.currency] = EXACT.add(in_orders.get(hold.currency, Decimal(0)), hold.amount)
            worth = await provenance.worth_of(connection, user_id, balances, prices=prices, in_orders=in_orders)
            lots = await provenance.lots_of(connection, user_id)
        pockets = []
        for balance in balances:
            withdrawable, obstacle = _leaves(worth, balance)
            pockets.append(
                Pocket(
                    balance=balance,
                    withdrawable=withdrawable,
                    obstacle=obstacle,
                    orders=tuple(hold for hold in orders if hold.currency == balance.currency),
                    holdings=tuple(one for one in holdings if one.currency == balance.currency),
                )
            )
        locks = tuple((lot, amount) for lot in lots if (amount := lot.locked_at(moment)))
        return WalletView(as_of=moment, pockets=tuple(pockets), locks=locks, owed=worth.owed)


def _leaves(worth: Worth, balance: Balance) -> tuple[Decimal | None, Obstacle | None]:
    if worth.owed:
        return Decimal(0), "in_debt"
    try:
        free = worth.free(balance.currency, balance.available)
    except NoPrice:
        return None, "no_price"
    return free, "not_released" if free < balance.available else None
