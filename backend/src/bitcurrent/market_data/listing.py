"""The list of all markets, encoded once for everyone who asks: the page that is read more than any other."""

import gzip
import hashlib
import time
from collections.abc import Callable
from typing import Final

import msgspec

from bitcurrent.market_data.schemas import MarketAnswer, market_answer
from bitcurrent.market_data.service import MarketData
from bitcurrent.web import json
from bitcurrent.web.schemas import Page

SECONDS_BETWEEN: Final = 0.1
"""Prices change at most ten times a second; so often is the list made anew."""

AGE_SECONDS: Final = 1.0
"""How long a list without changes is given out: its ages are told in whole seconds."""


class MarketList:
    """Every market with its prices, as values and as bytes with an entity tag."""

    def __init__(self, market_data: MarketData, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._market_data = market_data
        self._clock = clock
        self._made_at: float | None = None
        self._made_of = market_data.version
        self._body = b""
        self._compressed = b""
        self._tag = ""

    def page(self) -> Page[MarketAnswer]:
        """All markets, by symbol."""
        known = self._market_data
        return Page(
            items=[
                market_answer(market, known.find_quote(market.symbol), known.day(market.symbol))
                for market in known.markets
            ]
        )

    def encoded(self, *, compressed: bool = False) -> tuple[bytes, str]:
        """The page as JSON (gzip when `compressed`) and its weak entity tag.

        The tag stands for figures and staleness, not for ages.
        """
        moment, version = self._clock(), self._market_data.version
        wait = AGE_SECONDS if version == self._made_of else SECONDS_BETWEEN
        if self._made_at is None or moment - self._made_at >= wait:
            self._made_of, self._made_at = version, moment
            page = self.page()
            self._body = json.encode(page)
            self._compressed = b""
            ageless = [msgspec.structs.replace(item, age_seconds=None) for item in page.items]
            self._tag = f'W/"{hashlib.sha256(json.encode(ageless)).hexdigest()[:32]}"'
        if not compressed:
            return self._body, self._tag
        if not self._compressed:
            self._compressed = gzip.compress(self._body, compresslevel=5)
        return self._compressed, self._tag
