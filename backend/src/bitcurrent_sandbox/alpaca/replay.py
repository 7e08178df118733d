"""Real candles from a CSV file drive one coin's price, from the moment the replay began.

Inside a candle the price runs in straight lines: open, the nearer extreme, the other, close. So the candle of
any stretch of time follows exactly, at any speed. Before the replay the coin keeps its made-up history,
scaled so that it meets the first open; after the last candle the price stands still.
"""

import csv
import gzip
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, TextIO

from bitcurrent_sandbox.alpaca.assets import Coin
from bitcurrent_sandbox.alpaca.candles import FINER, LEAF, MICROS, MINUTE, Candle, Source, Trade, merge

_ROWS_MAX: Final = 2_000_000
_LEGS: Final = (0.0, 0.25, 0.75, 1.0)
_TRADES: Final = 4


class ReplayFileError(ValueError):
    """The file is not a list of candles in time order."""


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", newline="") as file:
            yield file
    else:
        with path.open(newline="") as file:
            yield file


def _seconds(text: str) -> int:
    """Unix seconds of an ISO time (UTC when it names no zone), or of a count of (milli)seconds."""
    if text.isdigit():
        number = int(text)
        return number // 1000 if number > 10**11 else number
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def read_candles(path: Path, coin: Coin) -> list[Candle]:
    """Read `open_time,open,high,low,close,volume` rows; a gap repeats the last close without volume.

    Raises ReplayFileError with the line number when a row is out of order or makes no sense.
    """
    candles: list[Candle] = []
    times: list[int] = []
    with _opened(path) as file:
        rows = csv.DictReader(file)
        for line, row in enumerate(rows, start=2):
            if line > _ROWS_MAX:
                raise ReplayFileError(f"{path.name} has more than {_ROWS_MAX} rows")
            try:
                at = _seconds(row["open_time"])
                o, h, low, c = (int(Decimal(row[k]) / coin.price_step) for k in ("open", "high", "low", "close"))
                volume = int(Decimal(row["volume"]) / coin.volume_step)
            except (KeyError, ValueError, TypeError, ArithmeticError) as error:
                raise ReplayFileError(f"{path.name} line {line}: {error!r}") from error
            if not 0 < low <= min(o, c) <= max(o, c) <= h or (times and at <= times[-1]):
                raise ReplayFileError(f"{path.name} line {line}: not a candle in time order")
            if times:
                last = candles[-1].c
                missing = (at - times[-1]) // MINUTE - 1
                candles.extend([Candle(last, last, last, last, 0, 0)] * min(missing, _ROWS_MAX - len(candles)))
            times.append(at)
            candles.append(Candle(o, h, low, c, volume, 0))
    if not candles:
        raise ReplayFileError(f"{path.name} holds no candles")
    return candles


class ReplaySource:
    """A Source whose price comes from `candles` (a minute each) from `start` on, `speed` times as fast."""

    def __init__(self, candles: Sequence[Candle], *, start: int, speed: float, before: Source) -> None:
        self._candles = candles
        self._start = start
        self._speed = speed
        self._before = before
        self._volumes = [0]
        for candle in candles:
            self._volumes.append(self._volumes[-1] + candle.v)
        joint = before.candle(LEAF, start // LEAF)
        self._scale = (candles[0].o, joint.o if joint else 1)

    def candle(self, level: int, index: int) -> Candle | None:
        """The whole candle of that stretch of wall-clock time."""
        begin, end = index * level, (index + 1) * level
        if end <= self._start:
            made_up = self._before.candle(level, index)
            return self._scaled(made_up) if made_up else None
        if begin >= self._start:
            return self._between(begin, end)
        finer = FINER[level]
        children = (self.candle(finer, child) for child in range(begin // finer, end // finer))
        return merge(child for child in children if child)

    def trades(self, leaf: int) -> Sequence[Trade]:
        """Four trades: the open, the extremes in the order in which they came, the close."""
        if (leaf + 1) * LEAF <= self._start:
            return [trade._replace(price=self._scaled_price(trade.price)) for trade in self._before.trades(leaf)]
        begin, end = leaf * LEAF, (leaf + 1) * LEAF
        points = self._path(self._position(begin), self._position(end))
        extremes = sorted((points.index(max(points)), points.index(min(points))))
        prices = [points[0], *(points[place] for place in extremes), points[-1]]
        volume = self._volume(begin, end)
        slot = LEAF * MICROS // _TRADES
        trades, before = [], prices[0]
        for place, price in enumerate(prices):
            size = volume * (place + 1) // _TRADES - volume * place // _TRADES
            at = begin * MICROS + place * slot
            trades.append(Trade(at=at, price=price, size=size, id=leaf * 10_000 + place, buy=price >= before))
            before = price
        return trades

    def _between(self, begin: int, end: int) -> Candle:
        points = self._path(self._position(begin), self._position(end))
        return Candle(
            o=points[0],
            h=max(points),
            low=min(points),
            c=points[-1],
            v=self._volume(begin, end),
            n=_TRADES * ((end - begin) // LEAF),
        )

    def _position(self, second: int) -> float:
        """How many candles have passed; never more than there are."""
        return min(float(len(self._candles)), (second - self._start) * self._speed / MINUTE)

    def _volume(self, begin: int, end: int) -> int:
        return self._volume_until(self._position(end)) - self._volume_until(self._position(begin))

    def _volume_until(self, position: float) -> int:
        whole = int(position)
        if whole >= len(self._candles):
            return self._volumes[-1]
        return self._volumes[whole] + int(self._candles[whole].v * (position - whole))

    def _path(self, start: float, end: float) -> list[int]:
        """The turning points from one position to another, both ends included."""
        first, last = int(start), min(math.ceil(end), len(self._candles))
        if first >= len(self._candles) or last <= first:
            return [self._candles[-1].c if first >= len(self._candles) else self._at(first, start - first)]
        points: list[int] = []
        for number in range(first, last):
            a = start - number if number == first else 0.0
            b = end - number if number == last - 1 else 1.0
            points.append(self._at(number, a))
            turns = self._turns(number)
            points.extend(turns[leg] for leg in (1, 2) if a < _LEGS[leg] < b)
            points.append(self._at(number, b))
        return points

    def _turns(self, number: int) -> tuple[int, int, int, int]:
        candle = self._candles[number]
        if candle.c >= candle.o:
            return candle.o, candle.low, candle.h, candle.c
        return candle.o, candle.h, candle.low, candle.c

    def _at(self, number: int, fraction: float) -> int:
        turns = self._turns(number)
        leg = min(2, bisect_right(_LEGS, fraction) - 1)
        passed = (fraction - _LEGS[leg]) / (_LEGS[leg + 1] - _LEGS[leg])
        return round(turns[leg] + (turns[leg + 1] - turns[leg]) * passed)

    def _scaled_price(self, price: int) -> int:
        over, under = self._scale
        return max(1, (price * over + under // 2) // under)

    def _scaled(self, candle: Candle) -> Candle:
        p = self._scaled_price
        return candle._replace(o=p(candle.o), h=p(candle.h), low=p(candle.low), c=p(candle.c))
