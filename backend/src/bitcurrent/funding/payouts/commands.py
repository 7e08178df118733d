"""`bitcurrent payouts …`: a batch's file for the bank, and the bank's files, from where the house is run."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol
from uuid import UUID

import asyncpg
from rich.console import Console

from bitcurrent.funding.payouts.model import FILE_BYTES_MAX
from bitcurrent.funding.payouts.service import Payouts
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Refusal

EXIT_DONE, EXIT_REFUSED, EXIT_NOT_ASKED = 0, 1, 2
READ_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class House(Protocol):
    """What is needed of an open brokerage."""

    @property
    def database(self) -> Database:
        """The books."""
        ...

    @property
    def payouts(self) -> Payouts:
        """The payouts."""
        ...


Opened = AbstractAsyncContextManager[House]


def export_file(house: Opened, batch_id: UUID, target: Path) -> int:
    """Write a batch's pain.001 to a file that is not there yet, readable by its owner only; the exit code."""

    async def work(connection: Connection, payouts: Payouts) -> str:
        content = await payouts.file(connection, batch_id, actor=None, address=None)
        _write(target, content)
        return f"{target}: {len(content)} bytes. Give it to the bank once."

    return _run(house, work)


def import_file(house: Opened, source: Path) -> int:
    """Read a file of the bank in, wholly or not at all; the exit code."""

    async def work(connection: Connection, payouts: Payouts) -> str:
        taken = await payouts.take_file(connection, _read(source), actor=None, address=None)
        if taken.repeated:
            return f"{source}: this file was read in before. Nothing was done."
        flagged = f" {taken.flagged} were booked twice by the bank: ask it." if taken.flagged else ""
        return f"{source}: {taken.kind}, {taken.lines} entries, {taken.changed} withdrawals moved on.{flagged}"

    return _run(house, work)


def _write(target: Path, content: bytes) -> None:
    target.touch(mode=0o600, exist_ok=False)
    target.write_bytes(content)


def _read(source: Path) -> bytes:
    """The file, or so much of it that it is known to be too large."""
    with source.open("rb") as file:
        return file.read(FILE_BYTES_MAX + 1)


def _run(house: Opened, work: Callable[[Connection, Payouts], Awaitable[str]]) -> int:
    console = Console()

    async def inside() -> str:
        async with house as brokerage:
            return await brokerage.database.in_transaction(lambda connection: work(connection, brokerage.payouts))

    try:
        said = asyncio.run(inside())
    except Refusal as refusal:
        console.print(refusal.message, style="red", markup=False)
        return EXIT_REFUSED
    except READ_ERRORS as error:
        console.print(f"Not done: {type(error).__name__}: {error}", style="red", markup=False)
        return EXIT_NOT_ASKED
    console.print(said, markup=False, highlight=False, soft_wrap=True)
    return EXIT_DONE
