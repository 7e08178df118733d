"""What each coin costs now: last trade, quote, order book; and the operator's hand on it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Final

from bitcurrent_sandbox.alpaca.assets import COINS, Coin
from bitcurrent_sandbox.alpaca.candles import LEAF, MICROS, MINUTE, Source, Trade, seeded
from bitcurrent_sandbox.alpaca.prices import MarketFactor, SyntheticSource
from bitcurrent_sandbox.alpaca.replay import ReplaySource, read_candles
from bitcurrent_sandbox.alpaca.series import FACTOR, PIN, Change, Series

LEVELS: Final = 20
_STILL_DEPTH_USD: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Replay:
    """A file of candles that drives one coin; `start` is a whole minute in unix seconds."""

    path: Path
    symbol: str
    speed: float
    start: int


@dataclass(frozen=True, slots=True)
class Level:
    """One price of the book and the quantity offered there."""

    price: Decimal
    size: Decimal


@dataclass(frozen=True, slots=True)
class Book:
    """Both sides, best price first; `version` changes whenever the market refills it."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    at: int
    version: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and offer since `at` (microseconds)."""

    bid: Level
    ask: Level
    at: int


class CoinMarket:
    """One coin: its series, its book, whether it is halted."""

    def __init__(self, coin: Coin, source: Source, *, seed: int, still_since: int | None) -> None:
        self.coin = coin
        self.series = Series(source)
        self.halted = False
        self._depth_usd = 0
        self._still = still_since is not None
        self._name = f"{seed}|{coin.symbol}|book"
        self._shape = lru_cache(maxsize=4)(self._draw_shape)
        self._built: Book | None = None
        self._home: tuple[str, int, int] = (FACTOR, 1, 1)
        if still_since is not None:
            self._stand_still(still_since)

    @property
    def pinned(self) -> bool:
        """Whether the operator holds the price at a fixed value."""
        changes = self.series.changes
        return bool(changes) and changes[-1].kind == PIN and changes[-1][1:] != self._home

    def trade(self, now: int) -> Trade:
        """The newest trade; the series always has one."""
        last = self.series.last_trade(now)
        if last is None:
            raise LookupError(f"{self.coin.symbol} has no history at {now}")
        return last

    def price(self, steps: int) -> Decimal:
        """A price in dollars from a count of price steps."""
        return steps * self.coin.price_step

    def last(self, now: int) -> Decimal:
        """The price of the newest trade."""
        return self.price(self.trade(now).price)

    def quote_at(self, trade: Trade) -> Quote:
        """The best bid and offer that stood when this trade happened."""
        bids, asks = self._sides(trade, 1)
        return Quote(bid=bids[0], ask=asks[0], at=trade.at)

    def quote(self, now: int) -> Quote:
        """The best bid and offer now."""
        return self.quote_at(self.trade(now))

    def book(self, now: int) -> Book:
        """The whole book now, before anyone took from it."""
        trade = self.trade(now)
        version = (trade.at // (LEAF * MICROS), trade.price)
        if self._built is None or self._built.version != version:
            bids, asks = self._sides(trade, LEVELS)
            self._built = Book(bids=bids, asks=asks, at=trade.at, version=version)
        return self._built

    def deepen(self, dollars: int) -> None:
        """Offer this much at each price; 0 for the coin's own depth."""
        if dollars != self._depth_usd:
            self._depth_usd, self._built = dollars, None

    def pin(self, price: Decimal, now: int) -> Change:
        """Hold the price from now on."""
        return self._bend(now, PIN, max(1, int(price / self.coin.price_step)), 1)

    def unpin(self, now: int) -> Change:
        """Let the price go back to its own course."""
        return self._bend(now, *self._home)

    def jump(self, percent: Decimal, now: int) -> Change:
        """Move the price by a percentage, for good."""
        hundredths = 10_000 + int(percent * 100)
        held = self.series.in_force(now)
        if held is None:
            return self._bend(now, FACTOR, hundredths, 10_000)
        if held.kind == PIN:
            return self._bend(now, PIN, max(1, held.over * hundredths // 10_000), 1)
        return self._bend(now, FACTOR, held.over * hundredths, held.under * 10_000)

    def _bend(self, now: int, kind: str, over: int, under: int) -> Change:
        change = Change(at=now, kind=kind, over=over, under=under)
        self.series.bend(change)
        return change

    def _stand_still(self, since: int) -> None:
        """History scaled so that it ends at the base price, and the base price from then on."""
        base = int(self.coin.base_price / self.coin.price_step)
        before = self.series.last_trade(since)
        self.series.bend(Change(at=0, kind=FACTOR, over=base, under=before.price if before else 1))
        self.series.bend(Change(at=since, kind=PIN, over=base, under=1))
        self._home = (PIN, base, 1)

    def _sides(self, trade: Trade, levels: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        half = 1 if self._still else max(1, round(trade.price * self.coin.spread_bps / 20_000))
        below, above = self._shape(trade.at // (LEAF * MICROS))
        return (
            tuple(self._level(trade.price, -half, place, below[place]) for place in range(levels)),
            tuple(self._level(trade.price, half, place, above[place]) for place in range(levels)),
        )

    def _level(self, middle: int, half: int, place: int, weight: float) -> Level:
        steps = max(1, middle + half + half * place * (10 + place) // 10)
        dollars = self._depth_usd or self._usual_depth(place, weight)
        size = dollars / (steps * float(self.coin.price_step))
        return Level(price=self.price(steps), size=max(1, int(size / float(self.coin.size_step))) * self.coin.size_step)

    def _usual_depth(self, place: int, weight: float) -> float:
        """Dollars on offer at one price: thin at the touch, deeper behind it."""
        if self._still:
            return _STILL_DEPTH_USD
        return self.coin.depth_usd * 0.25 * weight * (1 + 0.25 * place)

    def _draw_shape(self, leaf: int) -> tuple[Sequence[float], Sequence[float]]:
        rng = seeded(f"{self._name}|{leaf}")
        return [0.3 + 1.4 * rng.random() for _ in range(LEVELS)], [0.3 + 1.4 * rng.random() for _ in range(LEVELS)]


class Market:
    """Every coin of the venue."""

    def __init__(self, *, seed: int, still_since: int | None = None, replay: Replay | None = None) -> None:
        factor = MarketFactor(seed)
        self._coins: dict[str, CoinMarket] = {}
        for coin in COINS:
            source: Source = SyntheticSource(coin, factor)
            still = still_since
            if replay is not None and replay.symbol == coin.symbol:
                candles = read_candles(replay.path, coin)
                source = ReplaySource(candles, start=replay.start, speed=replay.speed, before=source)
                still = None
            self._coins[coin.symbol] = CoinMarket(coin, source, seed=seed, still_since=still)

    def __getitem__(self, symbol: str) -> CoinMarket:
        return self._coins[symbol]

    def __iter__(self) -> Iterator[CoinMarket]:
        return iter(self._coins.values())


def whole_minute(now: int) -> int:
    """The unix second at which the current minute began."""
    return now // (MINUTE * MICROS) * MINUTE
