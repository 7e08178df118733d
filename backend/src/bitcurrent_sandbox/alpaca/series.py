"""A source's price as the operator of the sandbox has bent it: jumps and pins, from a moment on.

Candles stay whole numbers that add up: where the price was bent inside a candle, or the candle is not over
yet, it is put together from finer ones, at last from single trades.
"""

from bisect import bisect_right, insort
from collections.abc import Iterator
from typing import Final, NamedTuple

from bitcurrent_sandbox.alpaca.candles import (
    DAY,
    FINER,
    HOUR,
    LEAF,
    MICROS,
    MINUTE,
    Candle,
    Source,
    Trade,
    merge,
    of_trades,
)

PIN: Final = "pin"
FACTOR: Final = "factor"
_CHANGES_MAX: Final = 5_000


class Change(NamedTuple):
    """From `at` (microseconds) on: the price is `over` (pin), or the source's times over/under (factor)."""

    at: int
    kind: str
    over: int
    under: int


class Series:
    """One coin's price at every moment up to now."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._changes: list[Change] = []

    @property
    def changes(self) -> list[Change]:
        """Every bend so far, oldest first."""
        return list(self._changes)

    def bend(self, change: Change) -> None:
        """Apply a change from its time on; the oldest is forgotten past a few thousand."""
        insort(self._changes, change)
        if len(self._changes) > _CHANGES_MAX:
            del self._changes[1]

    def in_force(self, at: int) -> Change | None:
        """The change that holds at that microsecond."""
        place = bisect_right(self._changes, at, key=lambda change: change.at)
        return self._changes[place - 1] if place else None

    def candle(self, level: int, index: int, now: int) -> Candle | None:
        """The candle so far at `now` (microseconds); None before the history or in the future."""
        begin, end = index * level * MICROS, (index + 1) * level * MICROS
        if begin > now:
            return None
        if end <= now and not self._bent_inside(begin, end):
            whole = self._source.candle(level, index)
            return _bent_candle(whole, self.in_force(begin)) if whole else None
        if level == LEAF:
            return of_trades([trade for trade in self.trades(index) if trade.at <= now])
        finer = FINER[level]
        first = index * level // finer
        last = min((index + 1) * level // finer, now // (finer * MICROS) + 1)
        parts = (self.candle(finer, child, now) for child in range(first, last))
        return merge(part for part in parts if part)

    def between(self, begin: int, end: int, now: int) -> Candle | None:
        """The candle of [begin, end) in whole minutes, given in seconds, from the largest parts that fit."""
        parts: list[Candle] = []
        at = begin
        while at < end and at * MICROS <= now:
            level = next(size for size in (DAY, HOUR, MINUTE) if at % size == 0 and at + size <= end)
            part = self.candle(level, at // level, now)
            if part:
                parts.append(part)
            at += level
        return merge(parts)

    def trades(self, leaf: int) -> list[Trade]:
        """The leaf's trades, with a smallest one at each bend so that the new price shows at once."""
        begin, end = leaf * LEAF * MICROS, (leaf + 1) * LEAF * MICROS
        trades = [
            trade._replace(price=_bent(trade.price, self.in_force(trade.at))) for trade in self._source.trades(leaf)
        ]
        raw = self._source.trades(leaf)
        for number, change in enumerate(self._inside(begin, end)):
            earlier = [trade.price for trade in raw if trade.at <= change.at]
            base = earlier[-1] if earlier else (raw[0].price if raw else 1)
            price = _bent(base, change)
            trades.append(Trade(at=change.at, price=price, size=1, id=leaf * 10_000 + 9_000 + number, buy=True))
        trades.sort(key=lambda trade: trade.at)
        return trades

    def trades_between(self, begin: int, end: int, *, newest_first: bool = False) -> Iterator[Trade]:
        """Trades with begin <= time < end (microseconds), lazily."""
        first, last = begin // (LEAF * MICROS), (end - 1) // (LEAF * MICROS)
        leaves = range(last, first - 1, -1) if newest_first else range(first, last + 1)
        for leaf in leaves:
            trades = [trade for trade in self.trades(leaf) if begin <= trade.at < end]
            yield from reversed(trades) if newest_first else trades

    def last_trade(self, now: int) -> Trade | None:
        """The newest trade that is not in the future."""
        leaf = now // (LEAF * MICROS)
        for candidate in (leaf, leaf - 1):
            past = [trade for trade in self.trades(candidate) if trade.at <= now]
            if past:
                return past[-1]
        return None

    def _inside(self, begin: int, end: int) -> list[Change]:
        return [change for change in self._changes if begin <= change.at < end]

    def _bent_inside(self, begin: int, end: int) -> bool:
        place = bisect_right(self._changes, begin - 1, key=lambda change: change.at)
        return place < len(self._changes) and self._changes[place].at < end


def _bent(price: int, change: Change | None) -> int:
    if change is None:
        return price
    if change.kind == PIN:
        return change.over
    return max(1, (price * change.over + change.under // 2) // change.under)


def _bent_candle(candle: Candle, change: Change | None) -> Candle:
    if change is None:
        return candle
    return candle._replace(
        o=_bent(candle.o, change),
        h=_bent(candle.h, change),
        low=_bent(candle.low, change),
        c=_bent(candle.c, change),
    )
