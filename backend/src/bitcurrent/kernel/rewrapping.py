"""Changing the key-encryption key: every data key in the database is wrapped anew while the system runs.

Columns that carry wrapped data keys are found by their comment, so a new one needs no list here. The row's identity in
the vault is its primary key. Done in small transactions by primary key; whatever is already under the current key is
passed over, so it may be stopped, killed and started again at any moment.
"""

from dataclasses import dataclass
from typing import Final

import asyncpg

from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.crypto import CARRIER_COMMENT, CryptoError, Vault
from bitcurrent.kernel.database import Connection, Database

BATCH_ROWS: Final = 200
PASSES_MAX: Final = 5
"""Processes with older settings may go on writing under the old key; after so many passes we say so and stop."""


class NotKnownEverywhere(CryptoError):
    """A running process would not be able to read what is wrapped anew."""

    def __init__(self, key_id: str, processes: int) -> None:
        super().__init__(
            f"{processes} connection(s) belong to processes that do not know the key {key_id!r}. Give every process "
            "the new BITCURRENT_ENCRYPTION_KEYS and start it again first. Nothing was changed."
        )


@dataclass(frozen=True, slots=True)
class Carrier:
    """A column that holds wrapped data keys, and its table's primary key."""

    table: str
    column: str
    key: str
    key_type: str

    @property
    def name(self) -> str:
        """As people write it."""
        return f"{self.table}.{self.column}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one carrier is: rows wrapped anew so far, and the primary key of the last one."""

    rewrapped: int = 0
    last: str | None = None
    finished: bool = False


async def find_carriers(connection: Connection) -> list[Carrier]:
    """Every column that carries data keys, by table and column."""
    rows = await connection.fetch(
        """
        SELECT c.relname AS table, a.attname AS column, min(k.attname) AS key, count(k.attname) AS parts,
            min(format_type(k.atttypid, NULL)) AS key_type
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_description d ON d.objoid = c.oid AND d.objsubid = a.attnum AND d.classoid = 'pg_class'::regclass
        LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
        LEFT JOIN pg_attribute k ON k.attrelid = c.oid AND k.attnum = ANY (i.indkey)
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND d.description = $1
        GROUP BY c.relname, a.attname ORDER BY 1, 2
        """,
        CARRIER_COMMENT,
    )
    for row in rows:
        assert row["parts"] == 1, f"{row['table']} carries data keys and needs a primary key of one column"
    return [Carrier(row["table"], row["column"], row["key"], row["key_type"]) for row in rows]


async def count_keys(connection: Connection, carrier: Carrier) -> dict[str, int]:
    """How many rows of a carrier are under each key id."""
    column = _quoted(carrier.column)
    rows = await connection.fetch(
        # nosemgrep: formatted-sql  names from the catalogue, quoted
        f"""
        SELECT convert_from(substr({column}, 3, get_byte({column}, 1)), 'SQL_ASCII') AS key_id, count(*) AS rows
        FROM {_quoted(carrier.table)} WHERE length({column}) > 2 GROUP BY 1 ORDER BY 1
        """  # noqa: S608  names from the catalogue, quoted
    )
    return {row["key_id"]: row["rows"] for row in rows}


async def require_known_everywhere(connection: Connection, vault: Vault) -> None:
    """Raise NotKnownEverywhere while a process is connected whose keys lack the current one."""
    rows = await connection.fetch(
        """
        SELECT application_name FROM pg_stat_activity
        WHERE datname = current_database() AND starts_with(application_name, $1)
        """,
        APPLICATION,
    )
    current = vault.fingerprints[0]
    unaware = [row for row in rows if current not in row["application_name"].removeprefix(APPLICATION).split(",")]
    if unaware:
        raise NotKnownEverywhere(vault.current_key_id, len(unaware))


APPLICATION: Final = "bitcurrent keys "


def application_name(vault: Vault) -> str:
    """What a process calls itself to PostgreSQL, so that others can tell which keys it knows (63 bytes are kept)."""
    return (APPLICATION + ",".join(vault.fingerprints))[:63]


async def rewrap_batch(database: Database, vault: Vault, carrier: Carrier, progress: Progress) -> Progress:
    """Wrap the next rows of a carrier anew, in one transaction; raises UnknownKey or Undecipherable for a bad row."""

    async def work(connection: Connection) -> Progress:
        rows = await _rows_under_other_keys(connection, vault, carrier, progress.last)
        await connection.executemany(
            # nosemgrep: formatted-sql  names from the catalogue, quoted
            f"UPDATE {_quoted(carrier.table)} SET {_quoted(carrier.column)} = $2 "  # noqa: S608  names from the catalogue, quoted
            f"WHERE {_quoted(carrier.key)} = $1::text::{carrier.key_type}",
            [
                (
                    row["row"],
                    vault.rewrap(row["carrier"], table=carrier.table, column=carrier.column, row=row["row"]),
                )
                for row in rows
            ],
        )
        if not rows:
            return Progress(progress.rewrapped, progress.last, finished=True)
        return Progress(progress.rewrapped + len(rows), rows[-1]["row"])

    after = await database.in_transaction(work)
    if not after.finished:
        crash_point("keys.after_batch")
    return after


async def _rows_under_other_keys(
    connection: Connection, vault: Vault, carrier: Carrier, after: str | None
) -> list[asyncpg.Record]:
    key, column = _quoted(carrier.key), _quoted(carrier.column)
    behind = f"AND {key} > $3::text::{carrier.key_type}" if after is not None else "AND $3::text IS NULL"
    return await connection.fetch(
        # nosemgrep: formatted-sql  names from the catalogue, quoted
        f"""
        SELECT {key}::text AS row, {column} AS carrier FROM {_quoted(carrier.table)}
        WHERE {column} IS NOT NULL AND substr({column}, 1, length($1::bytea)) <> $1 {behind}
        ORDER BY {key} LIMIT $2 FOR NO KEY UPDATE
        """,  # noqa: S608  names from the catalogue, quoted
        vault.current_prefix,
        BATCH_ROWS,
        after,
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
