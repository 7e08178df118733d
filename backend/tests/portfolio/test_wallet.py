"""The wallet page says what may leave, and why the rest may not; it holds for whatever holds money."""

from collections.abc import AsyncIterator, Iterable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from bitcurrent.funding.holdings import list_holdings
from bitcurrent.kernel.database import Database
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.portfolio.schemas import balance_answer
from bitcurrent.portfolio.service import PortfolioReader
from bitcurrent.portfolio.wallet import Wallet, WalletView
from bitcurrent.portfolio.wallet_routes import wallet_answer
from bitcurrent.reconciliation.service import HOLDERS
from bitcurrent.trading import repository
from bitcurrent.trading.model import Side
from tests.support import books
from tests.support.books import Ticket
from tests.support.card_money import LATER, CardMoney
from tests.support.withdrawal_flows import Holder, asked


class Known:
    """Prices that are fresh."""

    def __init__(self, **prices: str) -> None:
        self.prices = {asset: Decimal(price) for asset, price in prices.items()}

    async def usd(self, assets: Iterable[str]) -> Mapping[str, Decimal]:
        return {asset: self.prices[asset] for asset in assets if asset in self.prices}


@pytest.fixture
async def database(module_database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    database = await Database.connect(module_database_urls.app)
    yield database
    await database.close()


def leaves(view: WalletView) -> dict[str, tuple[Decimal | None, str | None]]:
    return {pocket.balance.currency: (pocket.withdrawable, pocket.obstacle) for pocket in view.pockets}


async def test_what_card_money_stands_for_stays(database: Database) -> None:
    async with database.read() as connection:
        ann = await CardMoney.begin(connection, USD="50", BTC="0.001", DOGE="10")
        deposit = await ann.deposit("100")
        order = Ticket(side=Side.BUY, quantity=Decimal(2), price=Decimal(10)).order(ann.user_id)
        assert (await repository.place_one(connection, order)).outcome == "accepted"
        await ann.ask_refund(deposit, "30")
    view = await Wallet(database, Known(BTC="40000")).read(ann.user_id)
    # 100 USD free, 20 in an order, BTC worth 40; the card could still take back 70.
    assert leaves(view) == {
        "BTC": (Decimal("0.001"), None),
        "DOGE": (None, "no_price"),
        "USD": (Decimal(90), "not_released"),
    }
    assert [(lot.id, amount, lot.release_at) for lot, amount in view.locks] == [(deposit, Decimal(70), LATER)]
    told = wallet_answer(view)
    [usd] = [item for item in told.items if item.currency == "USD"]
    held = [one.amount for one in usd.orders] + [one.amount for one in usd.holdings]
    assert usd.held == sum(held, start=Decimal(0)) == 50
    assert [(one.kind, one.amount) for one in usd.holdings] == [("refund", Decimal(30))]


async def test_in_debt_nothing_leaves(database: Database) -> None:
    async with database.read() as connection:
        ann = await CardMoney.begin(connection, EUR="5")
        deposit = await ann.deposit("100")
        await ann.spend("60")
        await ann.disputed(deposit, withdrawn="100")
    view = await Wallet(database, Known(EUR="1.1")).read(ann.user_id)
    assert leaves(view) == {"EUR": (Decimal(0), "in_debt"), "USD": (Decimal(0), "in_debt")}
    assert view.owed == {"USD": Decimal(60)}
    [usd] = [pocket for pocket in view.pockets if pocket.balance.currency == "USD"]
    assert [(one.kind, one.amount, one.state) for one in usd.holdings] == [("dispute", Decimal(40), "open")]


async def test_every_holder_of_the_law_is_told(database: Database) -> None:
    """Whoever adds a holder to law I7 adds it to what customers are told."""
    async with database.read() as connection:
        ann = await books.customer(connection)
        assert await list_holdings(connection, ann) == []
    assert {holder.name for holder in HOLDERS} <= {"orders", "withdrawals", "refunds", "disputes", "bonuses"}


async def test_a_balance_lists_everything_that_holds_it(database: Database) -> None:
    async with database.read() as connection:
        ann = await CardMoney.begin(connection, USD="1000")
        deposit, disputed = await ann.deposit("100"), await ann.deposit("80")
        order = Ticket(side=Side.BUY, quantity=Decimal(2), price=Decimal(10)).order(ann.user_id)
        assert (await repository.place_one(connection, order)).outcome == "accepted"
        await ann.ask_refund(deposit, "30")
        await ann.disputed(disputed, withdrawn="80")
        await asked(Holder(connection, ann.user_id), "USD", "50", fee="1")
        await asked(Holder(connection, ann.user_id), "USD", "7")
    market_data: Any = None  # balances ask for no price, and for no rate
    found = await PortfolioReader(database, market_data, market_data).balances(ann.user_id)
    [usd] = [balance_answer(each) for each in found if each.balance.currency == "USD"]
    assert [(one.kind, one.amount) for one in usd.holdings] == [
        ("refund", Decimal(30)),
        ("dispute", Decimal(80)),
        ("withdrawal", Decimal(51)),
        ("withdrawal", Decimal(7)),
    ]
    assert [one.amount for one in usd.holds] == [Decimal(20)]
    assert usd.held == Decimal(188)
    assert usd.more_holds is False
    assert all(one.released_when for one in usd.holdings)
