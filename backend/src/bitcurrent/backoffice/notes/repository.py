"""The SQL of notes, and their encryption."""

from datetime import datetime
from typing import Final
from uuid import UUID

from bitcurrent.backoffice.notes.model import Note
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id

_TABLE: Final = "customer_notes"


async def add(connection: Connection, vault: Vault, *, user_id: UserId, author: UserId, text: str) -> Note:
    """Keep a note."""
    note_id = new_id()
    sealed = vault.new_record(table=_TABLE, row=note_id)
    made: datetime = await connection.fetchval(
        """
        INSERT INTO customer_notes (id, user_id, author, data_key, text) VALUES ($1, $2, $3, $4, $5)
        RETURNING created_at
        """,
        note_id,
        user_id,
        author,
        sealed.wrapped,
        sealed.encrypt_text(text, column="text"),
    )
    return Note(id=note_id, user_id=user_id, author=author, created_at=made, text=text)


async def of_customer(
    connection: Connection, vault: Vault, user_id: UserId, *, before: UUID | None, limit: int
) -> list[Note]:
    """Notes about one customer, newest first."""
    rows = await connection.fetch(
        """
        SELECT id, user_id, author, created_at, data_key, text FROM customer_notes
        WHERE user_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
        """,
        user_id,
        before,
        limit,
    )
    return [
        Note(
            id=row["id"],
            user_id=UserId(row["user_id"]),
            author=UserId(row["author"]),
            created_at=row["created_at"],
            text=None
            if row["data_key"] is None
            else vault.open_record(row["data_key"], table=_TABLE, row=row["id"]).decrypt_text(
                row["text"], column="text"
            ),
        )
        for row in rows
    ]


async def erase(connection: Connection, user_id: UserId) -> None:
    """Drop the words and their keys."""
    await connection.execute(
        "UPDATE customer_notes SET data_key = NULL, text = NULL WHERE user_id = $1 AND data_key IS NOT NULL", user_id
    )
