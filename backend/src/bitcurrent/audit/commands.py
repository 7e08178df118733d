"""`bitcurrent audit …`: the proof of the log, for an operator or for an auditor who has no secret of ours."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from rich.console import Console
from rich.table import Table

from bitcurrent.audit.heads import KeyUnusable, Signer, key_id, public_text, read_public_key
from bitcurrent.audit.model import moment
from bitcurrent.audit.verification import Heads, Report
from bitcurrent.audit.verification import verify as prove
from bitcurrent.kernel.database import Database

EXIT_SOUND, EXIT_BROKEN, EXIT_NOT_ASKED = 0, 1, 2
READ_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


def verify(
    database_url: str,
    *,
    heads: Sequence[Path] = (),
    public_keys: Sequence[str] = (),
    signing_key: str = "",
    console: Console | None = None,
) -> int:
    """Prove the log; the exit code: 0 sound, 1 something is wrong, 2 it could not be looked at.

    Heads need a public key; it is taken from the signing key where that is at hand.
    """
    console = console or Console()
    try:
        keys = known_keys(public_keys, signing_key)
        if heads and not keys:
            raise KeyUnusable("Heads can be checked only with a public key: give one with --public-key.")
        report = asyncio.run(read_report(database_url, heads, keys))
    except KeyUnusable as error:
        console.print(str(error), style="red", markup=False)
        return EXIT_NOT_ASKED
    except READ_ERRORS as error:
        console.print(f"The log cannot be read: {type(error).__name__}: {error}", style="red", markup=False)
        return EXIT_NOT_ASKED
    show(report, console)
    return EXIT_SOUND if report.holds else EXIT_BROKEN


def show_public_key(signing_key: str, *, console: Console | None = None) -> int:
    """Print the public key that belongs to the signing key: what an auditor needs, and may have."""
    console = console or Console()
    try:
        signer = Signer.of(signing_key)
    except KeyUnusable as error:
        console.print(str(error), style="red", markup=False)
        return EXIT_NOT_ASKED
    console.print(public_text(signer.public_key), markup=False, highlight=False, soft_wrap=True)
    return EXIT_SOUND


def known_keys(public_keys: Sequence[str], signing_key: str) -> dict[str, Ed25519PublicKey]:
    """Public keys by their ids, with the one of the signing key. Raises KeyUnusable."""
    keys = [read_public_key(text) for text in public_keys]
    if signing_key:
        keys.append(Signer.of(signing_key).public_key)
    return {key_id(key): key for key in keys}


async def read_report(database_url: str, heads: Sequence[Path], keys: dict[str, Ed25519PublicKey]) -> Report:
    """The proof of the log at an address. Raises what PostgreSQL raises, and OSError for a file of heads."""
    taken = Heads.now(heads, keys)
    database = await Database.connect(database_url, connections_min=1, connections_max=1)
    try:
        async with database.read() as connection:
            return await prove(connection, taken)
    finally:
        await database.close()


def show(report: Report, console: Console) -> None:
    """Print every check, what it found first, and how far the heads reach."""
    table = Table(title=f"The audit log as of {report.as_of:%Y-%m-%d %H:%M:%S} UTC", title_justify="left")
    table.add_column("Check")
    table.add_column("Looked at", justify="right")
    table.add_column("Result")
    for check in report.checks:
        table.add_row(check.title, f"{check.checked:,} {check.subject}", _result(check.checked, check.broken))
    console.print(table)
    for check in report.checks:
        if check.first is not None:
            console.print(f"First of {check.broken:,}: {check.first}", style="red", markup=False, highlight=False)
    _show_reach(report, console)


def _result(checked: int, broken: int) -> str:
    if broken:
        return f"[red]{broken:,} BROKEN[/red]"
    return "[green]sound[/green]" if checked else "[yellow]nothing to look at[/yellow]"


def _show_reach(report: Report, console: Console) -> None:
    console.print(f"{report.sealed:,} acts are sealed, {report.waiting:,} wait for their seal.", highlight=False)
    if report.unreadable_lines:
        console.print(f"{report.unreadable_lines:,} lines of the heads cannot be read.", style="yellow")
    head = report.newest_head
    if head is None:
        console.print("No heads were looked at: a chain cut or written anew would not be seen.", style="yellow")
        return
    age = (report.as_of - head.time).total_seconds()
    signed = f"The newest head, signed {moment(head.time)} ({max(age, 0):,.0f} s before)"
    console.print(f"{signed}, vouches for {head.sequence:,} of them.", highlight=False)
