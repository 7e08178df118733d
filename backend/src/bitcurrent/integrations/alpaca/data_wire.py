"""Alpaca's market data shapes, as they stand on the wire, and how they become our values."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec

from bitcurrent.kernel.money import AMOUNT_MAX
from bitcurrent.market_data.model import Candle, Level, OrderBook, Trade, VenueMarket

BOOK_LEVELS_MAX: Final = 1_000


Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its offset: one without could mean anything."""


class Unreadable(ValueError):
    """A value that cannot be what it claims to be."""


class AssetWire(msgspec.Struct):
    """An Asset of the trading API; its rules are decimal strings, present for crypto only."""

    id: UUID
    symbol: str
    tradable: bool
    status: str
    name: str | None = None
    min_order_size: Decimal | None = None
    min_trade_increment: Decimal | None = None
    price_increment: Decimal | None = None


class QuoteWire(msgspec.Struct, rename={"as_": "as"}):
    """Best bid and ask: prices and sizes."""

    t: Moment
    bp: Decimal
    bs: Decimal
    ap: Decimal
    as_: Decimal


class TradeWire(msgspec.Struct):
    """One trade: price, size, id, taker side (B, S or absent)."""

    t: Moment
    p: Decimal
    s: Decimal
    i: int | str
    tks: str = ""


class BarWire(msgspec.Struct):
    """One candle: open, high, low, close, volume, count, volume-weighted average price."""

    t: Moment
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741  the vendor's name
    c: Decimal
    v: Decimal
    n: int = 0
    vw: Decimal = Decimal(0)


class LevelWire(msgspec.Struct):
    """One level of the book: price, size."""

    p: Decimal
    s: Decimal


class BookWire(msgspec.Struct):
    """Both sides of the book."""

    t: Moment
    b: list[LevelWire]
    a: list[LevelWire]


def price(value: Decimal) -> Decimal:
    """A price or size that can be worked with: not negative, and below what the ledger can hold."""
    if not (value.is_finite() and 0 <= value < AMOUNT_MAX):
        raise Unreadable(f"{str(value)[:40]} is no price or size")
    return value


def market_from(asset: AssetWire) -> VenueMarket:
    """A market from an Asset. An asset without its rules, or whose symbol is no pair, is `Unreadable`."""
    base, slash, quote = asset.symbol.partition("/")
    rules = (asset.min_order_size, asset.min_trade_increment, asset.price_increment)
    if not (base and slash and quote):
        raise Unreadable(f"asset {asset.symbol[:40]} is no pair")
    if any(rule is None or price(rule) == 0 for rule in rules):
        raise Unreadable(f"asset {asset.symbol[:40]} lacks its trading rules")
    least, step, tick = (rule for rule in rules if rule is not None)
    return VenueMarket(
        symbol=asset.symbol,
        venue_asset_id=asset.id,
        # The venue writes "Bitcoin / US Dollar": the coin's own name stands first.
        name=(asset.name or "").partition(" / ")[0].strip() or base,
        base=base,
        quote=quote,
        min_order_size=least,
        min_trade_increment=step,
        price_increment=tick,
        tradable=asset.tradable and asset.status == "active",
    )


def candle_from(bar: BarWire) -> Candle:
    """A candle from a bar."""
    return Candle(
        start=bar.t,
        open=price(bar.o),
        high=price(bar.h),
        low=price(bar.l),
        close=price(bar.c),
        volume=price(bar.v),
        trades=bar.n,
        vwap=price(bar.vw),
    )


def trade_from(symbol: str, trade: TradeWire) -> Trade:
    """A trade; an unknown taker side stays unknown."""
    sides: dict[str, Literal["buy", "sell"]] = {"B": "buy", "S": "sell"}
    return Trade(
        symbol=symbol,
        id=str(trade.i),
        price=price(trade.p),
        quantity=price(trade.s),
        at=trade.t,
        taker=sides.get(trade.tks),
    )


def levels_from(levels: list[LevelWire]) -> tuple[Level, ...]:
    """Levels as they came, at most a thousand."""
    return tuple(Level(price(level.p), price(level.s)) for level in levels[:BOOK_LEVELS_MAX])


def book_from(symbol: str, book: BookWire) -> OrderBook:
    """A whole book, best price first; levels of size 0 are removals and are left out."""
    bids, asks = (tuple(level for level in levels_from(side) if level.quantity > 0) for side in (book.b, book.a))
    return OrderBook(
        symbol=symbol,
        bids=tuple(sorted(bids, key=lambda level: level.price, reverse=True)),
        asks=tuple(sorted(asks, key=lambda level: level.price)),
        at=book.t,
    )
