"""Candles in whole numbers, and how one is split so that its parts add up to it exactly.

Prices count price steps and volumes count volume steps of the coin. A day splits into hours,
an hour into minutes, a minute into leaves of five seconds, a leaf into trades: so that any part
of history can be made by itself, and any larger candle equals the sum of its parts.
"""

import math
import random
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

DAY: Final = 86_400
HOUR: Final = 3_600
MINUTE: Final = 60
LEAF: Final = 5
FINER: Final = {DAY: HOUR, HOUR: MINUTE, MINUTE: LEAF}
MICROS: Final = 1_000_000

LEAST_TRADES: Final = 4
"""A leaf shows its open, high, low and close, so it has at least four trades."""
LEAST_VOLUME: Final = 40


class Candle(NamedTuple):
    """Open, high, low, close in price steps; volume in volume steps; count of trades."""

    o: int
    h: int
    low: int
    c: int
    v: int
    n: int


class Trade(NamedTuple):
    """One trade: microseconds since 1970, price steps, volume steps, id, buyer took."""

    at: int
    price: int
    size: int
    id: int
    buy: bool


def seeded(name: str) -> random.Random:
    """Draws that are the same for the same name: prices must be repeatable, they guard nothing."""
    return random.Random(name)  # noqa: S311  seeded prices, not a secret


class Source(Protocol):
    """A coin's price as candles of the four levels; index = seconds since 1970 // level."""

    def candle(self, level: int, index: int) -> Candle | None:
        """The whole candle, or None where the history does not reach."""
        ...

    def trades(self, leaf: int) -> Sequence[Trade]:
        """The trades of one leaf, in order; they form exactly its candle."""
        ...


def merge(parts: Iterable[Candle]) -> Candle | None:
    """The candle that covers all parts, or None when there are none."""
    seen = list(parts)
    if not seen:
        return None
    return Candle(
        o=seen[0].o,
        h=max(part.h for part in seen),
        low=min(part.low for part in seen),
        c=seen[-1].c,
        v=sum(part.v for part in seen),
        n=sum(part.n for part in seen),
    )


def of_trades(trades: Sequence[Trade]) -> Candle | None:
    """The candle that these trades form."""
    if not trades:
        return None
    prices = [trade.price for trade in trades]
    return Candle(
        o=prices[0],
        h=max(prices),
        low=min(prices),
        c=prices[-1],
        v=sum(trade.size for trade in trades),
        n=len(trades),
    )


def share(total: int, weights: Sequence[float], least: int) -> list[int]:
    """Split `total` by weight into whole parts of at least `least` that add up to it exactly."""
    spare = max(0, total - least * len(weights))
    whole = sum(weights)
    parts: list[int] = []
    running, given = 0.0, 0
    for weight in weights[:-1]:
        running += weight
        upto = min(spare, int(spare * (running / whole)))
        parts.append(least + upto - given)
        given = upto
    parts.append(total - sum(parts))
    return parts


def split(parent: Candle, *, level: int, rng: random.Random, shared: Sequence[float], loading: float) -> list[Candle]:
    """The parent's parts on the next finer level, chained close to open.

    `shared` holds the common factor's draws, one for each part, and `loading` (0 to 1) how much of this
    coin's movement they explain: that is what correlates coins inside a day.
    """
    parts = len(shared)
    activity = _activity(parts, rng)
    total = sum(activity)
    reach = (parent.h - parent.low) / 1.7
    closes = _bridge(parent, activity, total, reach, rng, shared, loading)
    opens = [parent.o, *closes[:-1]]
    highs, lows = [], []
    for start, end, weight in zip(opens, closes, activity, strict=True):
        wick = reach * math.sqrt(weight / total)
        highs.append(min(parent.h, max(start, end) + int(wick * rng.random() ** 2)))
        lows.append(max(parent.low, min(start, end) - int(wick * rng.random() ** 2)))
    # The extremes of the parent belong to the parts that came nearest to them.
    highs[max(range(parts), key=highs.__getitem__)] = parent.h
    lows[min(range(parts), key=lows.__getitem__)] = parent.low
    leaves = FINER[level] // LEAF
    volumes = share(parent.v, [w * (0.4 + 1.2 * rng.random()) for w in activity], LEAST_VOLUME * leaves)
    counts = share(parent.n, activity, LEAST_TRADES * leaves)
    return [Candle(*bar) for bar in zip(opens, highs, lows, closes, volumes, counts, strict=True)]


def _activity(parts: int, rng: random.Random) -> list[float]:
    """How busy each part is: persistent, so that quiet and wild stretches cluster."""
    mood, activity = 0.0, []
    for _ in range(parts):
        mood = 0.75 * mood + 0.4 * rng.gauss(0.0, 1.0)
        activity.append(math.exp(mood))
    return activity


def _bridge(
    parent: Candle,
    activity: Sequence[float],
    total: float,
    reach: float,
    rng: random.Random,
    shared: Sequence[float],
    loading: float,
) -> list[int]:
    """Closes of the parts: a random walk tied to the parent's open and close and kept inside its range."""
    own = math.sqrt(1.0 - loading * loading)
    walk, elapsed = 0.0, 0.0
    steps: list[tuple[float, float]] = []
    for weight, common in zip(activity, shared, strict=True):
        walk += math.sqrt(weight / total) * (loading * common + own * rng.gauss(0.0, 1.0))
        elapsed += weight / total
        steps.append((elapsed, walk))
    closes = []
    for passed, height in steps:
        level = parent.o + (parent.c - parent.o) * passed + reach * (height - walk * passed)
        if level > parent.h:
            level = 2 * parent.h - level
        elif level < parent.low:
            level = 2 * parent.low - level
        closes.append(min(parent.h, max(parent.low, round(level))))
    closes[-1] = parent.c
    return closes


def trades_of(candle: Candle, leaf: int, rng: random.Random) -> list[Trade]:
    """The trades that make up one leaf: first the open, last the close, high and low between."""
    count = candle.n
    prices = [rng.randint(candle.low, candle.h) for _ in range(count)]
    first, second = sorted(rng.sample(range(1, count - 1), 2)) if count > 3 else (0, 0)
    rising = rng.random() < 0.5
    prices[first], prices[second] = (candle.low, candle.h) if rising else (candle.h, candle.low)
    prices[0], prices[-1] = candle.o, candle.c
    sizes = share(candle.v, [0.1 + rng.random() ** 3 for _ in range(count)], 1)
    start, slot = leaf * LEAF * MICROS, LEAF * MICROS // count
    trades, before = [], candle.o
    for place, (price, size) in enumerate(zip(prices, sizes, strict=True)):
        at = start + place * slot + rng.randrange(slot)
        buy = price > before or (price == before and rng.random() < 0.5)
        trades.append(Trade(at=at, price=price, size=size, id=leaf * 10_000 + place, buy=buy))
        before = price
    return trades
