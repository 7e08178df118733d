"""The central bank's file: read, dated, kept for a minute, and never believed when it is something else."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from bitcurrent.funding.conversions.model import RateStale
from bitcurrent.funding.conversions.rates import Rates
from bitcurrent.integrations.ecb import adapter
from bitcurrent.integrations.ecb.adapter import EcbRates, RatesUnavailable, read_rates
from bitcurrent.kernel.clock import now
from tests.support.sandbox import Sandbox

PUBLISHED = b"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
    xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
  <gesmes:subject>Reference rates</gesmes:subject>
  <gesmes:Sender><gesmes:name>European Central Bank</gesmes:name></gesmes:Sender>
  <Cube><Cube time='2026-01-30'><Cube currency='USD' rate='1.25'/><Cube currency='JPY' rate='160.1'/>
  <Cube currency='GBP' rate='0.8'/></Cube></Cube>
</gesmes:Envelope>"""
BOMB = b'<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'


def test_the_published_form_is_read() -> None:
    rates = read_rates(PUBLISHED)
    assert rates.day.isoformat() == "2026-01-30"
    assert rates.for_one_euro == {"EUR": Decimal(1), "USD": Decimal("1.25"), "GBP": Decimal("0.8")}


@pytest.mark.parametrize(
    "body",
    [b"", b"<html/>", BOMB, PUBLISHED.replace(b"1.25", b"-1"), PUBLISHED.replace(b"1.25", b"NaN"), b"\xff\xfe"],
)
def test_what_is_no_publication_is_not_read(body: bytes) -> None:
    with pytest.raises(adapter._Unreadable):
        read_rates(body)


def _set(sandbox: Sandbox, **wish: Any) -> None:
    assert httpx.post(f"{sandbox.url}/sandbox/rates", json=wish, timeout=5).status_code == 204


async def test_rates_come_from_the_address_and_age(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/ecb/stats/eurofxref/eurofxref-daily.xml"
    try:
        day = (now() - timedelta(days=3)).date()
        await asyncio.to_thread(lambda: _set(sandbox, rates={"USD": "1.2", "GBP": "0.8"}, day=day.isoformat()))
        async with EcbRates.connect(url) as source:
            middle, at, who = await source.middle(base="GBP", quote="USD")
            assert (middle, who, at.date()) == (Decimal("1.5"), "ecb", day)
            assert (await Rates(source, age_seconds_max=432_000).middle("USD", "EUR")).middle == Decimal("0.83333333")
            with pytest.raises(RateStale) as stale:
                await Rates(source, age_seconds_max=3_600).middle("USD", "EUR")
            assert stale.value.details["age_seconds_max"] == "3600"
            assert await Rates(source, age_seconds_max=3_600).find_worth("EUR") is None
    finally:
        await asyncio.to_thread(lambda: httpx.delete(f"{sandbox.url}/sandbox/rates", timeout=5))


async def test_an_outage_leaves_what_is_known_and_says_so_when_nothing_is(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/ecb/stats/eurofxref/eurofxref-daily.xml"
    async with EcbRates.connect(url) as source:
        first = await source.middle(base="EUR", quote="USD")
        await asyncio.to_thread(lambda: _set(sandbox, fail=[503]))
        source._ask_at = 0.0
        assert await source.middle(base="EUR", quote="USD") == first
        assert source._ask_at > 0, "the source is left alone for a while"
    async with EcbRates.connect("http://127.0.0.1:9/none") as source:
        with pytest.raises(RatesUnavailable):
            await source.middle(base="EUR", quote="USD")
