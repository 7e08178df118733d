"""`bitcurrent ledger verify`: the proof of the books, for people as a table and for programs as JSON."""

import asyncio
from dataclasses import replace
from typing import Any

import asyncpg
import msgspec
from rich.console import Console
from rich.table import Table

from bitcurrent.kernel.database import Database
from bitcurrent.ledger.verification import Finding, Report
from bitcurrent.reconciliation.service import verify as prove
from bitcurrent.reconciliation.service import verify_audit_log
from bitcurrent.settings import Settings

EXIT_KEPT, EXIT_BROKEN, EXIT_NOT_ASKED = 0, 1, 2


def verify(settings: Settings, *, as_json: bool = False, console: Console | None = None) -> int:
    """Prove the laws on the live books; the exit code: 0 all kept, 1 one is broken, 2 the database cannot be asked."""
    console = console or Console()
    try:
        report = asyncio.run(_prove(settings.database_url))
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        console.print(f"The books cannot be read: {type(error).__name__}: {error}", style="red", markup=False)
        return EXIT_NOT_ASKED
    if as_json:
        console.print(msgspec.json.encode(_as_data(report)).decode(), soft_wrap=True, markup=False, highlight=False)
    else:
        show(report, console)
    return EXIT_KEPT if report.holds else EXIT_BROKEN


def show(report: Report, console: Console) -> None:
    """Print a report as a table, then the first breaks of each law that does not hold."""
    console.print(table_of(report))
    for finding in report.broken:
        _show_breaks(finding, console)
    if report.holds:
        console.print(f"All {len(report.findings)} laws are kept.", style="green")


def table_of(report: Report) -> Table:
    """One row for each law: what it says, how much was checked, whether it is kept."""
    table = Table(title=f"The books as of {report.as_of:%Y-%m-%d %H:%M:%S} UTC", title_justify="left")
    table.add_column("Law")
    table.add_column("What it says")
    table.add_column("Checked", justify="right")
    table.add_column("Time", justify="right")
    table.add_column("Result")
    for finding in report.findings:
        table.add_row(
            finding.law.key,
            finding.law.title,
            f"{finding.checked:,} {finding.law.subject}",
            f"{finding.seconds:.2f} s",
            f"[red]{finding.broken:,} BROKEN[/red]" if finding.broken else "[green]kept[/green]",
        )
    return table


def _show_breaks(finding: Finding, console: Console) -> None:
    console.print(f"\n{finding.law.key} {finding.law.title}: {finding.broken:,} broken. The first:", style="red")
    for text in finding.breaks:
        console.print(f"  {text}", markup=False, highlight=False)


async def _prove(url: str) -> Report:
    database = await Database.connect(url, connections_min=1, connections_max=1)
    try:
        async with database.read() as connection:
            report = await prove(connection)
            return replace(report, findings=(*report.findings, await verify_audit_log(connection)))
    finally:
        await database.close()


def _as_data(report: Report) -> dict[str, Any]:
    return {
        "as_of": report.as_of,
        "kept": report.holds,
        "laws": [
            {
                "law": finding.law.key,
                "title": finding.law.title,
                "subject": finding.law.subject,
                "checked": finding.checked,
                "broken": finding.broken,
                "breaks": finding.breaks,
                "milliseconds": round(finding.seconds * 1000),
            }
            for finding in report.findings
        ],
    }
