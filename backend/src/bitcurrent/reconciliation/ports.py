"""What reconciliation asks of the venue: its own books, read only. The processor's port is in `funding.ports`."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from bitcurrent.trading.ports import VenueFee, VenueFill, VenueHoldings, VenueOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueMovement:
    """Cash or coins that came to the venue's account (positive) or left it, outside of trading and its fees."""

    activity_id: str
    kind: str
    """The venue's own word: CSD, CSW, OCT, …"""
    asset: str
    amount: Decimal
    happened_at: datetime
    transfer_id: str | None = None
    """The wallet's transfer that it tells of, if it does."""


class VenueBooks(Protocol):
    """The venue's account as it stands. Every call raises `VenueError` or `VenueBusy` when it cannot be asked."""

    async def holdings(self) -> VenueHoldings:
        """Cash and positions now."""
        ...

    async def open_orders(self) -> list[VenueOrder]:
        """Every order that the venue holds open in the account."""
        ...

    async def executions_after(self, cursor: str | None) -> tuple[list[VenueFill], str | None]:
        """Fills after a cursor, oldest first, known by the venue's order ids only, and the cursor behind them."""
        ...

    async def fills_of(self, venue_order_id: str) -> list[VenueFill]:
        """Every fill of one order."""
        ...

    async def fees_after(self, cursor: str | None) -> tuple[list[VenueFee], str | None]:
        """Fees after a cursor, oldest first, and the cursor behind them."""
        ...

    async def movements_after(self, cursor: str | None) -> tuple[list[VenueMovement], str | None]:
        """Everything else that moved cash or coins after a cursor, oldest first, and the cursor behind it."""
        ...
