"""Journeys run against the whole system as processes; the venue's bitcoin costs 50,000 dollars and stands still."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import httpx
import pytest

from tests.support.own_api import Contract, read_contract
from tests.support.system import System, eventually
from tests.support.visitors import Visitor, visitor

PRICE = Decimal(50_000)


@pytest.fixture(scope="session")
def contract(system: System) -> Contract:
    """The running API's own document: every answer of every journey is held to it."""
    return read_contract(system.url)


@pytest.fixture(autouse=True)
def still_prices(system: System) -> Iterator[None]:
    """Bitcoin at its price before, the laws kept after."""
    system.sandbox.control("reset")
    system.sandbox.control("price", symbol="BTC/USD", price=str(PRICE))
    eventually(lambda: _ask(system) and abs(_ask(system) - PRICE) < PRICE / 100, seconds=20)
    yield
    system.sandbox.control("reset")
    assert system.broken_laws() == []


def _ask(system: System) -> Decimal:
    market = httpx.get(f"{system.url}/api/markets/BTC-USD", timeout=5).json()
    return Decimal(market["ask"]) if market["ask"] and not market["stale"] else Decimal(0)


@pytest.fixture
async def ann(system: System, contract: Contract) -> AsyncIterator[Visitor]:
    """A customer who has just registered, with 10,000 USD."""
    async with visitor(system, contract, USD="10000") as one:
        yield one


@pytest.fixture
async def ben(system: System, contract: Contract) -> AsyncIterator[Visitor]:
    """Somebody else, with 10,000 USD."""
    async with visitor(system, contract, USD="10000") as one:
        yield one
