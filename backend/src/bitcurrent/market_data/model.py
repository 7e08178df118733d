"""Markets, quotes, candles, books and trades as values, and what can be said about them without asking anyone."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from bitcurrent.kernel.clock import now
from bitcurrent.kernel.currencies import CURRENCIES
from bitcurrent.kernel.errors import Invalid, NotFound, Unavailable
from bitcurrent.kernel.money import ROUGH

FIAT: Final = frozenset(CURRENCIES)
"""Currencies that are money and no coin. The venue does not list them as assets."""

ORDER_HEAL: Final = timedelta(seconds=60)
"""A quote seen this much later than ours replaces it even when its own time is older: a clock was wrong."""

FUTURE_MAX: Final = timedelta(seconds=10)
"""A venue's time further ahead of our clock than this is not believed."""


class UnknownMarket(NotFound):
    """No market of that name."""

    code = "unknown_market"
    title = "No such market"

    def __init__(self, symbol: str) -> None:
        # What was asked for comes from outside: shown shortened.
        super().__init__(f"There is no market {symbol[:40]!r}. GET /api/markets lists them all.", field="symbol")


class InvalidTimeframe(Invalid):
    """A candle length that we do not offer."""

    code = "invalid_timeframe"
    title = "Unknown timeframe"

    def __init__(self, text: str) -> None:
        allowed = ", ".join(TIMEFRAMES)
        super().__init__(
            f"{text[:40]!r} is no timeframe. Use one of {allowed}.", field="timeframe", details={"allowed": allowed}
        )


class MarketDataUnavailable(Unavailable):
    """Neither our own copies nor the venue could answer."""

    code = "market_data_unavailable"
    title = "Market data is not available"


class QuoteUnavailable(Unavailable):
    """No price has been heard for this market yet, or its book is empty on the side asked for."""

    code = "quote_unavailable"
    title = "No price now"


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueMarket:
    """A market as the venue lists it. Sizes are in the base asset, `price_increment` in the quote asset."""

    symbol: str
    venue_asset_id: UUID
    name: str
    base: str
    quote: str
    min_order_size: Decimal
    min_trade_increment: Decimal
    price_increment: Decimal
    tradable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Market(VenueMarket):
    """A market as the brokerage offers it. `halted_reason` is ours: it stops the market whatever the venue says."""

    halted_reason: str | None
    updated_at: datetime

    @property
    def is_open(self) -> bool:
        """Whether orders are taken: the venue trades it and we have not halted it."""
        return self.tradable and self.halted_reason is None

    @property
    def path_name(self) -> str:
        """The symbol as it stands in addresses: BTC-USD."""
        return self.symbol.replace("/", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The best bid and offer, and the last trade. Prices in the quote asset, sizes in the base asset.

    `at` and `last_at` are the venue's times of the last change; `seen_at` is when the venue last confirmed that this
    is how things stand. A quiet market has an old `at` and a young `seen_at`; age is counted from `seen_at`.
    A side without any offer has price 0.
    """

    symbol: str
    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal
    last: Decimal | None
    at: datetime
    last_at: datetime | None
    seen_at: datetime

    @property
    def age_seconds(self) -> float:
        """Seconds since the venue last confirmed this quote."""
        return max(0.0, (now() - self.seen_at).total_seconds())

    @property
    def mid(self) -> Decimal | None:
        """Halfway between bid and ask; None when a side is empty."""
        if self.bid <= 0 or self.ask <= 0:
            return None
        return ROUGH.divide(ROUGH.add(self.bid, self.ask), Decimal(2))

    def merged_with(self, other: "Quote") -> "Quote":
        """The newest of both: quote and last trade each by its own time.

        `seen_at` moves on only when `other` tells the same or something newer. An older word that differs confirms
        nothing; when nothing else comes for a minute, it is believed after all.
        """
        heal = other.seen_at - self.seen_at > ORDER_HEAL
        newer = other.at >= self.at or heal
        merged = self
        if newer:
            merged = replace(
                merged, bid=other.bid, ask=other.ask, bid_size=other.bid_size, ask_size=other.ask_size, at=other.at
            )
        if other.last_at is not None and (self.last_at is None or other.last_at >= self.last_at or heal):
            merged = replace(merged, last=other.last, last_at=other.last_at)
        if newer or (other.bid, other.ask) == (self.bid, self.ask):
            merged = replace(merged, seen_at=max(self.seen_at, other.seen_at))
        return merged

    def dated_sensibly(self) -> "Quote":
        """The quote, with times that lie far ahead (a clock is wrong) set to when it was seen."""
        latest = self.seen_at + FUTURE_MAX
        last_at = self.last_at
        if self.at <= latest and (last_at is None or last_at <= latest):
            return self
        return replace(
            self, at=min(self.at, self.seen_at), last_at=None if last_at is None else min(last_at, self.seen_at)
        )

    def same_prices(self, other: "Quote") -> bool:
        """Whether a customer would see the same figures."""
        return (self.bid, self.ask, self.bid_size, self.ask_size, self.last) == (
            other.bid,
            other.ask,
            other.bid_size,
            other.ask_size,
            other.last,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One trade at the venue, between whomever. `taker` is the side that crossed the book, where it is known."""

    symbol: str
    id: str
    price: Decimal
    quantity: Decimal
    at: datetime
    taker: Literal["buy", "sell"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """What was traded from `start` for one timeframe. `volume` in the base asset; `trades` counts them."""

    start: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: int
    vwap: Decimal


@dataclass(frozen=True, slots=True)
class Level:
    """One price of the book and the quantity offered there."""

    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBook:
    """Both sides, best price first, as they stood at `at`."""

    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySummary:
    """The last 24 hours up to `at`: the first price in them, extremes, and the volume in the base asset."""

    symbol: str
    open: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    at: datetime

    def change_percent(self, last: Decimal) -> Decimal | None:
        """How far `last` is from the opening, in percent with two decimals; for showing only."""
        if self.open <= 0:
            return None
        return ROUGH.divide((last - self.open) * 100, self.open).quantize(Decimal("0.01"), context=ROUGH)


@dataclass(frozen=True, slots=True)
class QuoteChange:
    """The stream says: best bid and offer are now these."""

    symbol: str
    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class CandleChange:
    """The stream says: this minute's candle is now so."""

    symbol: str
    candle: Candle


@dataclass(frozen=True, slots=True)
class BookChange:
    """The stream says: these levels changed (quantity 0 removes one); `is_whole` replaces the whole book."""

    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    at: datetime
    is_whole: bool


Tick = QuoteChange | Trade | CandleChange | BookChange
"""One piece of news from the venue's stream."""

Side = Literal["buy", "sell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePrice:
    """What one unit costs now for a purpose, and whether that can be relied on.

    `is_fresh` is false when the quote is older than the limit that was asked for; the price is given all the same.
    """

    symbol: str
    price: Decimal
    quote: Quote
    age_seconds: float
    is_fresh: bool


def reference_price(quote: Quote, *, side: Side | None, age_seconds_max: float) -> ReferencePrice:
    """The ask for a buyer, the bid for a seller, the middle (else the last trade) for nobody in particular.

    Raises `QuoteUnavailable` when that side of the book is empty.
    """
    price = {"buy": quote.ask, "sell": quote.bid, None: quote.mid or quote.last}[side]
    if price is None or price <= 0:
        raise QuoteUnavailable(f"{quote.symbol} has no {side or 'middle'} price at the moment.", field="symbol")
    age = quote.age_seconds
    return ReferencePrice(
        symbol=quote.symbol, price=price, quote=quote, age_seconds=age, is_fresh=age <= age_seconds_max
    )


@dataclass(frozen=True, slots=True)
class Timeframe:
    """The length of a candle; `name` is its one spelling. A month counts 31 days where a length is needed."""

    name: str
    length: timedelta


TIMEFRAMES: Final[Mapping[str, Timeframe]] = {
    name: Timeframe(name, length)
    for name, length in (
        ("1Min", timedelta(minutes=1)),
        ("5Min", timedelta(minutes=5)),
        ("15Min", timedelta(minutes=15)),
        ("30Min", timedelta(minutes=30)),
        ("1Hour", timedelta(hours=1)),
        ("2Hour", timedelta(hours=2)),
        ("4Hour", timedelta(hours=4)),
        ("6Hour", timedelta(hours=6)),
        ("12Hour", timedelta(hours=12)),
        ("1Day", timedelta(days=1)),
        ("1Week", timedelta(weeks=1)),
        ("1Month", timedelta(days=31)),
    )
}
_SPELLING: Final = re.compile(r"(\d{1,2})(T|Min|H|Hour|D|Day|W|Week|M|Month)", re.IGNORECASE | re.ASCII)
_UNITS: Final = {"t": "Min", "min": "Min", "h": "Hour", "hour": "Hour", "d": "Day", "day": "Day"} | {
    "w": "Week",
    "week": "Week",
    "month": "Month",
}


def parse_timeframe(text: str) -> Timeframe:
    """The timeframe meant by 5Min, 5min, 5T, 5m, 1H, 1M (a month) and so on; raises `InvalidTimeframe`."""
    match = _SPELLING.fullmatch(text)
    if match is None:
        raise InvalidTimeframe(text)
    count, unit = match.groups()
    # One letter M is a month as the venue writes it; a small m is a minute as charts do.
    word = {"M": "Month", "m": "Min"}.get(unit) or _UNITS[unit.lower()]
    found = TIMEFRAMES.get(f"{int(count)}{word}")
    if found is None:
        raise InvalidTimeframe(text)
    return found


class MarketIndex:
    """Every market under every spelling: BTC/USD, BTC-USD, BTCUSD, in any case, and the venue's asset id."""

    def __init__(self, markets: Iterable[Market] = ()) -> None:
        self.all: tuple[Market, ...] = tuple(sorted(markets, key=lambda market: market.symbol))
        self.symbols: tuple[str, ...] = tuple(market.symbol for market in self.all)
        self._by_name: dict[str, Market] = {}
        joined = [market.symbol.replace("/", "") for market in self.all]
        for market, run_together in zip(self.all, joined, strict=True):
            self._by_name[market.symbol] = market
            self._by_name[market.path_name] = market
            self._by_name[str(market.venue_asset_id).upper()] = market
            # AB/CUSD and ABC/USD would read alike when run together: then neither may be called so.
            if joined.count(run_together) == 1:
                self._by_name[run_together] = market

    def find(self, name: str) -> Market:
        """The market of that name; raises `UnknownMarket`."""
        market = self._by_name.get(name) or self._by_name.get(name.upper())
        if market is None:
            raise UnknownMarket(name)
        return market


def summarise_day(symbol: str, candles: Sequence[Candle], *, at: datetime) -> DaySummary | None:
    """The summary of candles that cover a day, oldest first; None when there are none."""
    if not candles:
        return None
    return DaySummary(
        symbol=symbol,
        open=candles[0].open,
        high=max(candle.high for candle in candles),
        low=min(candle.low for candle in candles),
        volume=sum((candle.volume for candle in candles), Decimal(0)),
        at=at,
    )
