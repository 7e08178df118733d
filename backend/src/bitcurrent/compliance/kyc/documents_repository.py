"""The SQL of documents, their pieces, and the links to them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from bitcurrent.compliance.kyc.model import Document
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import rows_of

# Names of our own fields, never somebody's input.
_DOCUMENT: Final = ", ".join(field.name for field in fields(Document))
_OF: Final = ", ".join("d." + field.name for field in fields(Document))
_TABLE: Final = "kyc_documents"
PIECE_BYTES: Final = 256 * 1024


async def insert_document(connection: Connection, vault: Vault, document: Document, content: bytes) -> None:
    """A document with its content in encrypted pieces, each bound to its place."""
    sealing = vault.new_record(table=_TABLE, row=document.id)
    await connection.execute(
        """
        INSERT INTO kyc_documents (id, user_id, purpose, media_type, sha256, clean_sha256, bytes, pages, pieces,
            created_at, data_key)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        document.id,
        document.user_id,
        document.purpose,
        document.media_type,
        document.sha256,
        document.clean_sha256,
        document.bytes,
        document.pages,
        document.pieces,
        document.created_at,
        sealing.wrapped,
    )
    await connection.executemany(
        "INSERT INTO kyc_document_pieces (document_id, number, content) VALUES ($1, $2, $3)",
        (
            (
                document.id,
                number,
                sealing.encrypt(content[number * PIECE_BYTES : (number + 1) * PIECE_BYTES], column=_place(number)),
            )
            for number in range(document.pieces)
        ),
    )


async def read_content(connection: Connection, vault: Vault, document_id: UUID) -> bytes:
    """The whole content; raises CryptoError for what was changed, moved or cut short."""
    wrapped = await connection.fetchval("SELECT data_key FROM kyc_documents WHERE id = $1", document_id)
    opened = vault.open_record(wrapped, table=_TABLE, row=document_id)
    rows = await connection.fetch(
        "SELECT number, content FROM kyc_document_pieces WHERE document_id = $1 ORDER BY number", document_id
    )
    return b"".join(opened.decrypt(row["content"], column=_place(row["number"])) for row in rows)


def pieces_of(content: bytes) -> int:
    """In how many pieces a content is kept."""
    return -(-len(content) // PIECE_BYTES)


async def read_document(connection: Connection, document_id: UUID) -> Document | None:
    """One document without its content."""
    row = await connection.fetchrow(f"SELECT {_DOCUMENT} FROM kyc_documents WHERE id = $1", document_id)
    return _document(row) if row else None


async def documents_of(connection: Connection, submission_id: UUID) -> list[Document]:
    """What belongs to a submission, oldest first."""
    rows = await connection.fetch(
        f"SELECT {_OF} FROM kyc_documents d JOIN kyc_submission_documents s ON s.document_id = d.id"
        " WHERE s.submission_id = $1 ORDER BY d.id",
        submission_id,
    )
    return [_document(row) for row in rows]


async def attach(connection: Connection, submission_id: UUID, document_id: UUID) -> None:
    """It belongs to this submission (too)."""
    await connection.execute(
        "INSERT INTO kyc_submission_documents (submission_id, document_id) VALUES ($1, $2)", submission_id, document_id
    )


async def carry_over(connection: Connection, before: UUID, after: UUID) -> None:
    """What belongs to the submission before belongs to the next version too, until it is replaced."""
    await connection.execute(
        "INSERT INTO kyc_submission_documents (submission_id, document_id)"
        " SELECT $2, document_id FROM kyc_submission_documents WHERE submission_id = $1",
        before,
        after,
    )


async def detach(connection: Connection, submission_id: UUID, document_id: UUID) -> bool:
    """It belongs to this draft no more, and is deleted where it belongs to nothing else; False when it did not."""
    result = await connection.execute(
        "DELETE FROM kyc_submission_documents WHERE submission_id = $1 AND document_id = $2", submission_id, document_id
    )
    if result == "DELETE 0":
        return False
    await connection.execute(
        "DELETE FROM kyc_documents d WHERE d.id = $1"
        " AND NOT EXISTS (SELECT FROM kyc_submission_documents s WHERE s.document_id = d.id)",
        document_id,
    )
    return True


async def used_by_others(connection: Connection, submission_id: UUID, user_id: UserId) -> list[UserId]:
    """Other customers who have sent the very same file as one of this submission's; at most ten."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT o.user_id FROM kyc_submission_documents s
        JOIN kyc_documents d ON d.id = s.document_id
        JOIN kyc_documents o ON o.user_id <> $2 AND (o.sha256 = d.sha256 OR o.clean_sha256 = d.clean_sha256)
        WHERE s.submission_id = $1 LIMIT 10
        """,
        submission_id,
        user_id,
    )
    return [UserId(row["user_id"]) for row in rows]


async def insert_link(
    connection: Connection,
    *,
    link_id: UUID,
    document_id: UUID,
    operator_id: UserId,
    token_hash: bytes,
    lives: timedelta,
) -> None:
    """A link to a document, for one operator."""
    await connection.execute(
        """
        INSERT INTO kyc_document_links (id, document_id, operator_id, token_hash, expires_at)
        VALUES ($1, $2, $3, $4, clock_timestamp() + $5::interval)
        """,
        link_id,
        document_id,
        operator_id,
        token_hash,
        lives,
    )


async def use_link(connection: Connection, token_hash: bytes, operator_id: UserId) -> Document | None:
    """The document of a link that lives and was not used, which is used now; only by whom it was made for."""
    row = await connection.fetchrow(
        f"""
        UPDATE kyc_document_links l SET used_at = clock_timestamp() FROM kyc_documents d
        WHERE l.token_hash = $1 AND l.operator_id = $2 AND l.used_at IS NULL AND l.expires_at > clock_timestamp()
            AND d.id = l.document_id
        RETURNING {_OF}
        """,
        token_hash,
        operator_id,
    )
    return _document(row) if row else None


async def purge_links(connection: Connection, *, limit: int) -> int:
    """Links that ended a day ago go; how many went. What was seen by whom is in the log of acts."""
    result = await connection.execute(
        "DELETE FROM kyc_document_links WHERE id IN (SELECT id FROM kyc_document_links"
        " WHERE expires_at < now() - interval '1 day' ORDER BY expires_at LIMIT $1)",
        limit,
    )
    return int(result.rpartition(" ")[2])


async def drop_documents_of(connection: Connection, submission_id: UUID) -> None:
    """Documents of a draft that was never sent in; those of another submission stay there."""
    for document in await documents_of(connection, submission_id):
        await detach(connection, submission_id, document.id)


async def erase_documents(connection: Connection, user_id: UserId) -> None:
    """Everything that a customer has uploaded; what submissions say of it must be forgotten before."""
    await connection.execute(
        "DELETE FROM kyc_submission_documents s USING kyc_documents d WHERE d.id = s.document_id AND d.user_id = $1",
        user_id,
    )
    await connection.execute("DELETE FROM kyc_documents WHERE user_id = $1", user_id)


def document_rows(connection: Connection, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    """A customer's documents for an export, oldest first."""
    return rows_of(
        connection,
        "SELECT id, purpose, media_type, bytes, pages, created_at, encode(sha256, 'hex') AS sha256"
        " FROM kyc_documents WHERE user_id = $1 ORDER BY id",
        user_id,
    )


def ids_of(documents: Sequence[Document]) -> list[str]:
    """Their ids with their hashes, as evidence of what was looked at."""
    return [f"{document.id}:{document.sha256.hex()}" for document in documents]


def _place(number: int) -> str:
    return f"piece {number}"


def _document(row: Any) -> Document:
    return Document(**dict(row))
