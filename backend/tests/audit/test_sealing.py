"""The sealer: nothing is skipped, nothing twice, no gap, whoever dies or comes late."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest

from bitcurrent.audit.heads import FileHeads, KeyUnusable, Signer, read_head
from bitcurrent.audit.tasks import AuditKeeper, Export, export_of
from bitcurrent.audit.verification import Heads, verify
from bitcurrent.kernel.database import Connection
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.audit.conftest import AuditLog
from tests.support.books import connect
from tests.support.brokerage import settings_for

MANY = (
    "INSERT INTO audit_logs (actor_kind, action, subject) SELECT 'system', 'x', 'y:' || n FROM generate_series(1, $1) n"
)


async def sequences(connection: Connection) -> list[int]:
    return [row["sequence"] for row in await connection.fetch("SELECT sequence FROM audit_seals ORDER BY 1")]


async def test_an_act_that_commits_late_is_not_skipped(log: AuditLog) -> None:
    late = await connect(log.urls.app)
    transaction = late.transaction()
    await transaction.start()
    await late.execute("INSERT INTO audit_logs (actor_kind, action, subject) VALUES ('user', 'late', 'x')")
    await log.acts(3)  # begun later, and committed
    assert await log.keeper.seal() == 0  # they wait: the late one belongs before them
    assert log.keeper.unsealed == 3
    await transaction.commit()
    assert await log.keeper.seal() == 4
    first = await log.app.fetchval(
        "SELECT action FROM audit_logs WHERE id = (SELECT audit_id FROM audit_seals WHERE sequence = 1)"
    )
    assert first == "late"
    assert log.keeper.unsealed == 0
    assert (await log.verify(heads=False))[0] == 0
    await late.close()


async def test_an_act_that_is_undone_late_holds_up_nothing_for_good(log: AuditLog) -> None:
    late = await connect(log.urls.app)
    transaction = late.transaction()
    await transaction.start()
    await late.execute("INSERT INTO audit_logs (actor_kind, action, subject) VALUES ('user', 'late', 'x')")
    await log.acts(2)
    await transaction.rollback()
    assert await log.keeper.seal() == 2
    assert await sequences(log.app) == [1, 2]
    await late.close()


async def test_more_than_a_batch_is_sealed_at_once_without_a_gap(log: AuditLog) -> None:
    await log.app.execute(MANY, 2_500)
    assert await log.keeper.seal() == 2_500
    assert await sequences(log.app) == list(range(1, 2_501))
    assert (await log.verify(heads=False))[0] == 0


async def test_acts_of_many_writers_and_two_sealers_make_one_chain(log: AuditLog) -> None:
    """Writers hold their transactions open for different times; two sealers are at it all the while."""
    stop = asyncio.Event()

    async def write(number: int) -> None:
        connection = await connect(log.urls.app)
        for turn in range(25):
            async with connection.transaction():
                await connection.execute(MANY, 2)
                await asyncio.sleep((number * 7 + turn * 3) % 10 / 500)
        await connection.close()

    async def seal() -> None:
        keeper = AuditKeeper(log.database, None, log.counts)
        while not stop.is_set():
            await keeper.seal()

    sealers = [asyncio.create_task(seal()) for _ in range(2)]
    await asyncio.gather(*(write(number) for number in range(6)))
    stop.set()
    await asyncio.gather(*sealers)
    await log.keeper.seal()
    assert await sequences(log.app) == list(range(1, 301))
    code, text = await log.verify(heads=False)
    assert (code, "300 acts are sealed, 0 wait" in text) == (0, True)


CRASH = """
import asyncio, os, sys
from bitcurrent.audit.tasks import AuditKeeper
from bitcurrent.kernel.database import Database

async def main():
    database = await Database.connect(sys.argv[1], connections_min=1, connections_max=2)
    await AuditKeeper(database, None, __import__("collections").Counter()).seal()

asyncio.run(main())
"""


async def test_a_sealer_that_dies_before_its_commit_leaves_nothing_half_done(log: AuditLog) -> None:
    await log.acts(5)
    environment = {**os.environ, "BITCURRENT_ENV": "demo", "BITCURRENT_CRASH_AT": "audit.before_seal_commit"}
    command = [sys.executable, "-c", CRASH, log.urls.app]
    died = await asyncio.to_thread(subprocess.run, command, env=environment, timeout=30)
    assert died.returncode == -signal.SIGKILL
    assert await sequences(log.app) == []
    for _ in range(200):
        if await log.keeper.seal():
            break
        await asyncio.sleep(0.05)  # until the server has noticed the death
    assert await sequences(log.app) == [1, 2, 3, 4, 5]
    assert (await log.verify(heads=False))[0] == 0


async def test_sealing_goes_on_behind_a_deleted_act_and_the_proof_still_tells(log: AuditLog) -> None:
    await log.sealed(3)
    await log.tamper("DELETE FROM audit_logs WHERE id = 3")
    await log.sealed(2)
    assert await sequences(log.app) == [1, 2, 3, 4, 5]
    code, text = await log.verify()
    assert code == 1
    assert "act 3 at place 3 was deleted" in text


async def test_the_keeper_seals_and_signs_by_itself_and_outlives_trouble(log: AuditLog, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    export = Export(log.signer, FileHeads(blocked / "heads.jsonl"))
    troubled = AuditKeeper(log.database, export, log.counts, seal_seconds=0.05, head_seconds=0.05)
    quick = AuditKeeper(
        log.database, Export(log.signer, FileHeads(log.heads)), log.counts, seal_seconds=0.05, head_seconds=0.05
    )
    tasks = [asyncio.create_task(keeper.keep()) for keeper in (troubled, quick)]
    await log.acts(10)
    for _ in range(500):
        if _last_head_is(log, 10):
            break
        await asyncio.sleep(0.02)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (quick.head_age_seconds or 99) < 5
    assert troubled.head_age_seconds is None
    assert log.counts["audit_heads_trouble"] >= 1
    assert (await log.verify())[0] == 0
    assert stat.S_IMODE(log.heads.stat().st_mode) & 0o007 == 0


def _last_head_is(log: AuditLog, sequence: int) -> bool:
    if not log.heads.exists():
        return False
    lines = log.heads.read_bytes().splitlines()
    return bool(lines) and read_head(lines[-1], {log.signer.key_id: log.signer.public_key}).sequence == sequence


class HungHeads(FileHeads):
    """A file on a mount that answers when it likes."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.answers = threading.Event()
        self.threads = 0

    def _append(self, line: bytes) -> None:
        self.threads += 1
        assert self.answers.wait(20)
        super()._append(line)


async def test_a_disk_that_hangs_holds_one_thread_and_is_used_again_when_it_answers(tmp_path: Path) -> None:
    heads = HungHeads(tmp_path / "heads.jsonl")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(heads.append(b"1"), 0.05)
    for _ in range(5):
        with pytest.raises(OSError, match="still being written"):
            await heads.append(b"2")
    assert heads.threads == 1
    heads.answers.set()
    for _ in range(100):
        try:
            await heads.append(b"3")
            break
        except OSError:
            await asyncio.sleep(0.02)
    assert _lines(tmp_path) == ["1", "3"]


def _lines(folder: Path) -> list[str]:
    return (folder / "heads.jsonl").read_text().split()


async def test_an_empty_log_has_a_head_too(log: AuditLog) -> None:
    head = await log.keeper.sign_head()
    assert head is not None
    assert (head.sequence, head.count, head.hash) == (0, 0, bytes(32))
    assert (await log.verify())[0] == 0


async def test_proving_a_large_log_takes_no_more_memory_than_a_small_one(log: AuditLog) -> None:
    async def peak() -> int:
        tracemalloc.start()
        report = await verify(log.app, Heads.now((log.heads,), {log.signer.key_id: log.signer.public_key}))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert report.holds
        return used

    line = log.signer.sign((await log.keeper.sign_head()) or pytest.fail("no head"))
    await log.app.execute(MANY, 2_000)
    await log.keeper.seal()
    small = await peak()
    await log.app.execute(MANY, 8_000)
    await log.keeper.seal()
    log.heads.write_bytes((line + b"\n") * 4_000)
    large = await peak()
    assert large < small * 1.5, (small, large)


def test_heads_need_both_a_key_and_a_file(database_urls: DatabaseUrls, tmp_path: Path) -> None:
    key, file = "A" * 43, str(tmp_path / "heads.jsonl")
    assert export_of(settings_for(database_urls, "")) is None
    assert export_of(settings_for(database_urls, "", audit_signing_key=key)) is None
    assert export_of(settings_for(database_urls, "", audit_heads=file)) is None
    export = export_of(settings_for(database_urls, "", audit_signing_key=key, audit_heads=file))
    assert export is not None
    assert export.signer.key_id == Signer.of(key).key_id
    with pytest.raises(KeyUnusable):
        export_of(settings_for(database_urls, "", audit_signing_key="too short", audit_heads=file))
