"""What programs do that is more than one call of a room: be let in, see their account, close positions."""

import asyncio
from collections.abc import Iterable
from decimal import Decimal

from redis.asyncio import Redis

from bitcurrent.botapi.budget import REQUESTS_PER_MINUTE, Remaining, RequestBudget
from bitcurrent.botapi.model import Account, Holding, sale_step, share
from bitcurrent.botapi.refusals import FORBIDDEN, BotRefusal, not_found, not_possible
from bitcurrent.botapi.requests import request_hash
from bitcurrent.compliance.conduct.service import Conduct
from bitcurrent.identity.key_signing import SIGNED_HEADERS, Approach
from bitcurrent.identity.model import Actor, Scope
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.errors import Refusal
from bitcurrent.kernel.money import plain
from bitcurrent.market_data.model import Market, QuoteUnavailable
from bitcurrent.market_data.service import MarketData
from bitcurrent.portfolio.model import CASH, Portfolio
from bitcurrent.portfolio.service import PortfolioReader
from bitcurrent.trading.history import TradingHistory
from bitcurrent.trading.model import Order, OrderType, OrderWish, Side, TimeInForce
from bitcurrent.trading.searches import OrderSearch
from bitcurrent.trading.service import Trading

SOURCE = "bot"
CANCELS_SECONDS_MAX = 3.0
"""How long "close all" waits for the venue to confirm cancels before it sells what is free."""

_PAUSE_SECONDS = 0.1
# A cookie is a person's, and browsers send it by themselves: programs bring a key or a token.
_CREDENTIALS = frozenset({b"authorization", b"apca-api-key-id", b"apca-api-secret-key", *SIGNED_HEADERS})


class BotApi:
    """The brokerage as programs use it."""

    def __init__(
        self,
        *,
        conduct: Conduct,
        database: Database,
        redis: Redis,
        identity: Identity,
        trading: Trading,
        market_data: MarketData,
        portfolio: PortfolioReader,
        requests_per_minute: int = REQUESTS_PER_MINUTE,
    ) -> None:
        self._database = database
        self._identity = identity
        self._portfolio = portfolio
        self._budget = RequestBudget(redis, requests_per_minute=requests_per_minute)
        self.conduct = conduct
        self.trading = trading
        self.history = TradingHistory(database)
        self.market_data = market_data

    async def recognise(self, headers: Iterable[tuple[bytes, bytes]], scope: Scope, approach: Approach) -> Actor:
        """Whoever sends these headers from there, if they may do this; raises Unauthenticated or Forbidden."""
        credentials = [pair for pair in headers if pair[0] in _CREDENTIALS]
        actor = await self._identity.authenticate(credentials, approach=approach)
        actor.require_scope(scope)
        if scope == "trade":
            await self._identity.verified.require(actor)
        return actor

    def refuse_spent(self, address: str) -> None:
        """Raise BudgetSpent when this address is known to have spent all it had."""
        self._budget.refuse_spent(address)

    async def spend(self, address: str, actor: Actor | None = None, *, must_count: bool = False) -> Remaining | None:
        """Take one request from the budgets of the address and the actor; raises BudgetSpent, Unavailable."""
        return await self._budget.spend(address, actor.user_id if actor else None, must_count=must_count)

    async def account(self, actor: Actor) -> Account:
        """The actor and all they have at the prices of now; raises QuoteUnavailable when a price is missing."""
        portfolio = await self._portfolio.portfolio(actor.user_id)
        self._holdings_in(portfolio)
        for cash in portfolio.all_cash:
            if cash.rate is None:
                # As with coins: an account must not look poorer than it is.
                raise QuoteUnavailable(f"No exchange rate of {cash.currency} is known now.", field="currency")
        async with self._database.read() as connection:
            user = await self._identity.user(connection, actor.user_id)
        return Account(user=user, portfolio=portfolio)

    async def holdings(self, actor: Actor) -> list[Holding]:
        """Every coin that the actor has, by symbol; raises QuoteUnavailable when a price is missing."""
        return self._holdings_in(await self._portfolio.portfolio(actor.user_id))

    def _holdings_in(self, portfolio: Portfolio) -> list[Holding]:
        markets = {market.base: market for market in self.market_data.markets if market.quote == CASH}
        found = []
        for position in portfolio.owned:
            market = markets.get(position.currency)
            if market is None:
                continue  # nothing that could be traded here
            if position.price is None and market.tradable:
                # Never a sum without it: an account that looks poorer than it is makes a program sell.
                raise QuoteUnavailable(f"No price of {market.symbol} has been heard yet.", field="symbol")
            found.append(Holding(market=market, position=position))
        return found

    async def holding(self, actor: Actor, name: str) -> Holding:
        """What the actor has of one coin, by symbol or asset id; raises a refusal when it is nothing."""
        market = await self.market_data.market(name)
        for holding in await self.holdings(actor):
            if holding.market.symbol == market.symbol:
                return holding
        raise not_found("position does not exist")

    async def close_position(
        self, actor: Actor, name: str, *, quantity: Decimal | None, percentage: Decimal | None
    ) -> Order:
        """Sell a part, a percentage, or all that is available, at the market."""
        if quantity is not None and percentage is not None:
            raise not_possible("only one of qty or percentage is accepted")
        if percentage is not None and percentage > 100:
            raise not_possible("percentage must be between 0 and 100")
        holding = await self.holding(actor, name)
        if quantity is None:
            quantity = holding.sellable
            if percentage is not None:
                quantity = min(quantity, share(holding.quantity, percentage, sale_step(holding.market)))
        if quantity <= 0:
            raise _nothing_to_sell(holding)
        return await self._sell(actor, holding.market, quantity)

    async def close_all(self, actor: Actor, *, cancel_orders: bool) -> list[tuple[Market, Order | Exception]]:
        """Sell all that is available of every coin; what became of each. With `cancel_orders` their holds are freed
        first, as far as the venue confirms within three seconds.
        """
        if cancel_orders:
            await self.trading.cancel_all(actor.user_id, limits=actor.limits)
            await self._await_cancels(actor)
        results: list[tuple[Market, Order | Exception]] = []
        for holding in await self.holdings(actor):
            try:
                if holding.sellable <= 0:
                    raise _nothing_to_sell(holding)
                results.append((holding.market, await self._sell(actor, holding.market, holding.sellable)))
            except (Refusal, BotRefusal) as refusal:
                results.append((holding.market, refusal))
        return results

    async def _await_cancels(self, actor: Actor) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + CANCELS_SECONDS_MAX
        while loop.time() < until:
            if not await self.history.orders(actor.user_id, OrderSearch(is_open=True, limit=1)):
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _sell(self, actor: Actor, market: Market, quantity: Decimal) -> Order:
        wish = OrderWish(
            market=market.symbol,
            side=Side.SELL,
            type=OrderType.MARKET,
            time_in_force=TimeInForce.GTC,
            quantity=quantity,
        )
        # No id came with the request, so nothing can repeat it and the hash is never compared.
        order, _ = await self.trading.place_order(
            actor.user_id,
            wish,
            source=SOURCE,
            request_hash=request_hash("close", market.symbol, quantity),
            limits=actor.limits,
        )
        return order


def _nothing_to_sell(holding: Holding) -> BotRefusal:
    total, available = plain(holding.quantity), plain(holding.available)
    return BotRefusal(
        403,
        FORBIDDEN,
        f"insufficient qty available for order (requested: {total}, available: {available}): "
        "open orders hold the rest, or what is left is smaller than the coin's increment",
    )
