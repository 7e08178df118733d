"""Markets, candles, books and trades on the wire of /api: exact amounts as strings, times in UTC."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from bitcurrent.market_data.model import Candle, DaySummary, Level, Market, OrderBook, Quote, Trade
from bitcurrent.market_data.service import QUOTE_AGE_SECONDS_MAX
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer


class MarketAnswer(Answer, frozen=True, kw_only=True):
    """A market: its rules, its prices now, its last 24 hours.

    Sizes and volume are in the base asset, prices in the quote asset. `quoted_at` is when bid or ask last changed,
    `age_seconds` how long ago the venue last confirmed them; `stale` says that this is too long to rely on.
    Prices are null until the first one was heard.
    """

    symbol: str
    path: str
    name: str
    base: str
    quote: str
    tradable: bool
    halted: bool
    halted_reason: str | None
    min_order_size: Amount
    min_trade_increment: Amount
    price_increment: Amount
    last: Amount | None
    bid: Amount | None
    ask: Amount | None
    bid_size: Amount | None
    ask_size: Amount | None
    change_24h: Amount | None
    change_24h_percent: Amount | None
    high_24h: Amount | None
    low_24h: Amount | None
    volume_24h: Amount | None
    quoted_at: datetime | None
    age_seconds: int | None
    stale: bool


class CandleAnswer(Answer, frozen=True, kw_only=True):
    """A candle: what was traded from `start` for one timeframe."""

    start: datetime
    open: Amount
    high: Amount
    low: Amount
    close: Amount
    volume: Amount
    trades: int
    vwap: Amount


class LevelAnswer(Answer, frozen=True, kw_only=True):
    """One price of the book and the quantity offered there."""

    price: Amount
    quantity: Amount


class BookAnswer(Answer, frozen=True, kw_only=True):
    """An order book, best price first, as it stood at `at`."""

    symbol: str
    at: datetime
    bids: list[LevelAnswer]
    asks: list[LevelAnswer]


class TradeAnswer(Answer, frozen=True, kw_only=True):
    """A trade at the venue; `taker` is the side that crossed the book, null where the venue does not tell."""

    id: str
    price: Amount
    quantity: Amount
    taker: Literal["buy", "sell"] | None
    at: datetime


def market_answer(market: Market, quote: Quote | None, day: DaySummary | None) -> MarketAnswer:
    """A market with what is known of its prices."""
    last = (quote.last or quote.mid) if quote else None
    percent = day.change_percent(last) if day is not None and last is not None else None
    age = quote.age_seconds if quote else None
    return MarketAnswer(
        symbol=market.symbol,
        path=market.path_name,
        name=market.name,
        base=market.base,
        quote=market.quote,
        tradable=market.is_open,
        halted=not market.is_open,
        halted_reason=market.halted_reason or (None if market.tradable else "The venue does not trade it now."),
        min_order_size=Amount(market.min_order_size),
        min_trade_increment=Amount(market.min_trade_increment),
        price_increment=Amount(market.price_increment),
        last=_amount(last),
        bid=_amount(quote.bid if quote else None),
        ask=_amount(quote.ask if quote else None),
        bid_size=_amount(quote.bid_size if quote else None),
        ask_size=_amount(quote.ask_size if quote else None),
        change_24h=Amount(last - day.open) if day is not None and last is not None else None,
        change_24h_percent=_amount(percent),
        # The summary is up to a minute old; the price of this moment may be beyond it already.
        high_24h=Amount(max(day.high, last or day.high)) if day else None,
        low_24h=Amount(min(day.low, last or day.low)) if day else None,
        volume_24h=_amount(day.volume if day else None),
        quoted_at=quote.at if quote else None,
        age_seconds=None if age is None else int(age),
        stale=age is None or age > QUOTE_AGE_SECONDS_MAX,
    )


def candle_answer(candle: Candle) -> CandleAnswer:
    """A candle with plain amounts."""
    return CandleAnswer(
        start=candle.start,
        open=Amount(candle.open),
        high=Amount(candle.high),
        low=Amount(candle.low),
        close=Amount(candle.close),
        volume=Amount(candle.volume),
        trades=candle.trades,
        vwap=Amount(candle.vwap),
    )


def book_answer(book: OrderBook, depth: int) -> BookAnswer:
    """The best `depth` levels of both sides."""
    return BookAnswer(
        symbol=book.symbol,
        at=book.at,
        bids=[_level_answer(level) for level in book.bids[:depth]],
        asks=[_level_answer(level) for level in book.asks[:depth]],
    )


def trade_answer(trade: Trade) -> TradeAnswer:
    """A trade with plain amounts."""
    return TradeAnswer(
        id=trade.id, price=Amount(trade.price), quantity=Amount(trade.quantity), taker=trade.taker, at=trade.at
    )


def _level_answer(level: Level) -> LevelAnswer:
    return LevelAnswer(price=Amount(level.price), quantity=Amount(level.quantity))


def _amount(value: Decimal | None) -> Amount | None:
    return None if value is None else Amount(value)
