"""The app adds to the log and reads it; the owner must disable guards first; replication mode helps nobody."""

from uuid import UUID

import asyncpg
import pytest

from bitcurrent.audit.service import acts_about, record
from bitcurrent.kernel.ids import new_id
from bitcurrent.launcher.scratch import ScratchPostgres
from tests.audit.conftest import AuditLog

ACTS = (
    "UPDATE audit_logs SET action = 'x'",
    "DELETE FROM audit_logs",
    "TRUNCATE audit_logs",
    "UPDATE audit_seals SET hash = sha256('x')",
    "DELETE FROM audit_seals",
    "TRUNCATE audit_seals",
)


@pytest.mark.parametrize("statement", ACTS)
async def test_nothing_is_changed_or_removed_by_anybody(
    log: AuditLog, postgres: ScratchPostgres, statement: str
) -> None:
    await log.sealed(2)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await log.app.execute(statement)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="only ever added to"):
        await log.owner.execute(statement)
    # Replication mode skips ordinary triggers; ours are not ordinary. Only a superuser may turn it on.
    database = log.urls.owner.rpartition("/")[2]
    with pytest.raises(Exception, match="only ever added to"):
        postgres.cluster.sql(f"SET session_replication_role = replica; {statement};", database)
    assert (await log.verify())[0] == 0


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_logs (created_at, actor_kind, action, subject) VALUES ('2020-01-01', 'user', 'x', 'y')",
        "INSERT INTO audit_logs (transaction_id, actor_kind, action, subject) VALUES ('3', 'user', 'x', 'y')",
        "INSERT INTO audit_logs (id, actor_kind, action, subject) OVERRIDING SYSTEM VALUE VALUES (1, 'user', 'x', 'y')",
        "INSERT INTO audit_seals VALUES (1, 1, sha256('x'))",
        "ALTER TABLE audit_logs DISABLE TRIGGER ALL",
        "SELECT setval('audit_logs_id_seq', 1)",
    ],
)
async def test_the_app_does_not_say_when_an_act_was_or_seal_it_by_hand(log: AuditLog, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await log.app.execute(statement)


async def test_seals_are_put_behind_the_last_only(log: AuditLog) -> None:
    await log.acts(3)
    seal = "SELECT seal_audit_logs($1, ARRAY[$2::bigint], ARRAY[sha256('x')])"
    await log.app.execute(seal, 0, 1)
    for after in (0, 2, 100, -1):
        with pytest.raises(asyncpg.SerializationError):
            await log.app.execute(seal, after, 2)
    with pytest.raises(asyncpg.UniqueViolationError):
        await log.app.execute(seal, 1, 1)
    with pytest.raises(asyncpg.CheckViolationError):
        await log.app.execute("SELECT seal_audit_logs(1, ARRAY[2::bigint], ARRAY['short'::bytea])")


@pytest.mark.parametrize("column", ["details", "before", "after"])
async def test_numbers_stay_out_however_deep(log: AuditLog, column: str) -> None:
    for value in ("1", '{"a": [{"b": 1.50}]}'):
        with pytest.raises(asyncpg.CheckViolationError):
            await log.owner.execute(
                f"INSERT INTO audit_logs (actor_kind, action, subject, {column}) VALUES ('user', 'x', 'y', '{value}')"
            )


async def test_an_act_says_who_from_where_what_before_after_and_why(log: AuditLog) -> None:
    who = new_id()
    await record(
        log.app,
        actor_id=who,
        actor_role="compliance",
        action="user.frozen",
        subject=f"user:{who}",
        address="2001:db8::1",
        reason="asked by the bank",
        before={"status": "active"},
        after={"status": "frozen"},
    )
    await record(log.app, actor_id=None, action="login.failed", subject=f"user:{who}")
    await record(log.app, actor_id=new_id(), action="session.opened", subject="user:another")
    frozen, failed = await acts_about(log.app, who)
    assert (frozen.actor_kind, frozen.actor_id, frozen.actor_role) == ("user", UUID(str(who)), "compliance")
    assert (frozen.reason, frozen.before, frozen.after) == (
        "asked by the bank",
        {"status": "active"},
        {"status": "frozen"},
    )
    assert (failed.actor_kind, failed.actor_id, failed.address) == ("anonymous", None, None)
    assert await acts_about(log.app, who, after_id=frozen.id, limit=1) == [failed]


async def test_an_act_that_was_undone_is_not_in_the_log(log: AuditLog) -> None:
    undone = log.app.transaction()
    await undone.start()
    await log.acts(1)
    await undone.rollback()
    await log.sealed(1)  # the gap in the ids is none in the places
    assert "1 acts are sealed" in (await log.verify())[1]
