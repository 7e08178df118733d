"""Solvency reports over real books: sums, signatures, proofs that the customers' script accepts, what is kept."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import asyncpg
import msgspec
import psutil
import pytest

from bitcurrent.audit.heads import Signer, public_text, read_public_key
from bitcurrent.kernel.crypto import new_key
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.reconciliation.solvency.model import Holdings
from bitcurrent.reconciliation.solvency.schemas import proof_answer, solvency_answer
from bitcurrent.reconciliation.solvency.service import TREES_KEPT, NoReport, Solvency, signed_text
from bitcurrent.web.amounts import write_amount
from tests.support import books
from tests.support.databases import fresh_database

SCRIPT = Path(__file__).resolve().parents[3] / "docs" / "solvency" / "verify.py"
THERE = {
    "USD": Holdings(venue=Decimal(900), processor=Decimal(150), bank=Decimal(0)),
    "BTC": Holdings(venue=Decimal("0.5"), processor=Decimal(0), bank=Decimal(0)),
}


@dataclass
class Desk:
    database: Database
    connection: Connection
    solvency: Solvency
    signer: Signer


@pytest.fixture
async def desk(database_urls: DatabaseUrls) -> AsyncIterator[Desk]:
    signer = Signer.of(new_key())
    database = await Database.connect(database_urls.app)
    async with database.read() as connection:
        yield Desk(database, connection, Solvency(database, signer), signer)
    await database.close()


def as_json(answer: msgspec.Struct) -> bytes:
    return msgspec.json.encode(msgspec.to_builtins(answer, enc_hook=write_amount))


async def test_what_is_owed_is_what_the_books_say(desk: Desk) -> None:
    ann = await books.customer(desk.connection, USD="700.25", BTC="0.4")
    await books.customer(desk.connection, USD="299.75")
    report = await desk.solvency.make(THERE)
    usd, btc = {each.asset: each for each in report.assets}["USD"], {each.asset: each for each in report.assets}["BTC"]
    assert (usd.owed, usd.customers, usd.covered) == (Decimal(1_000), 2, True)
    assert (btc.owed, btc.customers, btc.covered) == (Decimal("0.4"), 1, True)
    assert report.books_hold
    assert report.solvent
    key = read_public_key(public_text(desk.signer.public_key))
    assert report.signature is not None
    key.verify(report.signature, signed_text(report))
    assert (await desk.solvency.newest(desk.connection)) == report
    _, proofs = await desk.solvency.prove(desk.connection, ann)
    assert [proof.asset for proof in proofs] == ["BTC", "USD"]


async def test_a_customer_checks_with_the_script_alone(desk: Desk, tmp_path: Path) -> None:
    people = [await books.customer(desk.connection, USD=str(number + 1), BTC="0.001") for number in range(21)]
    report = await desk.solvency.make(THERE)
    (tmp_path / "report.json").write_bytes(as_json(solvency_answer(report)))
    for person in (people[0], people[13], people[20]):
        (tmp_path / "proof.json").write_bytes(
            as_json(proof_answer(*await desk.solvency.prove(desk.connection, person)))
        )
        done = await asyncio.to_thread(run_script, tmp_path)
        assert (done.returncode, done.stdout.count("Included")) == (0, 2), done.stdout
    spoilt = json.loads((tmp_path / "report.json").read_text())
    spoilt["assets"][1]["owed"] = "1"
    (tmp_path / "report.json").write_text(json.dumps(spoilt))
    done = await asyncio.to_thread(run_script, tmp_path)
    assert done.returncode == 1
    assert "WRONG: The tree of USD has another sum" in done.stdout


def run_script(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-I", SCRIPT, folder / "proof.json", folder / "report.json"],
        capture_output=True, text=True, timeout=30, check=False, cwd=folder,
    )  # fmt: skip


async def test_short_unknown_and_nothing_are_told_apart(desk: Desk) -> None:
    with pytest.raises(NoReport):
        await desk.solvency.newest(desk.connection)
    await books.customer(desk.connection, BTC="0.6")

    there = {**THERE, "USD": Holdings(venue=Decimal(1), processor=None, bank=Decimal(0))}
    report = await Solvency(desk.database, None).make(there)
    covered = {each.asset: each.covered for each in report.assets}
    assert covered == {"BTC": False, "USD": None}
    assert not report.solvent
    assert (report.key_id, report.signature) == (None, None)


async def test_a_stranger_has_no_proof(desk: Desk) -> None:
    await books.customer(desk.connection, USD="5")
    await desk.solvency.make(THERE)
    _, proofs = await desk.solvency.prove(desk.connection, UserId(new_id()))
    assert proofs == []


async def test_roots_stay_for_good_and_trees_for_a_while(desk: Desk) -> None:
    ann = await books.customer(desk.connection, USD="5")
    made = [await desk.solvency.make(THERE) for _ in range(TREES_KEPT + 2)]
    kept = await desk.connection.fetchval("SELECT count(DISTINCT report_id) FROM solvency_nodes")
    assert kept == TREES_KEPT
    everything = await desk.solvency.reports(desk.connection, before=None, limit=50)
    assert [report.id for report in everything] == [report.id for report in reversed(made)]
    assert (await desk.solvency.prove(desk.connection, ann))[0] == made[-1].id
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await desk.connection.execute("UPDATE solvency_assets SET owed = 0")


async def test_many_customers_in_bounded_memory(postgres, migrated_template) -> None:  # type: ignore[no-untyped-def]  # fixtures of the session
    count = 20_000
    with fresh_database(postgres, migrated_template) as urls:
        owner = await books.connect(urls.owner)
        # Straight into the balances: the laws then do not hold, which the report says, and the tree is as large.
        await owner.execute(
            "INSERT INTO balances (user_id, currency, available)"
            " SELECT gen_random_uuid(), 'USD', n FROM generate_series(1, $1::int) AS n",
            count,
        )
        await owner.close()
        database = await Database.connect(urls.app)
        before, began = psutil.Process().memory_info().rss, time.perf_counter()
        report = await Solvency(database, None).make(THERE)
        took, grown = time.perf_counter() - began, psutil.Process().memory_info().rss - before
        await database.close()
    usd = next(each for each in report.assets if each.asset == "USD")
    assert (usd.customers, usd.owed) == (count, Decimal(count * (count + 1) // 2))
    assert not report.books_hold
    print(f"A solvency tree of {count:,} customers took {took:.1f} s and {grown / 2**20:.0f} MiB.")
    assert grown < 200 * 2**20
