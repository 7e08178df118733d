"""What portfolio answers: balances and why, positions, the account's worth, and the story of one balance."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from bitcurrent.funding.conversions.model import currency_named
from bitcurrent.funding.conversions.rates import Rates
from bitcurrent.funding.holdings import HOLDINGS_MAX, list_holdings
from bitcurrent.funding.holdings_model import Holding
from bitcurrent.kernel.cache import NextFlight
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.currencies import CURRENCIES
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import NotFound
from bitcurrent.kernel.ids import UserId
from bitcurrent.ledger import service as ledger
from bitcurrent.ledger.model import Balance, Explanation
from bitcurrent.market_data.service import QUOTE_AGE_SECONDS_MAX, MarketData
from bitcurrent.portfolio.model import CASH, Cash, ExplainedBalance, Portfolio, Position, Price, View, sum_of
from bitcurrent.trading.holdings import HOLDS_MAX, list_holds, list_positions
from bitcurrent.trading.model import OrderHold, TradedPosition

Story = tuple[Explanation, list[OrderHold], list[Holding]]
_CURRENCY = re.compile(r"[A-Z0-9]{1,20}")


class NoSuchBalance(NotFound):
    """The customer never had anything of this currency."""

    code = "no_such_balance"
    title = "No such balance"

    def __init__(self, currency: str) -> None:
        super().__init__(f"You never had any {currency[:20]!r}. GET /api/balances lists what you have.", field="asset")


class PortfolioReader:
    """Reads; it changes nothing. What one call reads is of one moment."""

    def __init__(self, database: Database, market_data: MarketData, rates: Rates) -> None:
        self._database = database
        self._rates = rates
        self._market_data = market_data
        # A page with many parts asks for the same thing many times at once.
        self._balances: NextFlight[list[ExplainedBalance]] = NextFlight()
        self._portfolios: NextFlight[Portfolio] = NextFlight()

    async def balances(self, user_id: UserId) -> list[ExplainedBalance]:
        """Every balance that is not empty, with what holds the held part."""
        return await self._balances.read(user_id, lambda: self._read_balances(user_id))

    async def _read_balances(self, user_id: UserId) -> list[ExplainedBalance]:
        async with snapshot(self._database) as connection:
            balances = await ledger.read_balances(connection, user_id)
            holds = await list_holds(connection, user_id, limit=HOLDS_MAX + 1)
            holdings = await list_holdings(connection, user_id)
        shown = holds[:HOLDS_MAX]
        return [_explained(balance, shown, holdings, more=len(holds) > HOLDS_MAX) for balance in balances]

    async def explanation(self, user_id: UserId, currency: str, *, limit: int) -> Story:
        """Why one balance is what it is; raises `NoSuchBalance` when there never was one."""
        currency = currency.upper()
        if not _CURRENCY.fullmatch(currency):
            raise NoSuchBalance(currency)
        story = await explain(self._database, user_id, currency, limit=limit)
        if not story[0].line_count:
            raise NoSuchBalance(currency)
        return story

    async def portfolio(self, user_id: UserId) -> Portfolio:
        """Everything the customer has at the prices of now."""
        return await self._portfolios.read(user_id, lambda: self._read_portfolio(user_id))

    async def _read_portfolio(self, user_id: UserId) -> Portfolio:
        async with snapshot(self._database) as connection:
            balances = {balance.currency: balance for balance in await ledger.read_balances(connection, user_id)}
            traded = {position.currency: position for position in await list_positions(connection, user_id)}
        others = [balances.pop(code) for code in CURRENCIES if code != CASH and code in balances]
        cash = balances.pop(CASH, Balance(currency=CASH, available=Decimal(0), held=Decimal(0)))
        return Portfolio(
            as_of=now(),
            cash=cash,
            positions=tuple(
                Position(
                    balance=balances.get(coin, Balance(currency=coin, available=Decimal(0), held=Decimal(0))),
                    traded=traded.get(coin, _never_traded(coin)),
                    price=self._price(coin),
                )
                for coin in sorted({*balances, *traded} - set(CURRENCIES))
            ),
            currencies=tuple([await self._cash(balance) for balance in others]),
        )

    async def _cash(self, balance: Balance) -> Cash:
        rate = await self._rates.find_worth(balance.currency)
        return Cash(balance=balance, rate=rate.middle if rate else None, rate_at=rate.at if rate else None)

    async def view(self, currency: str | None) -> View:
        """How to show figures in a currency, USD by default; raises UnknownCurrency, RateStale, Unavailable."""
        wanted = currency_named(currency or CASH, "currency").code
        return View(currency=wanted, rate=(await self._rates.middle(CASH, wanted)).middle)

    def _price(self, coin: str) -> Price | None:
        """The middle of the market, else its last trade: what it is worth to nobody in particular."""
        symbol = f"{coin}/{CASH}"
        quote = self._market_data.find_quote(symbol)
        price = None if quote is None else quote.mid or quote.last
        if quote is None or price is None or price <= 0:
            return None
        day = self._market_data.day(symbol)
        return Price(
            price=price,
            at=quote.seen_at,
            stale=quote.age_seconds > QUOTE_AGE_SECONDS_MAX,
            day_before=day.open if day is not None and day.open > 0 else None,
        )


async def explain(database: Database, user_id: UserId, currency: str, *, limit: int) -> Story:
    """One balance, the newest lines that made it, and what holds its held part: orders, and everything else."""
    async with snapshot(database) as connection:
        explanation = await ledger.explain_balance(connection, user_id, currency, limit=limit)
        holds = await list_holds(connection, user_id, currency)
        holdings = await list_holdings(connection, user_id, currency)
    return explanation, holds, holdings


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[Connection]:
    """A connection on which every read sees the same moment."""
    async with (
        database.read() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


def _explained(balance: Balance, holds: list[OrderHold], holdings: list[Holding], *, more: bool) -> ExplainedBalance:
    own = tuple(hold for hold in holds if hold.currency == balance.currency)
    others = tuple(one for one in holdings if one.currency == balance.currency)
    told = sum_of([*(hold.amount for hold in own), *(one.amount for one in others)])
    return ExplainedBalance(
        balance=balance,
        holds=own,
        holdings=others,
        more_holds=(more or len(holdings) == HOLDINGS_MAX) and told < balance.held,
    )


def _never_traded(coin: str) -> TradedPosition:
    return TradedPosition(currency=coin, quantity=Decimal(0), cost=Decimal(0), realized=Decimal(0))
