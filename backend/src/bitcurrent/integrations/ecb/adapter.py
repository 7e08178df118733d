"""Reference rates from eurofxref-daily.xml: each currency's units for one euro, and the day that they are of.

The bank publishes at about 16:00 CET on working days (www.ecb.europa.eu, "Euro foreign exchange reference rates").
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as clock_time
from decimal import Decimal, InvalidOperation
from typing import Final, Self
from xml.etree.ElementTree import ParseError

import httpx
import structlog

from bitcurrent.kernel.cache import SingleFlight
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.currencies import CURRENCIES
from bitcurrent.kernel.errors import Unavailable
from bitcurrent.kernel.money import ROUGH

log = structlog.get_logger(__name__)

TIMEOUT: Final = httpx.Timeout(5.0, connect=2.0)
BYTES_MAX: Final = 256 * 1024
KEPT_SECONDS: Final = 60.0
AGAIN_SECONDS: Final = 5.0
"""After a failure the old rates are given out, and the source is left alone for so long."""
PUBLISHED_AT: Final = clock_time(15, 0, tzinfo=UTC)
RATE_STEP: Final = Decimal("0.00000001")
SOURCE: Final = "ecb"
_CUBE: Final = "{http://www.ecb.int/vocabulary/2002-08-01/eurofxref}Cube"


class RatesUnavailable(Unavailable):
    """The source does not answer, or says nothing that can be read, and nothing is known from before."""

    code = "rates_unavailable"
    title = "No exchange rates now"

    def __init__(self) -> None:
        super().__init__("Exchange rates are not available at the moment. Nothing was done; try again in a moment.")


class _Unreadable(Exception):
    """Not the document that we know."""


@dataclass(frozen=True, slots=True)
class ReferenceRates:
    """One publication: units of each of our currencies for one euro."""

    day: date
    for_one_euro: Mapping[str, Decimal]


def read_rates(body: bytes) -> ReferenceRates:
    """The publication in a document; raises _Unreadable. Currencies that we keep no balances in are left out."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(body)
        of_day = next(cube for cube in root.iter(_CUBE) if "time" in cube.attrib)
        rates = {"EUR": Decimal(1)}
        for cube in of_day.iter(_CUBE):
            if cube.get("currency") in CURRENCIES:
                rates[cube.attrib["currency"]] = Decimal(cube.attrib["rate"])
        day = date.fromisoformat(of_day.attrib["time"])
    except (ParseError, DefusedXmlException, StopIteration, KeyError, ValueError, InvalidOperation) as error:
        raise _Unreadable(f"{type(error).__name__}: {error}"[:200]) from error
    if not all(rate.is_finite() and rate > 0 for rate in rates.values()):
        raise _Unreadable("a rate is not positive")
    return ReferenceRates(day=day, for_one_euro=rates)


class EcbRates:
    """Rates of the newest publication, asked for at most once a minute."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url
        self._known: ReferenceRates | None = None
        self._seen_at = now()
        self._ask_at = 0.0
        self._flight: SingleFlight[None] = SingleFlight()

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str) -> AsyncIterator[Self]:
        """The source at that address, until the block ends. Nothing is sent yet."""
        async with httpx.AsyncClient(timeout=TIMEOUT, headers={"Accept": "application/xml"}) as client:
            yield cls(client, url)

    async def middle(self, *, base: str, quote: str) -> tuple[Decimal, datetime, str]:
        """See RateSource; the moment is the day's publication, never one that has not come yet."""
        if time.monotonic() >= self._ask_at:
            await self._flight.read("rates", self._ask)
        known = self._known
        if known is None or base not in known.for_one_euro or quote not in known.for_one_euro:
            raise RatesUnavailable
        rate = ROUGH.divide(known.for_one_euro[quote], known.for_one_euro[base]).quantize(RATE_STEP, context=ROUGH)
        return rate, min(datetime.combine(known.day, PUBLISHED_AT), self._seen_at), SOURCE

    async def _ask(self) -> None:
        """Read the publication; a failure leaves what is known, whose age tells how long that has gone on."""
        try:
            self._known = read_rates(await self._fetch())
        except (httpx.HTTPError, _Unreadable, TimeoutError) as error:
            self._ask_at = time.monotonic() + AGAIN_SECONDS
            log.warning("rates_not_read", error=f"{type(error).__name__}: {error}"[:200])
        else:
            self._seen_at = now()
            self._ask_at = time.monotonic() + KEPT_SECONDS

    async def _fetch(self) -> bytes:
        body = bytearray()
        async with self._client.stream("GET", self._url) as answer:
            answer.raise_for_status()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > BYTES_MAX:
                    raise _Unreadable(f"more than {BYTES_MAX} bytes")
        return bytes(body)
