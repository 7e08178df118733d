"""The writer: takes lists that were asked for and writes them piece by piece, again after a crash."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import asyncpg
import structlog

from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.events import append_event
from bitcurrent.ledger import statements as ledger
from bitcurrent.portfolio.exports import repository
from bitcurrent.portfolio.exports.model import COLUMNS, KEPT_DAYS, Export, Running, trade_row, transaction_row
from bitcurrent.portfolio.service import snapshot
from bitcurrent.trading import trade_list
from bitcurrent.web.csv import encode_row

log = structlog.get_logger(__name__)

TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
PIECE_BYTES: Final = 256 * 1024
LEASE: Final = timedelta(minutes=2)
"""Longer than a piece can take: a list whose writer died is begun again after it."""
LOOK_SECONDS: Final = 1.0
TROUBLE_PAUSE_SECONDS: Final = 5.0
PURGE_SECONDS: Final = 600.0


class TakenOver(Exception):
    """Somebody else writes this list now."""


class Scribe:
    """Writes lists while this process leads, one at a time. What it writes lies in the database until it expires."""

    def __init__(self, database: Database, letters: Letters, counts: Counter[str]) -> None:
        self._database = database
        self._letters = letters
        self._counts = counts
        self._purge_at = 0.0

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            try:
                written = await self.write_next()
                await self._purge()
            except TROUBLE as error:
                log.warning("scribe_waits", error=f"{type(error).__name__}: {error}"[:200])
                await asyncio.sleep(TROUBLE_PAUSE_SECONDS)
            except Exception:
                log.exception("scribe_failed")
                self._counts["scribe_failed"] += 1
                await asyncio.sleep(TROUBLE_PAUSE_SECONDS)
            else:
                if not written:
                    await asyncio.sleep(LOOK_SECONDS)

    async def write_next(self) -> bool:
        """Write the list that waits longest; whether there was one."""
        async with self._database.transaction() as connection:
            given_up = await repository.give_up(connection, lease=LEASE)
            export = await repository.claim_export(connection, lease=LEASE)
        self._counts["exports_failed"] += given_up
        if export is None:
            return False
        try:
            await self._write(export)
        except TakenOver:
            log.warning("export_taken_over", export=str(export.id))
        except Exception as error:
            # Whatever it is, it counts as an attempt: one list must not come back for ever.
            self._counts["exports_troubled"] += 1
            log.exception("export_troubled", export=str(export.id), attempt=export.attempts)
            async with self._database.transaction() as connection:
                await repository.note_trouble(connection, export, type(error).__name__)
        return True

    async def _write(self, export: Export) -> None:
        number, rows, piece = 0, 0, bytearray(encode_row(COLUMNS[export.kind]))
        async with snapshot(self._database) as reading:
            total = await _count(reading, export)
            async with self._database.transaction() as connection:
                await repository.set_total(connection, export, total)
            async for row in _rows(reading, export):
                piece += row
                rows += 1
                if len(piece) >= PIECE_BYTES:
                    await self._keep(export, number, bytes(piece), rows)
                    number, piece = number + 1, bytearray()
        if piece:
            await self._keep(export, number, bytes(piece), rows)
        crash_point("export.written")
        async with self._database.transaction() as connection:
            if not await repository.finish(connection, export):
                raise TakenOver
            payload = {"kind": export.kind, "rows": str(rows)}
            await append_event(
                connection, user_id=export.user_id, kind="export_ready", subject=export.id, payload=payload
            )
            until = f"{now() + timedelta(days=KEPT_DAYS):%Y-%m-%d %H:%M} UTC"
            values = {"document": f"Your list of {export.kind}", "until": until}
            await self._letters.queue(connection, user_id=export.user_id, template="export_ready", values=values)
        self._counts["exports_written"] += 1

    async def _keep(self, export: Export, number: int, body: bytes, rows: int) -> None:
        async with self._database.transaction() as connection:
            if not await repository.add_piece(connection, export, number=number, body=body, rows=rows):
                raise TakenOver
        crash_point("export.piece")

    async def _purge(self) -> None:
        if time.monotonic() < self._purge_at:
            return
        removed = 1
        while removed:
            async with self._database.transaction() as connection:
                removed = await repository.purge(connection)
        self._purge_at = time.monotonic() + PURGE_SECONDS


async def _count(connection: Connection, export: Export) -> int:
    count = ledger.count_lines if export.kind == "transactions" else trade_list.count_trades
    return await count(connection, export.user_id, since=export.from_at, until=export.until_at)


async def _rows(connection: Connection, export: Export) -> AsyncIterator[bytes]:
    since, until = export.from_at, export.until_at
    if export.kind == "trades":
        async for trade in trade_list.trades(connection, export.user_id, since=since, until=until):
            yield encode_row(trade_row(trade))
        return
    running = Running(await ledger.balances_at(connection, export.user_id, since))
    async for line in ledger.lines(connection, export.user_id, since=since, until=until):
        yield encode_row(transaction_row(line, running))
