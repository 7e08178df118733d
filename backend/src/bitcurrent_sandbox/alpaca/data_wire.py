"""Market data as the venue shows it: JSON numbers, short member names, `t` as a datetime."""

from decimal import Decimal
from typing import Any

from bitcurrent_sandbox import clock
from bitcurrent_sandbox.alpaca.candles import DAY, MICROS, MINUTE, Candle, Trade
from bitcurrent_sandbox.alpaca.market import Book, CoinMarket, Quote


def bar(market: CoinMarket, candle: Candle, start: int) -> dict[str, Any]:
    """A bar that begins at this unix second; `vw` is the middle of its four prices."""
    middle = Decimal(candle.o + candle.h + candle.low + candle.c) / 4
    return {
        "t": clock.moment(start * MICROS),
        "o": market.price(candle.o),
        "h": market.price(candle.h),
        "l": market.price(candle.low),
        "c": market.price(candle.c),
        "v": candle.v * market.coin.volume_step,
        "n": candle.n,
        "vw": middle * market.coin.price_step,
    }


def trade(market: CoinMarket, made: Trade) -> dict[str, Any]:
    """A trade with the side that took."""
    return {
        "t": clock.moment(made.at),
        "p": market.price(made.price),
        "s": max(1, made.size) * market.coin.volume_step,
        "i": made.id,
        "tks": "B" if made.buy else "S",
    }


def quote(given: Quote) -> dict[str, Any]:
    """The best bid and offer."""
    return {
        "t": clock.moment(given.at),
        "bp": given.bid.price,
        "bs": given.bid.size,
        "ap": given.ask.price,
        "as": given.ask.size,
    }


def book(given: Book) -> dict[str, Any]:
    """The whole order book."""
    return {
        "t": clock.moment(given.at),
        "b": [{"p": level.price, "s": level.size} for level in given.bids],
        "a": [{"p": level.price, "s": level.size} for level in given.asks],
    }


def latest_bar(market: CoinMarket, now: int) -> dict[str, Any] | None:
    """The newest minute that is over."""
    index = now // (MINUTE * MICROS) - 1
    candle = market.series.candle(MINUTE, index, now)
    return bar(market, candle, index * MINUTE) if candle else None


def daily_bar(market: CoinMarket, now: int, *, days_ago: int = 0) -> dict[str, Any] | None:
    """Today's bar so far, or that of a day before."""
    index = now // (DAY * MICROS) - days_ago
    candle = market.series.candle(DAY, index, now)
    return bar(market, candle, index * DAY) if candle else None


def snapshot(market: CoinMarket, now: int) -> dict[str, Any]:
    """Latest trade, quote and bars of one coin."""
    return {
        "latestTrade": trade(market, market.trade(now)),
        "latestQuote": quote(market.quote(now)),
        "minuteBar": latest_bar(market, now),
        "dailyBar": daily_bar(market, now),
        "prevDailyBar": daily_bar(market, now, days_ago=1),
    }
