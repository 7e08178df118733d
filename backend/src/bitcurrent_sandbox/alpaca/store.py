"""What the venue has acknowledged, in SQLite: it outlives a kill -9 of the process.

Write-ahead log with synchronous=NORMAL: a commit is in the operating system's hands before the answer leaves.
(A power cut may lose the last moments; a killed process loses nothing.)
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from bitcurrent_sandbox.alpaca.model import FeePosting, Fill, Order, Position, Transfer, TransferPosting, Whitelisted
from bitcurrent_sandbox.alpaca.series import Change

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client_order_id TEXT NOT NULL UNIQUE,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    open INTEGER NOT NULL,
    submitted_at INTEGER NOT NULL,
    doc BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS orders_by_time ON orders (open, submitted_at);
CREATE TABLE IF NOT EXISTS activities (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    order_id TEXT,
    at INTEGER NOT NULL,
    fee_due INTEGER NOT NULL,
    doc BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS activities_by_order ON activities (order_id);
CREATE INDEX IF NOT EXISTS activities_due ON activities (fee_due) WHERE fee_due = 1;
CREATE TABLE IF NOT EXISTS positions (symbol TEXT PRIMARY KEY, doc BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS changes (symbol TEXT NOT NULL, at INTEGER NOT NULL, kind TEXT, over TEXT, under TEXT);
CREATE TABLE IF NOT EXISTS transfers (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, status TEXT NOT NULL, doc BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS transfers_by_status ON transfers (status);
CREATE TABLE IF NOT EXISTS whitelists (id TEXT PRIMARY KEY, doc BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS watchlists (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, doc BLOB NOT NULL);
"""
_WIPED: Final = ("orders", "activities", "positions", "changes", "watchlists", "transfers", "whitelists")

Activity = Fill | FeePosting | TransferPosting
_SHAPES: Final[dict[str, type[Activity]]] = {"FILL": Fill, "CFEE": FeePosting, "OCT": TransferPosting}


class Store:
    """The database file of one sandbox; used from the event loop's thread only."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "venue.sqlite3", isolation_level=None, timeout=5.0)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA cache_size = -4000")
        self._db.executescript(_SCHEMA)
        self._depth = 0

    def close(self) -> None:
        """Fold the log into the file and let go of it."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; an inner one joins the outer."""
        if self._depth == 0:
            self._db.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("ROLLBACK")
            raise
        self._depth -= 1
        if self._depth == 0:
            self._db.execute("COMMIT")

    def wipe(self) -> None:
        """Forget every order, activity, position, bend and watch list."""
        with self.transaction():
            for table in _WIPED:
                # nosemgrep: formatted-sql  our own names and clauses, values are parameters
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608  our own table names

    def setting(self, key: str) -> str | None:
        """A remembered value, or None."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def remember(self, key: str, value: str) -> None:
        """Keep a value under a key."""
        self._db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    # Orders

    def add_order(self, order: Order) -> None:
        """A new order; raises sqlite3.IntegrityError when its client_order_id is taken."""
        self._db.execute(
            "INSERT INTO orders (id, client_order_id, symbol, side, open, submitted_at, doc) VALUES (?,?,?,?,?,?,?)",
            (
                order.id,
                order.client_order_id,
                order.symbol,
                order.side,
                order.open,
                order.submitted_at,
                msgspec.json.encode(order),
            ),
        )

    def save_order(self, order: Order) -> None:
        """The order as it is now."""
        self._db.execute(
            "UPDATE orders SET open = ?, doc = ? WHERE id = ?",
            (order.open, msgspec.json.encode(order), order.id),
        )

    def order(self, order_id: str) -> Order | None:
        """By the venue's id."""
        return self._one_order("id", order_id)

    def order_by_client_id(self, client_order_id: str) -> Order | None:
        """By the caller's id."""
        return self._one_order("client_order_id", client_order_id)

    def open_orders(self) -> list[Order]:
        """Everything that can still trade, oldest first."""
        rows = self._db.execute("SELECT doc FROM orders WHERE open = 1 ORDER BY seq")
        return [msgspec.json.decode(row[0], type=Order) for row in rows]

    def orders(
        self,
        *,
        limit: int,
        is_open: bool | None = None,
        after: int | None = None,
        until: int | None = None,
        side: str | None = None,
        symbols: Sequence[str] = (),
        newest_first: bool = True,
        after_order: str | None = None,
        before_order: str | None = None,
    ) -> list[Order]:
        """Orders by the time they were submitted."""
        clauses, values = ["1 = 1"], list[Any]()
        for clause, value in (
            ("open = ?", is_open),
            ("submitted_at > ?", after),
            ("submitted_at < ?", until),
            ("side = ?", side),
            ("seq > (SELECT seq FROM orders WHERE id = ?)", after_order),
            ("seq < (SELECT seq FROM orders WHERE id = ?)", before_order),
        ):
            if value is not None:
                clauses.append(clause)
                values.append(value)
        if symbols:
            clauses.append(f"symbol IN ({','.join('?' * len(symbols))})")
            values.extend(symbols)
        order = "DESC" if newest_first else "ASC"
        rows = self._db.execute(
            # nosemgrep: formatted-sql  our own names and clauses, values are parameters
            f"SELECT doc FROM orders WHERE {' AND '.join(clauses)} "  # noqa: S608  our own clauses
            f"ORDER BY submitted_at {order}, seq {order} LIMIT ?",
            (*values, limit),
        )
        return [msgspec.json.decode(row[0], type=Order) for row in rows]

    def _one_order(self, column: str, value: str) -> Order | None:
        row = self._db.execute(
            # nosemgrep: formatted-sql  our own names and clauses, values are parameters
            f"SELECT doc FROM orders WHERE {column} = ?",  # noqa: S608  our own column names
            (value,),
        ).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=Order)

    # Activities

    def add_fill(self, fill: Fill) -> None:
        """A fill, whose fee is still to be posted."""
        self._add_activity(fill.activity_id, "FILL", fill.order_id, fill.at, 1, fill)

    def post_fee(self, posting: FeePosting, fill: Fill) -> None:
        """The fee activity of that fill."""
        self._add_activity(posting.activity_id, "CFEE", None, posting.at, 0, posting)
        self._db.execute("UPDATE activities SET fee_due = 0 WHERE id = ?", (fill.activity_id,))

    def fills_with_fee_due(self, limit: int) -> list[Fill]:
        """Fills whose fee activity has not been posted, oldest first."""
        rows = self._db.execute("SELECT doc FROM activities WHERE fee_due = 1 ORDER BY seq LIMIT ?", (limit,))
        return [msgspec.json.decode(row[0], type=Fill) for row in rows]

    def fills(self, order_id: str | None = None) -> list[Fill]:
        """The fills of one order, or all, oldest first."""
        rows = self._db.execute(
            "SELECT doc FROM activities WHERE kind = 'FILL' AND (?1 IS NULL OR order_id = ?1) ORDER BY seq", (order_id,)
        )
        return [msgspec.json.decode(row[0], type=Fill) for row in rows]

    def activities(
        self,
        *,
        kinds: Sequence[str],
        after: int | None,
        until: int | None,
        order_id: str | None,
        token: str | None,
        newest_first: bool,
        limit: int,
    ) -> list[Activity]:
        """A page of activities; `token` is the id of the last one seen."""
        clauses, values = ["1 = 1"], list[Any]()
        past = (
            "seq < (SELECT seq FROM activities WHERE id = ?)"
            if newest_first
            else ("seq > (SELECT seq FROM activities WHERE id = ?)")
        )
        for clause, value in (
            ("at > ?", after),
            ("at < ?", until),
            ("order_id = ?", order_id),
            (past, token),
        ):
            if value is not None:
                clauses.append(clause)
                values.append(value)
        if kinds:
            clauses.append(f"kind IN ({','.join('?' * len(kinds))})")
            values.extend(kinds)
        rows = self._db.execute(
            # nosemgrep: formatted-sql  our own names and clauses, values are parameters
            f"SELECT kind, doc FROM activities WHERE {' AND '.join(clauses)} "  # noqa: S608  our own clauses
            f"ORDER BY seq {'DESC' if newest_first else 'ASC'} LIMIT ?",
            (*values, limit),
        )
        found: list[Activity] = []
        for kind, doc in rows:
            found.append(msgspec.json.decode(doc, type=_SHAPES[kind]))
        return found

    def _add_activity(self, key: str, kind: str, order_id: str | None, at: int, due: int, doc: Activity) -> None:
        self._db.execute(
            "INSERT INTO activities (id, kind, order_id, at, fee_due, doc) VALUES (?,?,?,?,?,?)",
            (key, kind, order_id, at, due, msgspec.json.encode(doc)),
        )

    # Transfers and the addresses that they may go to

    def add_transfer(self, transfer: Transfer) -> None:
        """A new transfer."""
        self._db.execute(
            "INSERT INTO transfers (id, status, doc) VALUES (?,?,?)",
            (transfer.id, transfer.status, msgspec.json.encode(transfer)),
        )

    def save_transfer(self, transfer: Transfer) -> None:
        """The transfer as it is now."""
        self._db.execute(
            "UPDATE transfers SET status = ?, doc = ? WHERE id = ?",
            (transfer.status, msgspec.json.encode(transfer), transfer.id),
        )

    def transfer(self, key: str) -> Transfer | None:
        """One transfer by its id."""
        row = self._db.execute("SELECT doc FROM transfers WHERE id = ?", (key,)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=Transfer)

    def transfers(self, *, status: str | None = None, limit: int = 1_000) -> list[Transfer]:
        """Transfers in a status, or all, newest first."""
        rows = self._db.execute(
            "SELECT doc FROM transfers WHERE ?1 IS NULL OR status = ?1 ORDER BY seq DESC LIMIT ?2", (status, limit)
        )
        return [msgspec.json.decode(row[0], type=Transfer) for row in rows]

    def add_transfer_activity(self, posting: TransferPosting) -> None:
        """The activity of a completed transfer."""
        self._add_activity(posting.activity_id, "OCT", None, posting.at, 0, posting)

    def whitelists(self) -> list[Whitelisted]:
        """Every whitelisted address, in the order in which they came."""
        rows = self._db.execute("SELECT doc FROM whitelists ORDER BY rowid")
        return [msgspec.json.decode(row[0], type=Whitelisted) for row in rows]

    def save_whitelisted(self, one: Whitelisted) -> None:
        """Keep a whitelisted address under its id."""
        self._db.execute(
            "INSERT INTO whitelists (id, doc) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET doc = ?2",
            (one.id, msgspec.json.encode(one)),
        )

    def delete_whitelisted(self, key: str) -> bool:
        """Whether there was one to delete."""
        return self._db.execute("DELETE FROM whitelists WHERE id = ?", (key,)).rowcount > 0

    # Positions, cash, bends, watch lists, counts

    def positions(self) -> dict[str, Position]:
        """Every position by symbol."""
        rows = self._db.execute("SELECT doc FROM positions")
        found = (msgspec.json.decode(row[0], type=Position) for row in rows)
        return {position.symbol: position for position in found}

    def save_books(self, cash: Decimal, position: Position | None) -> None:
        """The account's cash, and the position that changed with it."""
        self.remember("cash", str(cash))
        if position is not None:
            self._db.execute(
                "INSERT OR REPLACE INTO positions (symbol, doc) VALUES (?, ?)",
                (position.symbol, msgspec.json.encode(position)),
            )

    def add_change(self, symbol: str, change: Change) -> None:
        """A bend of a price."""
        self._db.execute(
            "INSERT INTO changes VALUES (?,?,?,?,?)",
            (symbol, change.at, change.kind, str(change.over), str(change.under)),
        )

    def changes(self) -> list[tuple[str, Change]]:
        """Every bend, oldest first."""
        rows = self._db.execute("SELECT symbol, at, kind, over, under FROM changes ORDER BY at")
        return [(symbol, Change(at, kind, int(over), int(under))) for symbol, at, kind, over, under in rows]

    def watchlists(self) -> list[dict[str, Any]]:
        """Every watch list as it was saved."""
        return [msgspec.json.decode(row[0]) for row in self._db.execute("SELECT doc FROM watchlists ORDER BY rowid")]

    def save_watchlist(self, watchlist: dict[str, Any]) -> None:
        """Keep a watch list under its id; raises sqlite3.IntegrityError when the name is taken."""
        self._db.execute(
            "INSERT INTO watchlists (id, name, doc) VALUES (?1, ?2, ?3) "
            "ON CONFLICT (id) DO UPDATE SET name = ?2, doc = ?3",
            (watchlist["id"], watchlist["name"], msgspec.json.encode(watchlist)),
        )

    def delete_watchlist(self, key: str) -> bool:
        """Whether there was one to delete."""
        return self._db.execute("DELETE FROM watchlists WHERE id = ?", (key,)).rowcount > 0

    def counts(self) -> dict[str, int]:
        """How many orders and activities there are."""
        row = self._db.execute("SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM activities)").fetchone()
        return {"orders": int(row[0]), "activities": int(row[1])}
