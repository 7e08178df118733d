"""What the books of an installation are compared with."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from bitcurrent.integrations.alpaca.adapter import AlpacaVenue
from bitcurrent.reconciliation.checks import checks_of
from bitcurrent.reconciliation.model import Pace as Looks
from bitcurrent.reconciliation.ports import VenueBooks
from bitcurrent.reconciliation.reconciling import Check
from bitcurrent.reconciliation.table_commands import Books
from bitcurrent.settings import Settings
from bitcurrent.wiring.brokerage import Brokerage
from bitcurrent.wiring.opening import open_brokerage


def checks_for(brokerage: Brokerage, venue: VenueBooks) -> Sequence[Check]:
    """Everything that the books of this installation are compared with."""
    settings = brokerage.settings
    return checks_of(
        brokerage.database,
        venue,
        brokerage.processor,
        looks_of(settings),
        books_payouts=settings.stripe_payouts == "automatic",
        processor_since=settings.processor_since(),
    )


@asynccontextmanager
async def open_books(settings: Settings) -> AsyncIterator[Books]:
    """What `bitcurrent reconcile` compares, until the block ends."""
    async with open_brokerage(settings) as brokerage, AlpacaVenue.connect(settings) as venue:
        yield Books(database=brokerage.database, breaks=brokerage.breaks, checks=checks_for(brokerage, venue))


def looks_of(settings: Settings) -> Looks:
    """How patient this installation compares."""
    return Looks(every=settings.reconcile_seconds)
