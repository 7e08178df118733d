"""Solvency's chore, a report each day, and `bitcurrent solvency report`."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import asyncpg
import msgspec
import structlog
from rich.console import Console
from rich.table import Table

from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.money import plain
from bitcurrent.reconciliation import reconciling
from bitcurrent.reconciliation.model import Party
from bitcurrent.reconciliation.reconciling import Result, told
from bitcurrent.reconciliation.solvency.model import Holdings, SolvencyReport
from bitcurrent.reconciliation.solvency.schemas import solvency_answer
from bitcurrent.reconciliation.solvency.service import Solvency
from bitcurrent.reconciliation.table_commands import Opener
from bitcurrent.settings import Settings
from bitcurrent.web.amounts import write_amount

log = structlog.get_logger(__name__)

EVERY: Final = timedelta(days=1)
RUN_AGE_MAX: Final = timedelta(minutes=15)
"""What the keepers said longer ago than this is not set beside what is owed now."""
EXIT_SOLVENT, EXIT_SHORT, EXIT_NOT_ASKED = 0, 1, 2


async def keep_reporting(database: Database, solvency: Solvency) -> None:
    """Make the day's report when it is due; may be called as often as one likes."""
    async with database.read() as connection:
        reports = await solvency.reports(connection, before=None, limit=1)
        run = await reconciling.last_run(connection)
    moment = now()
    if reports and moment - reports[0].as_of < EVERY:
        return
    if run is None or moment - run.finished_at > RUN_AGE_MAX:
        return  # reconciliation has not spoken yet: at the next look
    report = await solvency.make(holdings_of(run.table, run.troubles))
    if not report.solvent:
        log.error("solvency_not_proven", report=str(report.id), books_hold=report.books_hold)


def holdings_of(rows: Sequence[Mapping[str, Any]], troubles: Sequence[str]) -> dict[str, Holdings]:
    """What each keeper said lies there, by asset; None for a keeper who could not be asked."""
    silent = {party for party in Party if any(trouble.startswith(f"The {party} ") for trouble in troubles)}
    said = {(row["asset"], row["party"]): Decimal(row["theirs"]) for row in rows}

    def there(asset: str, party: Party) -> Decimal | None:
        return said.get((asset, party.value), None if party in silent else Decimal(0))

    return {
        asset: Holdings(
            venue=there(asset, Party.VENUE),
            processor=there(asset, Party.PROCESSOR),
            bank=there(asset, Party.BANK),
        )
        for asset in sorted({asset for asset, _ in said})
    }


def report(opener: Opener, settings: Settings, *, as_json: bool, console: Console | None = None) -> int:
    """Ask every keeper, make a report, show it: 0 solvent, 1 short or the books are wrong, 2 not all could be asked."""
    console = console or Console()
    try:
        made, result = asyncio.run(_make(opener, settings))
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        console.print(f"The books cannot be read: {type(error).__name__}: {error}", style="red", markup=False)
        return EXIT_NOT_ASKED
    if as_json:
        body = msgspec.json.encode(msgspec.to_builtins(solvency_answer(made), enc_hook=write_amount))
        console.print(body.decode(), soft_wrap=True, markup=False, highlight=False)
    else:
        show(made, result.troubles, console)
    if made.solvent:
        return EXIT_SOLVENT
    short = not made.books_hold or any(asset.covered is False for asset in made.assets)
    return EXIT_SHORT if short else EXIT_NOT_ASKED


def show(made: SolvencyReport, troubles: Sequence[str], console: Console) -> None:
    """Print a report as a table."""
    table = Table(title=f"Owed and there at {made.as_of:%Y-%m-%d %H:%M:%S} UTC", title_justify="left")
    for name in ("Asset", "Owed", "There", "Covered"):
        table.add_column(name, justify="right" if name in ("Owed", "There") else "left")
    words = {True: "[green]yes[/green]", False: "[red]SHORT[/red]", None: "[yellow]not known[/yellow]"}
    for each in made.assets:
        there = each.holdings.total
        table.add_row(each.asset, plain(each.owed), "?" if there is None else plain(there), words[each.covered])
    console.print(table)
    for each in made.assets:
        keepers = {"venue": each.holdings.venue, "processor": each.holdings.processor, "bank": each.holdings.bank}
        kept = ", ".join(f"{name} {'?' if amount is None else plain(amount)}" for name, amount in keepers.items())
        console.print(f"{each.asset}: owed to {each.customers:,} customers; {kept}.", markup=False, highlight=False)
        console.print(f"  root {each.root.hex()}", markup=False, highlight=False)
    for trouble in troubles:
        console.print(trouble, style="yellow", markup=False)
    if not made.books_hold:
        console.print("The laws of the ledger do not hold: see `bitcurrent ledger verify`.", style="red")
    signed = f"signed by key {made.key_id}" if made.key_id else "not signed: BITCURRENT_AUDIT_SIGNING_KEY is not set"
    console.print(f"Report {made.id}, {signed}.", markup=False)


async def _make(opener: Opener, settings: Settings) -> tuple[SolvencyReport, Result]:
    async with opener() as books:
        result, _ = await reconciling.look(books.checks)
        holdings = holdings_of([told(row) for row in result.rows], result.troubles)
        return await Solvency.of(settings, books.database).make(holdings), result
