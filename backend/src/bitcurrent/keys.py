"""Encryption keys for operators: which are in use, and wrapping every record's data key under the current one."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bitcurrent.kernel import rewrapping
from bitcurrent.kernel.crypto import CryptoError, Vault
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.rewrapping import Carrier
from bitcurrent.settings import Settings

T = TypeVar("T")

EXIT_DONE = 0
EXIT_NOT_DONE = 1

Counts = list[tuple[Carrier, dict[str, int]]]


def status(settings: Settings, *, as_json: bool = False) -> int:
    """Print how many records are under each key; exit code 1 when a key that is needed is not configured."""
    vault = settings.open_vault()
    counts = asyncio.run(_with_database(settings, _count))
    used = Counter[str]()
    for _, by_key in counts:
        used.update(by_key)
    missing = sorted(used.keys() - set(vault.key_ids))
    if as_json:
        report = {
            "current": vault.current_key_id,
            "configured": list(vault.key_ids),
            "missing": missing,
            "records": {carrier.name: by_key for carrier, by_key in counts},
        }
        print(json.dumps(report))  # noqa: T201  for programs
    else:
        _show(Console(), vault, counts, missing)
    return EXIT_NOT_DONE if missing else EXIT_DONE


def rotate(settings: Settings) -> int:
    """Wrap every data key under the current key, with progress; exit code 1 when some could not be.

    Safe to stop and start again at any moment, and while the brokerage runs.
    """
    vault, console = settings.open_vault(), Console()
    try:
        done = asyncio.run(_with_database(settings, lambda database: _rotate(database, vault, console)))
    except CryptoError as error:
        console.print(f"Stopped: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        console.print("Nothing is lost. Put it right and start again: it goes on where it was.")
        return EXIT_NOT_DONE
    return EXIT_DONE if done else EXIT_NOT_DONE


async def _with_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    database = await Database.connect(settings.database_url, connections_min=1, connections_max=1, timeout_seconds=60)
    try:
        return await work(database)
    finally:
        await database.close()


async def _count(database: Database) -> Counts:
    async with database.read() as connection:
        carriers = await rewrapping.find_carriers(connection)
        return [(carrier, await rewrapping.count_keys(connection, carrier)) for carrier in carriers]


async def _rotate(database: Database, vault: Vault, console: Console) -> bool:
    async with database.read() as connection:
        await rewrapping.require_known_everywhere(connection, vault)
    total = 0
    for _ in range(rewrapping.PASSES_MAX):
        counts = await _count(database)
        left = sum(_elsewhere(by_key, vault) for _, by_key in counts)
        if not left:
            records = sum(sum(by_key.values()) for _, by_key in counts)
            console.print(
                f"Done: {total} data keys wrapped anew; all {records} are under the key {vault.current_key_id}.",
                highlight=False,
                soft_wrap=True,
            )
            return True
        rewrapped = await _pass(database, vault, console, counts)
        total += rewrapped
    console.print(
        f"{total} data keys wrapped anew, but new ones keep coming under older keys: some process still has another "
        "current key. Start it again with the new settings, then rotate again.",
        style="yellow",
        soft_wrap=True,
    )
    return False


async def _pass(database: Database, vault: Vault, console: Console, counts: Counts) -> int:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    total = 0
    with Progress(*columns, console=console) as shown:
        for carrier, by_key in counts:
            bar = shown.add_task(carrier.name, total=_elsewhere(by_key, vault))
            progress = rewrapping.Progress()
            while not progress.finished:
                progress = await rewrapping.rewrap_batch(database, vault, carrier, progress)
                shown.update(bar, completed=progress.rewrapped)
            total += progress.rewrapped
    return total


def _elsewhere(by_key: dict[str, int], vault: Vault) -> int:
    return sum(rows for key_id, rows in by_key.items() if key_id != vault.current_key_id)


def _show(console: Console, vault: Vault, counts: Counts, missing: list[str]) -> None:
    table = Table("records", "key", "number", "")
    for carrier, by_key in counts:
        for key_id, rows in by_key.items():
            state = "current" if key_id == vault.current_key_id else "older" if key_id in vault.key_ids else "MISSING"
            table.add_row(carrier.name, key_id, str(rows), state)
    console.print(table)
    console.print(f"Current: {vault.current_key_id}. Configured: {', '.join(vault.key_ids)}.", highlight=False)
    unused = [key_id for key_id in vault.key_ids[1:] if not any(key_id in by_key for _, by_key in counts)]
    if missing:
        console.print(f"Not configured, but needed to read records: {', '.join(missing)}.", style="red")
    if unused:
        console.print(f"No record needs: {', '.join(unused)}. Keep it as long as backups made under it.")
