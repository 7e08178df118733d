"""What one leader does for the log: seal what is settled every second, sign the chain's head every minute."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import asyncpg
import structlog

from bitcurrent.audit.heads import FileHeads, Signer
from bitcurrent.audit.model import Head
from bitcurrent.audit.ports import HeadStore
from bitcurrent.audit.service import BATCH, count_unsealed, is_in_chain, read_head, seal_batch
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Database
from bitcurrent.settings import Settings

log = structlog.get_logger(__name__)

SEAL_SECONDS = 1.0
HEAD_SECONDS = 60.0
STORE_SECONDS_MAX = 20.0
TROUBLE_PAUSE_SECONDS = 5.0
TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


@dataclass(frozen=True, slots=True)
class Export:
    """Who signs heads, and where they go."""

    signer: Signer
    store: HeadStore


def export_of(settings: Settings) -> Export | None:
    """The export that the settings ask for; None when they name no key or no file. Raises heads.KeyUnusable."""
    if not settings.audit_signing_key or not settings.audit_heads:
        return None
    return Export(Signer.of(settings.audit_signing_key), FileHeads(Path(settings.audit_heads)))


class AuditKeeper:
    """Looks after the chain while this process leads. Failures are counted, told once, and tried again."""

    def __init__(
        self,
        database: Database,
        export: Export | None,
        counts: Counter[str],
        *,
        seal_seconds: float = SEAL_SECONDS,
        head_seconds: float = HEAD_SECONDS,
    ) -> None:
        self._database = database
        self._export = export
        self._counts = counts
        self._seal_seconds = seal_seconds
        self._head_seconds = head_seconds
        self._last_head: Head | None = None
        self._signed_at: float | None = None
        self.unsealed = 0

    @classmethod
    def of(cls, settings: Settings, database: Database, counts: Counter[str]) -> Self:
        """The keeper that the settings ask for; says so when heads leave for nowhere. Raises heads.KeyUnusable."""
        export = export_of(settings)
        if export is None:
            log.warning("audit_heads_off", why="BITCURRENT_AUDIT_SIGNING_KEY or BITCURRENT_AUDIT_HEADS is not set")
        return cls(database, export, counts)

    @property
    def head_age_seconds(self) -> float | None:
        """Since the last head left, in seconds; None when none has left from here."""
        return None if self._signed_at is None else time.monotonic() - self._signed_at

    async def keep(self) -> None:
        """Seal and sign until cancelled."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._repeat("audit_sealing", self.seal, self._seal_seconds))
            if self._export is not None:
                loops.create_task(self._repeat("audit_heads", self.sign_head, self._head_seconds))

    async def seal(self) -> int:
        """Seal everything that is settled, a batch in a transaction; how many. Then count what still waits."""
        sealed, batch = 0, BATCH
        while batch == BATCH:
            batch = await self._database.in_transaction(seal_batch)
            sealed += batch
        async with self._database.read() as connection:
            self.unsealed = await count_unsealed(connection)
        return sealed

    async def sign_head(self) -> Head | None:
        """Sign where the chain stands now and send it away; None without an export. Raises OSError, TimeoutError.

        A chain that has lost the head before is signed too, which is evidence, and is an alarm.
        """
        if self._export is None:
            return None
        async with self._database.read() as connection:
            before = self._last_head
            if before is not None and not await is_in_chain(connection, before):
                log.error("audit_chain_changed", sequence=before.sequence, signed_at=before.time)
                self._counts["audit_chain_changed"] += 1
                before = None
            head = await read_head(connection, now(), counted=before)
        async with asyncio.timeout(STORE_SECONDS_MAX):
            await self._export.store.append(self._export.signer.sign(head))
        self._last_head, self._signed_at = head, time.monotonic()
        return head

    async def _repeat(self, name: str, step: Callable[[], Awaitable[object]], seconds: float) -> None:
        failures = 0
        while True:
            try:
                await step()
            except TROUBLE as error:
                failures += 1
                self._counts[f"{name}_trouble"] += 1
                if failures == 1:
                    log.warning("work_interrupted", work=name, error=f"{type(error).__name__}: {error}"[:200])
                await asyncio.sleep(TROUBLE_PAUSE_SECONDS)
                continue
            except Exception:
                # A fault of ours: loud, and no reason to stop sealing what comes after it.
                log.exception("audit_work_failed", work=name)
                self._counts[f"{name}_failed"] += 1
                await asyncio.sleep(TROUBLE_PAUSE_SECONDS)
                continue
            if failures:
                log.info("work_resumed", work=name, failures=failures)
                failures = 0
            await asyncio.sleep(seconds)
