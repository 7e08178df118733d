"""What the operator can tune while the venue runs."""

from decimal import Decimal

import msgspec


class VenueSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Fees in basis points, latencies in milliseconds, limits; every member has the venue's usual value.

    `depth_usd` is what each price of every book offers (0: as the coin's market has it).
    """

    taker_bps: Decimal = Decimal(25)
    maker_bps: Decimal = Decimal(15)
    fill_latency_ms: int = 25
    cancel_latency_ms: int = 0
    tick_ms: int = 500
    depth_usd: int = 0
    fee_seconds: int = 30
    fees_paused: bool = False
    hold_fills: bool = False
    hold_fills_symbols: list[str] = []
    whitelist_seconds: int = 86_400
    transfer_ms: int = 2_000
    transfer_fee_factor: Decimal = Decimal(1)
    hold_transfers: bool = False
    requests_per_minute: int = 200
    data_requests_per_minute: int = 10_000
    max_trading_connections: int = 5
    max_data_connections: int = 20
    auth_timeout_seconds: int = 10
    trading_binary: bool = True
    trading_silent: bool = False
    data_silent: bool = False

    def holds(self, symbol: str) -> bool:
        """Whether fills of this coin are held back."""
        return self.hold_fills or symbol in self.hold_fills_symbols
