"""The price board: the latest quotes and day summaries of every market, in this process, and how they travel.

The feed writes them to Redis (a hash that holds the newest of each, and a channel that tells of changes); every other
process keeps a board of its own that listens there. Reading a board never waits.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec

from bitcurrent.kernel.clock import now
from bitcurrent.kernel.money import plain
from bitcurrent.market_data.model import DaySummary, Quote

PRICES_CHANNEL: Final = "prices"
"""Redis channel with a `PriceMessage` for each tick that changed something."""

MARKETS_CHANNEL: Final = "markets"
"""Redis channel that says "markets changed, read them again". A hint only: readers also look every few seconds."""

QUOTES_KEY: Final = "market:quotes"
DAYS_KEY: Final = "market:days"
KEPT_SECONDS: Final = 86_400
"""How long Redis keeps the last word on prices when nobody writes any more; their age is told with them."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class QuoteMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A quote as it travels: amounts as plain strings, times in RFC 3339."""

    symbol: str
    bid: str
    ask: str
    bid_size: str
    ask_size: str
    last: str | None
    at: datetime
    last_at: datetime | None
    seen_at: datetime


class DayMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A day summary as it travels."""

    symbol: str
    open: str
    high: str
    low: str
    volume: str
    at: datetime


class PriceMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What changed in one tick: each symbol at most once."""

    quotes: list[QuoteMessage] = []
    days: list[DayMessage] = []


class PriceBoard:
    """The newest of everything heard. `version` grows whenever a figure (not only its age) changes."""

    def __init__(self) -> None:
        self.quotes: dict[str, Quote] = {}
        self.days: dict[str, DaySummary] = {}
        self.version = 0
        self.heard_at: datetime = _EPOCH

    @property
    def silent_seconds(self) -> float:
        """Seconds since the venue last confirmed anything at all."""
        return max(0.0, (now() - self.heard_at).total_seconds())

    def put_quote(self, heard: Quote) -> Quote:
        """Merge a quote with what is known of its market; the result."""
        heard = heard.dated_sensibly()
        held = self.quotes.get(heard.symbol)
        merged = heard if held is None else held.merged_with(heard)
        self.quotes[heard.symbol] = merged
        self.heard_at = max(self.heard_at, merged.seen_at)
        if held is None or not merged.same_prices(held):
            self.version += 1
        return merged

    def put_day(self, day: DaySummary) -> None:
        """Keep a day summary unless a newer one is here."""
        held = self.days.get(day.symbol)
        if held is None or day.at >= held.at:
            self.days[day.symbol] = day
            self.version += 1

    def put_message(self, message: PriceMessage) -> list[Quote]:
        """Take in what travelled; the quotes that it brought, merged."""
        for day in message.days:
            self.put_day(_read_day(day))
        return [self.put_quote(_read_quote(quote)) for quote in message.quotes]


_encoder = msgspec.json.Encoder()
_messages = msgspec.json.Decoder(PriceMessage)
_quotes = msgspec.json.Decoder(QuoteMessage)
_days = msgspec.json.Decoder(DayMessage)


def read_message(body: bytes) -> PriceMessage:
    """A message from the channel; raises msgspec.MsgspecError."""
    return _messages.decode(body)


def read_hashes(quotes: Iterable[bytes], days: Iterable[bytes]) -> PriceMessage:
    """What the two hashes hold, as one message; raises msgspec.MsgspecError."""
    return PriceMessage(quotes=[_quotes.decode(body) for body in quotes], days=[_days.decode(body) for body in days])


def message_of(quotes: Iterable[Quote], days: Iterable[DaySummary] = ()) -> PriceMessage:
    """Quotes and summaries, ready to travel."""
    return PriceMessage(quotes=[quote_message(quote) for quote in quotes], days=[_day_message(day) for day in days])


def encode_message(message: PriceMessage) -> bytes:
    """A message for the channel."""
    return _encoder.encode(message)


def hashes_of(message: PriceMessage) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The fields of the two hashes that a message changes."""
    return (
        {quote.symbol: _encoder.encode(quote) for quote in message.quotes},
        {day.symbol: _encoder.encode(day) for day in message.days},
    )


def quote_message(quote: Quote) -> QuoteMessage:
    """A quote, ready to travel (and the form in which the live stream shows it)."""
    return QuoteMessage(
        symbol=quote.symbol,
        bid=plain(quote.bid),
        ask=plain(quote.ask),
        bid_size=plain(quote.bid_size),
        ask_size=plain(quote.ask_size),
        last=None if quote.last is None else plain(quote.last),
        at=quote.at,
        last_at=quote.last_at,
        seen_at=quote.seen_at,
    )


def _day_message(day: DaySummary) -> DayMessage:
    return DayMessage(
        symbol=day.symbol,
        open=plain(day.open),
        high=plain(day.high),
        low=plain(day.low),
        volume=plain(day.volume),
        at=day.at,
    )


def _read_quote(message: QuoteMessage) -> Quote:
    return Quote(
        symbol=message.symbol,
        bid=Decimal(message.bid),
        ask=Decimal(message.ask),
        bid_size=Decimal(message.bid_size),
        ask_size=Decimal(message.ask_size),
        last=None if message.last is None else Decimal(message.last),
        at=message.at,
        last_at=message.last_at,
        seen_at=message.seen_at,
    )


def _read_day(message: DayMessage) -> DaySummary:
    return DaySummary(
        symbol=message.symbol,
        open=Decimal(message.open),
        high=Decimal(message.high),
        low=Decimal(message.low),
        volume=Decimal(message.volume),
        at=message.at,
    )
