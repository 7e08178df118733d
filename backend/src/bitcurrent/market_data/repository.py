"""Assets and markets in PostgreSQL."""

from collections.abc import Iterable, Sequence

from bitcurrent.kernel.currencies import CURRENCIES
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.money import places
from bitcurrent.market_data.model import FIAT, Market, VenueMarket

SHOWN_PLACES_MAX = 9
MARKETS_MAX = 10_000

_COLUMNS = (
    "symbol, venue_asset_id, name, base, quote, min_order_size, min_trade_increment, price_increment,"
    " tradable, halted_reason, updated_at"
)


async def load_markets(connection: Connection) -> list[Market]:
    """Every market that was ever listed."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM markets ORDER BY symbol LIMIT $1",
        MARKETS_MAX,
    )
    return [Market(**dict(row)) for row in rows]


async def save_listing(connection: Connection, listed: Sequence[VenueMarket]) -> None:
    """Write what the venue lists now: new and changed markets, and those that it lists no more as not tradable.

    A market is never deleted: orders and entries name it. Our own halts stay as they are.
    """
    # In one order, so that two that write at once wait for each other instead of deadlocking.
    markets = sorted(listed, key=lambda market: market.symbol)
    assets = sorted(_assets_of(markets))
    await connection.execute(
        """
        INSERT INTO assets (code, name, kind, shown_places)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::smallint[])
        ON CONFLICT (code) DO UPDATE
        SET name = excluded.name, kind = excluded.kind, shown_places = excluded.shown_places
        WHERE (assets.name, assets.kind, assets.shown_places)
            IS DISTINCT FROM (excluded.name, excluded.kind, excluded.shown_places)
        """,
        *(list(column) for column in zip(*assets, strict=True)),
    )
    await connection.executemany(
        """
        INSERT INTO markets (symbol, venue_asset_id, name, base, quote, min_order_size, min_trade_increment,
            price_increment, tradable, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now())
        ON CONFLICT (symbol) DO UPDATE
        SET venue_asset_id = excluded.venue_asset_id, name = excluded.name, base = excluded.base,
            quote = excluded.quote, min_order_size = excluded.min_order_size,
            min_trade_increment = excluded.min_trade_increment, price_increment = excluded.price_increment,
            tradable = excluded.tradable, updated_at = now()
        """,
        [
            (
                market.symbol,
                market.venue_asset_id,
                market.name,
                market.base,
                market.quote,
                market.min_order_size,
                market.min_trade_increment,
                market.price_increment,
                market.tradable,
            )
            for market in markets
        ],
    )
    await connection.execute(
        "UPDATE markets SET tradable = false, updated_at = now() WHERE tradable AND NOT symbol = ANY($1::text[])",
        [market.symbol for market in markets],
    )


async def set_halt(connection: Connection, symbol: str, reason: str | None) -> bool:
    """Halt a market for a reason, or (None) let it go on; whether that market exists."""
    done: str = await connection.execute("UPDATE markets SET halted_reason = $2 WHERE symbol = $1", symbol, reason)
    return done == "UPDATE 1"


def _assets_of(markets: Iterable[VenueMarket]) -> set[tuple[str, str, str, int]]:
    """Code, name, kind and decimals to show, of every asset that is bought or paid with."""
    assets = {str(one.code): (str(one.code), one.name, "fiat", one.places) for one in CURRENCIES.values()}
    for market in markets:
        for code in (market.base, market.quote):
            assets.setdefault(code, (code, code, "crypto", SHOWN_PLACES_MAX))
    for market in markets:
        if market.base not in FIAT:
            shown = min(SHOWN_PLACES_MAX, places(market.min_trade_increment))
            assets[market.base] = (market.base, market.name, "crypto", shown)
    return set(assets.values())
