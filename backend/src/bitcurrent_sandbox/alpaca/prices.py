"""Made-up but believable prices: a pure function of the seed and the time.

Days follow a market factor and a factor of the coin's own, each with clustering volatility (GARCH(1,1)),
pulled gently to the coin's base price; inside a day `candles.split` makes the rest. Nothing is
stored: a restart, or another process with the same seed, sees the same series.
"""

import math
import random
from collections.abc import Callable, Sequence
from datetime import date
from functools import lru_cache
from typing import Final

from bitcurrent_sandbox.alpaca.assets import Coin
from bitcurrent_sandbox.alpaca.candles import (
    DAY,
    HOUR,
    LEAF,
    LEAST_TRADES,
    LEAST_VOLUME,
    MINUTE,
    Candle,
    Trade,
    seeded,
    split,
    trades_of,
)

FIRST_DAY: Final = (date(2025, 1, 1) - date(1970, 1, 1)).days
"""Days since 1970 on which every series begins."""

_PULL: Final = 0.004
_PARTS: Final = {DAY: 24, HOUR: 60, MINUTE: 12}
_COARSER: Final = {HOUR: DAY, MINUTE: HOUR, LEAF: MINUTE}
_MARKET_VOLATILITY: Final = 0.022


class Garch:
    """Daily returns whose variance remembers the last ones; unconditional deviation `sigma`."""

    def __init__(self, sigma: float, rng: random.Random) -> None:
        self._rng = rng
        self._mean = sigma * sigma
        self._variance = self._mean

    def step(self) -> tuple[float, float]:
        """The next day's return and the deviation it was drawn with."""
        deviation = math.sqrt(self._variance)
        change = max(-4.0, min(4.0, self._rng.gauss(0.0, 1.0))) * deviation
        self._variance = 0.06 * self._mean + 0.10 * change * change + 0.84 * self._variance
        return change, deviation


class MarketFactor:
    """What moves all coins together; shared by every series of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._garch = Garch(_MARKET_VOLATILITY, seeded(f"{seed}|market"))
        self._days: list[tuple[float, float]] = []
        self.draws = lru_cache(maxsize=256)(self._draws)

    def day(self, offset: int) -> tuple[float, float]:
        """Return and deviation of the day `offset` days after the first."""
        while len(self._days) <= offset:
            self._days.append(self._garch.step())
        return self._days[offset]

    def _draws(self, level: int, index: int) -> tuple[float, ...]:
        rng = seeded(f"{self.seed}|market|{level}|{index}")
        return tuple(rng.gauss(0.0, 1.0) for _ in range(_PARTS[level]))


class SyntheticSource:
    """One coin's series."""

    def __init__(self, coin: Coin, market: MarketFactor) -> None:
        self._coin = coin
        self._market = market
        self._name = f"{market.seed}|{coin.symbol}"
        self._rng = seeded(self._name)
        self._garch = Garch(coin.volatility, seeded(f"{self._name}|own"))
        self._loading = min(0.9, coin.beta * _MARKET_VOLATILITY / math.hypot(_MARKET_VOLATILITY * 1.1, coin.volatility))
        self._drift = 0.0
        self._days: list[Candle] = []
        # Bounded memory: at most about a thousand hours and a few hundred minutes of each coin.
        sizes = {DAY: 40, HOUR: 12, MINUTE: 8}
        self._split = {level: lru_cache(maxsize=size)(self._splitter(level)) for level, size in sizes.items()}
        self.trades = lru_cache(maxsize=16)(self._trades)

    def candle(self, level: int, index: int) -> Candle | None:
        """The whole candle, or None before the first day."""
        if level == DAY:
            return self._day(index)
        above = _COARSER[level]
        ratio = above // level
        parts = self._split[above](index // ratio)
        return parts[index % ratio] if parts else None

    def _trades(self, leaf: int) -> Sequence[Trade]:
        candle = self.candle(LEAF, leaf)
        if candle is None:
            return ()
        return trades_of(candle, leaf, seeded(f"{self._name}|trades|{leaf}"))

    def _splitter(self, level: int) -> Callable[[int], list[Candle] | None]:
        def parts(index: int) -> list[Candle] | None:
            parent = self.candle(level, index)
            if parent is None:
                return None
            rng = seeded(f"{self._name}|{level}|{index}")
            shared = self._market.draws(level, index)
            return split(parent, level=level, rng=rng, shared=shared, loading=self._loading)

        return parts

    def _day(self, index: int) -> Candle | None:
        offset = index - FIRST_DAY
        if offset < 0:
            return None
        while len(self._days) <= offset:
            self._days.append(self._next_day())
        return self._days[offset]

    def _next_day(self) -> Candle:
        common, common_deviation = self._market.day(len(self._days))
        own, own_deviation = self._garch.step()
        before = self._days[-1].c if self._days else self._steps(self._drift)
        pull = _PULL if self._coin.beta else 0.5  # a stablecoin comes back within days
        self._drift += self._coin.beta * common + own - pull * self._drift
        close = self._steps(self._drift)
        deviation = math.hypot(self._coin.beta * common_deviation, own_deviation)
        high = round(max(before, close) * (1 + 0.55 * deviation * abs(self._rng.gauss(0.0, 1.0))))
        low = max(1, round(min(before, close) * (1 - 0.55 * deviation * abs(self._rng.gauss(0.0, 1.0)))))
        # Busy days are wild days.
        typical = math.hypot(self._coin.beta * _MARKET_VOLATILITY, self._coin.volatility)
        busy = (0.5 + 0.5 * deviation / typical) * math.exp(self._rng.gauss(0.0, 0.25))
        price = close * float(self._coin.price_step)
        volume = int(self._coin.turnover_usd * busy / price / float(self._coin.volume_step))
        leaves = DAY // LEAF
        return Candle(
            o=before,
            h=max(high, before, close),
            low=min(low, before, close),
            c=close,
            v=max(volume, LEAST_VOLUME * leaves),
            n=LEAST_TRADES * leaves + int(40_000 * busy),
        )

    def _steps(self, drift: float) -> int:
        return max(1, round(float(self._coin.base_price) * math.exp(drift) / float(self._coin.price_step)))
