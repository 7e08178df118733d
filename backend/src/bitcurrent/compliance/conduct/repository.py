"""The SQL of evidence. Nothing here changes a row."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from bitcurrent.compliance.conduct.model import Content, Evidence, Fact, OpenTest, Origin, Outcome
from bitcurrent.compliance.conduct.packs import Jurisdiction, Pack, Step, sha256
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id

TABLE: Final = "conduct_evidence"
SEEN_MAX: Final = 20
"""Tests that are looked back to when questions are drawn."""
_COLUMNS: Final = (
    "id, user_id, at, jurisdiction, version, step, outcome, choice, refers_to, text_sha256, origin, data_key, content"
)


async def lock_customer(connection: Connection, user_id: UserId) -> None:
    """One step of a customer's at a time; orders and deposits go on beside it."""
    await connection.execute("SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", user_id)


async def moment(connection: Connection) -> datetime:
    """The database's clock, by which every wait is counted."""
    at: datetime = await connection.fetchval("SELECT now()")
    return at


async def facts_of(connection: Connection, user_id: UserId, jurisdiction: Jurisdiction) -> list[Fact]:
    """All evidence of a customer, counted by kind: as many rows as there are kinds, however often they tried."""
    rows = await connection.fetch(
        """
        SELECT version, step, outcome, choice, min(at) AS first_at, max(at) AS last_at, count(*)::int AS times
        FROM conduct_evidence WHERE user_id = $1 AND jurisdiction = $2
        GROUP BY version, step, outcome, choice
        """,
        user_id,
        jurisdiction,
    )
    return [Fact(**dict(row)) for row in rows]


async def add(
    connection: Connection,
    vault: Vault,
    user_id: UserId,
    pack: Pack,
    step: Step,
    outcome: Outcome,
    content: Content,
    *,
    text: str,
    choice: str | None = None,
    refers_to: UUID | None = None,
    origin: Origin = "customer",
) -> UUID:
    """One more piece of evidence; its id. Its moment is the database's."""
    evidence_id = new_id()
    record = vault.new_record(table=TABLE, row=evidence_id)
    await connection.execute(
        """
        INSERT INTO conduct_evidence (id, user_id, jurisdiction, version, step, outcome, choice, refers_to, text_sha256,
            origin, data_key, content)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        evidence_id,
        user_id,
        pack.jurisdiction,
        pack.version,
        step,
        outcome,
        choice,
        refers_to,
        sha256(text),
        origin,
        record.wrapped,
        record.encrypt(msgspec.json.encode(content), column="content"),
    )
    return evidence_id


async def open_test(
    connection: Connection, vault: Vault, user_id: UserId, pack: Pack, test_id: UUID | None = None
) -> OpenTest | None:
    """The test of these rules that was begun and not answered; with an id only that one."""
    row = await connection.fetchrow(
        f"""
        SELECT {_COLUMNS} FROM conduct_evidence AS begun
        WHERE user_id = $1 AND jurisdiction = $2 AND version >= $3 AND outcome = 'begun'
          AND ($4::uuid IS NULL OR id = $4)
          AND NOT EXISTS (SELECT FROM conduct_evidence AS answered WHERE answered.refers_to = begun.id)
        ORDER BY id DESC LIMIT 1
        """,
        user_id,
        pack.jurisdiction,
        pack.counts_from,
        test_id,
    )
    if row is None:
        return None
    evidence = _evidence(vault, dict(row))
    return OpenTest(
        id=evidence.id,
        user_id=user_id,
        version=evidence.version,
        begun_at=evidence.at,
        questions=evidence.content.questions,
    )


async def has_test(connection: Connection, user_id: UserId, test_id: UUID) -> bool:
    """Whether a customer has ever begun this test, by any rules."""
    found = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM conduct_evidence WHERE id = $1 AND user_id = $2 AND outcome = 'begun')",
        test_id,
        user_id,
    )
    return bool(found)


async def seen_questions(connection: Connection, vault: Vault, user_id: UserId, pack: Pack) -> list[str]:
    """The ids of the questions that a customer was asked before, as often as they were."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM conduct_evidence WHERE user_id = $1 AND jurisdiction = $2 AND outcome = 'begun' "
        "ORDER BY id DESC LIMIT $3",
        user_id,
        pack.jurisdiction,
        SEEN_MAX,
    )
    return [question.id for row in rows for question in _evidence(vault, dict(row)).content.questions]


async def list_evidence(
    connection: Connection, vault: Vault, user_id: UserId, *, before: UUID | None, limit: int
) -> list[Evidence]:
    """A customer's evidence, newest first."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM conduct_evidence WHERE user_id = $1 AND ($2::uuid IS NULL OR id < $2) "
        "ORDER BY id DESC LIMIT $3",
        user_id,
        before,
        limit,
    )
    return [_evidence(vault, dict(row)) for row in rows]


async def all_evidence(connection: Connection, vault: Vault, user_id: UserId) -> AsyncIterator[Evidence]:
    """A customer's evidence, oldest first, some rows at a time."""
    query = f"SELECT {_COLUMNS} FROM conduct_evidence WHERE user_id = $1 ORDER BY id"
    async for row in connection.cursor(query, user_id, prefetch=200):
        yield _evidence(vault, dict(row))


async def erase(connection: Connection, user_id: UserId) -> None:
    """Forget a customer's evidence; the database refuses it before the law allows it."""
    await connection.execute("DELETE FROM conduct_evidence WHERE user_id = $1", user_id)


def _evidence(vault: Vault, values: dict[str, Any]) -> Evidence:
    record = vault.open_record(values.pop("data_key"), table=TABLE, row=values["id"])
    content = msgspec.json.decode(record.decrypt(values.pop("content"), column="content"), type=Content)
    return Evidence(**values, content=content)
