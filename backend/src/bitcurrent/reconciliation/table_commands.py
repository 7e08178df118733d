"""`bitcurrent reconcile`: our books beside those of venue, processor and bank, for people and for programs."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import msgspec
from rich.console import Console
from rich.table import Table

from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.money import plain
from bitcurrent.reconciliation import reconciling
from bitcurrent.reconciliation.breaks import Breaks
from bitcurrent.reconciliation.model import Break, BreakFilter, BreakState, Row
from bitcurrent.reconciliation.reconciling import Check, Result, told

EXIT_AGREES, EXIT_DIFFERS, EXIT_NOT_ASKED = 0, 1, 2
LOOKS: Final = 3
PAUSE_SECONDS: Final = 2.0
BREAKS_SHOWN: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What a comparison needs: our database, the breaks, and whom to compare with."""

    database: Database
    breaks: Breaks
    checks: Sequence[Check]


Opener = Callable[[], AbstractAsyncContextManager[Books]]


def reconcile(
    opener: Opener, *, as_json: bool = False, wholly: bool = False, looks: int = LOOKS, console: Console | None = None
) -> int:
    """Compare, changing nothing: 0 everything agrees, 1 something differs or a break is open, 2 not all was asked.

    What differs is looked at again before it is told: something may have been on its way.
    """
    console = console or Console()
    try:
        result, breaks = asyncio.run(_compare(opener, wholly=wholly, looks=looks))
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        console.print(f"The books cannot be read: {type(error).__name__}: {error}", style="red", markup=False)
        return EXIT_NOT_ASKED
    if as_json:
        text = msgspec.json.encode(_as_data(result, breaks)).decode()
        console.print(text, soft_wrap=True, markup=False, highlight=False)
    else:
        show(result, breaks, console)
    if result.findings or breaks:
        return EXIT_DIFFERS
    return EXIT_NOT_ASKED if result.troubles else EXIT_AGREES


def show(result: Result, breaks: Sequence[Break], console: Console) -> None:
    """Print the table, what differs now, and which breaks wait for a person."""
    console.print(table_of(result))
    for row in result.rows:
        if row.reasons:
            console.print(_explained(row), style="dim", markup=False, highlight=False)
    for trouble in result.troubles:
        console.print(trouble, style="yellow", markup=False)
    for finding in result.findings:
        console.print(f"  {finding.kind}: {finding.text}", style="red", markup=False, highlight=False)
    for each in breaks:
        age = each.age_seconds(now())
        console.print(
            f"  Break {each.id} ({each.state}, {age // 3600} h {age % 3600 // 60} min): {each.text}",
            style="red", markup=False, highlight=False,
        )  # fmt: skip
    if not result.findings and not breaks:
        style = "yellow" if result.troubles else "green"
        console.print(
            "Everything that could be asked agrees." if result.troubles else "Everything agrees.", style=style
        )


def table_of(result: Result) -> Table:
    """One row for each asset at each party; `Difference` is what nothing explains."""
    table = Table(title=f"Our books and theirs at {result.started_at:%Y-%m-%d %H:%M:%S} UTC", title_justify="left")
    table.add_column("Asset")
    table.add_column("Where")
    for name in ("Our books", "Theirs", "Difference"):
        table.add_column(name, justify="right", overflow="fold")
    for row in sorted(result.rows, key=lambda row: (row.asset, row.party)):
        table.add_row(
            row.asset,
            row.party.value,
            plain(row.ours),
            plain(row.theirs),
            f"[red]{plain(row.difference)}[/red]" if row.difference else "[green]0[/green]",
        )
    return table


def _explained(row: Row) -> str:
    parts = ", ".join(f"{plain(reason.amount)} {reason.what}" for reason in row.reasons)
    return f"  {row.asset} {row.party}: {parts}."


async def _compare(opener: Opener, *, wholly: bool, looks: int) -> tuple[Result, Sequence[Break]]:
    async with opener() as books:
        result, _ = await reconciling.look(books.checks, wholly=wholly)
        for _ in range(looks - 1):
            if result.agrees:
                break
            await asyncio.sleep(PAUSE_SECONDS)
            result, _ = await reconciling.look(books.checks, wholly=wholly)
        async with books.database.read() as connection:
            breaks = [
                each
                for state in (BreakState.OPEN, BreakState.ASSIGNED)
                for each in await books.breaks.search(connection, BreakFilter(state=state, limit=BREAKS_SHOWN))
            ]
    return result, breaks


def _as_data(result: Result, breaks: Sequence[Break]) -> dict[str, Any]:
    return {
        "at": result.started_at,
        "agrees": result.agrees and not breaks,
        "table": [told(row) for row in result.rows],
        "findings": [
            {
                "kind": each.kind,
                "party": each.party,
                "asset": each.asset,
                "subject": each.subject,
                "expected": plain(each.expected),
                "found": plain(each.found),
                "difference": plain(each.difference),
                "text": each.text,
            }
            for each in result.findings
        ],
        "troubles": result.troubles,
        "breaks": [
            {
                "id": each.id,
                "kind": each.kind,
                "asset": each.asset,
                "state": each.state,
                "difference": plain(each.difference),
                "age_seconds": each.age_seconds(now()),
                "owner": each.owner,
                "text": each.text,
            }
            for each in breaks
        ],
    }
