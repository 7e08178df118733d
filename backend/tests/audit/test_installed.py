"""The log where it is installed: the real worker looks after it, the command line proves it, old acts come along."""

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from alembic import command

from bitcurrent.audit.heads import Signer, public_text
from bitcurrent.audit.service import record, seal_batch
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.migrate import alembic_config, upgrade
from bitcurrent.settings import SettingsError, read_settings
from tests.support.books import connect
from tests.support.brokerage import settings_for
from tests.support.desk import trading_floor
from tests.support.sandbox import Sandbox

KEY = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"


def bitcurrent(*words: str) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "bitcurrent.cli", *words], capture_output=True, text=True, timeout=60, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


async def test_the_worker_seals_and_signs_and_its_metrics_say_so(
    database_urls: DatabaseUrls, redis_url: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    heads = tmp_path / "audit" / "heads.jsonl"
    async with trading_floor(database_urls, redis_url, sandbox, audit_signing_key=KEY, audit_heads=str(heads)) as floor:
        async with floor.brokerage.database.transaction() as connection:
            await record(connection, actor_id=None, action="login.failed", subject="user:unknown")
        await floor.until_true(lambda: floor.count("SELECT count(*) FROM audit_seals"))
        async with httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{floor.brokerage.settings.worker_port}/metrics"
            metrics = dict(line.split(" ") for line in (await client.get(url)).text.splitlines() if line[0] != "#")
    assert metrics["bitcurrent_worker_audit_unsealed"] == "0.0"
    assert 0 <= float(metrics["bitcurrent_worker_audit_head_age_seconds"]) < 60
    public = public_text(Signer.of(KEY).public_key)
    words = ("audit", "verify", "--database-url", database_urls.app, "--heads", str(heads), "--public-key", public)
    code, text = await asyncio.to_thread(bitcurrent, *words)
    assert (code, "1 acts are sealed, 0 wait" in text) == (0, True), text
    code, text = await asyncio.to_thread(bitcurrent, *words[:-2])
    assert (code, "only with a public key" in text) == (2, True), text


async def test_acts_from_before_the_chain_are_taken_into_it(empty_database_urls: DatabaseUrls) -> None:
    urls = empty_database_urls

    def install() -> None:
        command.upgrade(alembic_config(urls.owner), "0001")
        with psycopg.connect(urls.owner) as connection:
            connection.execute(
                "INSERT INTO audit_logs (actor_id, action, subject, details) VALUES"
                " (uuidv7(), 'session.opened', 'user:1', '{\"session\": \"x\"}'),"
                " (NULL, 'login.failed', 'user:2', '{}')"
            )
        upgrade(urls.owner)

    with ThreadPoolExecutor(max_workers=1) as pool:  # migrations may run an event loop of their own
        await asyncio.wrap_future(pool.submit(install))
    app = await connect(urls.app)
    async with app.transaction():
        assert await seal_batch(app) == 2
    kinds = await app.fetch("SELECT actor_kind FROM audit_logs ORDER BY id")
    assert [row["actor_kind"] for row in kinds] == ["user", "anonymous"]
    await app.close()
    code, text = await asyncio.to_thread(bitcurrent, "audit", "verify", "--database-url", urls.app)
    assert (code, "2 acts are sealed" in text) == (0, True), text


@pytest.mark.parametrize("key", ["short", KEY + "A", KEY[:-1] + "!"])
def test_a_signing_key_of_another_shape_is_refused_by_name(database_urls: DatabaseUrls, key: str) -> None:
    settings = settings_for(database_urls, "redis://127.0.0.1:9")
    environment = {f"BITCURRENT_{name.upper()}": str(getattr(settings, name)) for name in settings.__struct_fields__}
    assert read_settings({**environment, "BITCURRENT_AUDIT_SIGNING_KEY": KEY}).audit_signing_key == KEY
    with pytest.raises(SettingsError, match="BITCURRENT_AUDIT_SIGNING_KEY cannot be used") as refused:
        read_settings({**environment, "BITCURRENT_AUDIT_SIGNING_KEY": key})
    assert key not in str(refused.value)
