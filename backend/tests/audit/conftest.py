"""A log for each test: the app that writes, the owner who tampers, the auditor who looks."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bitcurrent.audit.commands import verify
from bitcurrent.audit.heads import FileHeads, Signer, public_text
from bitcurrent.audit.service import record
from bitcurrent.audit.tasks import AuditKeeper, Export
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import new_id
from bitcurrent.launcher.credentials import _token
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.support.books import connect


@dataclass(slots=True)
class AuditLog:
    """The log with its keeper, a key, and a file of heads."""

    urls: DatabaseUrls
    database: Database
    app: Connection
    owner: Connection
    heads: Path
    signer: Signer = field(default_factory=lambda: Signer.of(_token()))
    counts: Counter[str] = field(default_factory=Counter)
    keeper: AuditKeeper = field(init=False)

    def __post_init__(self) -> None:
        self.keeper = AuditKeeper(self.database, Export(self.signer, FileHeads(self.heads)), self.counts)

    async def acts(self, count: int, **facts: str) -> None:
        """So many acts, each in a transaction of its own."""
        for number in range(count):
            await record(
                self.app,
                actor_id=new_id(),
                actor_role="admin",
                action="market.halted",
                subject=f"market:{number}",
                address="203.0.113.7",
                reason="a test",
                details={"note": 'ünïcode \u2028 "quoted"', "list": ["b", "a"], **facts},
                before={"halted": False},
                after={"halted": True},
            )

    async def sealed(self, count: int) -> None:
        """So many more acts, sealed, and a head signed behind them."""
        await self.acts(count)
        assert await self.keeper.seal() == count
        await self.keeper.sign_head()

    async def tamper(self, *statements: str) -> None:
        """What the owner does who knows how to switch the guards off and on again."""
        async with self.owner.transaction():
            for table in ("audit_logs", "audit_seals"):
                await self.owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            for statement in statements:
                await self.owner.execute(statement)
            for table in ("audit_logs", "audit_seals"):
                await self.owner.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER no_change")
                await self.owner.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER no_truncate")

    async def verify(self, *, heads: bool = True, more: tuple[str, ...] = ()) -> tuple[int, str]:
        """The command as an auditor runs it, who has the public key only: its exit code and what it prints."""
        console = Console(record=True, width=300, file=StringIO())
        code = await asyncio.to_thread(
            verify,
            self.urls.app,
            heads=(self.heads, *(self.heads.with_name(name) for name in more)) if heads else (),
            public_keys=(public_text(self.signer.public_key),),
            console=console,
        )
        return code, console.export_text()


@pytest.fixture
async def log(database_urls: DatabaseUrls, tmp_path: Path) -> AsyncIterator[AuditLog]:
    database = await Database.connect(database_urls.app, connections_min=1, connections_max=4)
    app, owner = await connect(database_urls.app), await connect(database_urls.owner)
    yield AuditLog(database_urls, database, app, owner, tmp_path / "away" / "heads.jsonl")
    await app.close()
    await owner.close()
    await database.close()
