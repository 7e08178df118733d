"""Orders stay within the limits of trading, of purchases and of sales.

Where no such limit exists, which is how a house begins, placing costs nothing more. Where one does, an order is weighed
and placed in one transaction, so that two at once count each other; who is limited pays a few round trips for it.

So it is with the cap of an API key: it counts exactly the orders that were placed. What is canceled later stays counted
there, so that a key cannot keep the market busy for nothing.
"""

import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import Final

from bitcurrent.compliance.limits.model import Usage
from bitcurrent.compliance.limits.service import Limits
from bitcurrent.compliance.products import Product
from bitcurrent.identity.key_limits import KeyLimits
from bitcurrent.identity.key_spending import count_spending
from bitcurrent.identity.kyc import kyc_level_of
from bitcurrent.kernel.cache import SingleFlight
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId
from bitcurrent.market_data.service import MarketData
from bitcurrent.trading import worth_repository
from bitcurrent.trading.allowance import in_dollars, place_weighed
from bitcurrent.trading.repository import PlaceOutcome
from bitcurrent.trading.rules import PriceStale

LOOK_SECONDS: Final = 1.0
LIMITED: Final[tuple[Product, ...]] = ("trading", "order_buy", "order_sell")

Place = Callable[[Connection], Awaitable[PlaceOutcome]]


class OrderLimits:
    """Weighs orders. A first limit counts at most a second after it was made."""

    def __init__(self, database: Database, limits: Limits, market_data: MarketData) -> None:
        self._database = database
        self._limits = limits
        self._market_data = market_data
        self._looked_at: float | None = None
        self._limited = False
        self._looks: SingleFlight[None] = SingleFlight()

    async def exist(self) -> bool:
        """Whether there is any limit on orders; asked of the database once a second."""
        if self._looked_at is None or time.monotonic() - self._looked_at > LOOK_SECONDS:
            # Those who come meanwhile wait for the same answer: none of them may go by the old one.
            await self._looks.read("limits", self._look)
        return self._limited

    async def _look(self) -> None:
        moment = time.monotonic()
        async with self._database.read() as connection:
            self._limited = await worth_repository.is_limited(connection, LIMITED)
        self._looked_at = moment

    async def place(
        self,
        user_id: UserId,
        place: Place,
        *,
        market: str,
        side: str,
        amount: Decimal,
        cost: Decimal,
        key: KeyLimits | None,
    ) -> PlaceOutcome:
        """Weigh an order by the limits and by its API key's cap and place it; raises LimitExceeded, KeyDailyCap,
        PriceStale.

        `amount` is in what is traded, `cost` in what it is paid with.
        """
        base, quote = market.split("/")
        worth = in_dollars(self._market_data, cost, quote)
        limited = await self.exist()

        async def weigh(connection: Connection) -> None:
            if key is not None and key.daily_notional is not None:
                await count_spending(connection, key, worth)
            if limited:
                await self._check(connection, user_id, side=side, asset=base, amount=amount, worth=worth)

        return await place_weighed(self._database, weigh, place)

    async def _check(
        self, connection: Connection, user_id: UserId, *, side: str, asset: str, amount: Decimal, worth: Decimal
    ) -> None:
        level = await kyc_level_of(connection, user_id)
        products: tuple[Product, ...] = ("trading", "order_buy" if side == "buy" else "order_sell")
        for product in products:
            await self._limits.check(
                connection,
                user_id=user_id,
                kyc_level=level,
                product=product,
                asset=asset,
                amount=amount,
                worth=worth,
                usage=self._usage(connection, user_id, product),
                field="quantity",
            )

    def _usage(
        self, connection: Connection, user_id: UserId, product: Product
    ) -> Callable[[datetime, str | None], Awaitable[Usage]]:
        side = {"order_buy": "buy", "order_sell": "sell"}.get(product)

        async def used(since: datetime, asset: str | None) -> Usage:
            found, known = await worth_repository.usage_since(connection, user_id, since, asset=asset, side=side)
            if not known:
                raise PriceStale(
                    "There is a limit on what you trade, and no price to count your other orders with. "
                    "Nothing was placed; try again in a moment."
                )
            return found

        return used
