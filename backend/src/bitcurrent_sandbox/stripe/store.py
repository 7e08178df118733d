"""What the processor has acknowledged, in SQLite: its objects as they go on the wire, keys, deliveries.

A commit is in the operating system's hands before the answer leaves: a killed process forgets nothing.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Object = dict[str, Any]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    created INTEGER NOT NULL,
    payment_intent TEXT,
    doc TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS objects_by_kind ON objects (kind, seq);
CREATE INDEX IF NOT EXISTS objects_by_payment ON objects (payment_intent, kind) WHERE payment_intent IS NOT NULL;
CREATE TABLE IF NOT EXISTS lines (
    id TEXT PRIMARY KEY, currency TEXT NOT NULL, net INTEGER NOT NULL, available_on INTEGER NOT NULL, payout TEXT
);
CREATE INDEX IF NOT EXISTS lines_by_payout ON lines (payout);
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL,
    request TEXT NOT NULL, at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS later (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, verb TEXT, object TEXT);
CREATE INDEX IF NOT EXISTS later_due ON later (at);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, endpoint TEXT NOT NULL, due INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'waiting', answer TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due) WHERE state = 'waiting';
"""
_WIPED: Final = ("objects", "lines", "keys", "later", "deliveries")
FILTERS: Final[tuple[str, ...]] = (
    "payment_intent",
    "charge",
    "status",
    "type",
    "source",
    "currency",
    "customer",
    "payout",
)


@dataclass(frozen=True, slots=True)
class Kept:
    """The answer that a key was first given."""

    fingerprint: str
    status: int
    body: bytes
    request: str
    at: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one endpoint."""

    seq: int
    event: str
    endpoint: str
    due: int
    attempts: int
    state: str
    answer: str


class Store:
    """The database file of one processor; used from the event loop's thread only."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "stripe.sqlite3", isolation_level=None, timeout=5.0)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA cache_size = -2000")
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
        """Forget everything but the webhook endpoints."""
        with self.transaction():
            kept = [
                self._doc(row) for row in self._db.execute("SELECT doc FROM objects WHERE kind = 'webhook_endpoint'")
            ]
            for table in _WIPED:
                # nosemgrep: formatted-sql  our own table names
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608  our own table names
            for doc in kept:
                self.add(doc)

    def setting(self, key: str) -> str | None:
        """A remembered value, or None."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def remember(self, key: str, value: str) -> None:
        """Keep a value under a key."""
        self._db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    # Objects

    def add(self, doc: Object) -> Object:
        """A new object."""
        self._db.execute(
            "INSERT INTO objects (id, kind, created, payment_intent, doc) VALUES (?,?,?,?,?)",
            (doc["id"], doc["object"], doc["created"], doc.get("payment_intent"), json.dumps(doc)),
        )
        return doc

    def save(self, doc: Object) -> Object:
        """The object as it is now."""
        self._db.execute(
            "UPDATE objects SET doc = ?, payment_intent = ? WHERE id = ?",
            (json.dumps(doc), doc.get("payment_intent"), doc["id"]),
        )
        return doc

    def find(self, key: str, kind: str | None = None) -> Object | None:
        """By its id, of any kind or of this one."""
        row = self._db.execute(
            "SELECT doc FROM objects WHERE id = ?1 AND (?2 IS NULL OR kind = ?2)", (key, kind)
        ).fetchone()
        return None if row is None else self._doc(row)

    def delete(self, key: str) -> None:
        """Forget one object."""
        self._db.execute("DELETE FROM objects WHERE id = ?", (key,))

    def of_payment(self, kind: str, payment_intent: str) -> list[Object]:
        """Every object of this kind that belongs to the payment, oldest first."""
        rows = self._db.execute(
            "SELECT doc FROM objects WHERE payment_intent = ? AND kind = ? ORDER BY seq", (payment_intent, kind)
        )
        return [self._doc(row) for row in rows]

    def page(
        self,
        kind: str,
        *,
        where: Mapping[str, str],
        created: Mapping[str, int],
        limit: int,
        after: str | None = None,
        before: str | None = None,
    ) -> list[Object]:
        """Objects, newest first: behind the one called `after`, or (nearest first) in front of the one `before`."""
        clauses, values = ["kind = ?"], list[Any]([kind])
        for name, value in where.items():
            assert name in FILTERS
            if name == "payout":
                clauses.append("id IN (SELECT id FROM lines WHERE payout = ?)")
            elif name == "payment_intent":
                clauses.append("payment_intent = ?")
            else:
                clauses.append(f"json_extract(doc, '$.{name}') = ?")
            values.append(value)
        for sign, bound in created.items():
            clauses.append(f"created {_SIGNS[sign]} ?")
            values.append(bound)
        for sign, key in (("<", after), (">", before)):
            if key is not None:
                clauses.append(f"seq {sign} (SELECT seq FROM objects WHERE id = ?)")  # noqa: S608  our own sign
                values.append(key)
        order = "ASC" if before is not None else "DESC"
        rows = self._db.execute(
            # nosemgrep: formatted-sql  our own names and clauses, values are parameters
            f"SELECT doc FROM objects WHERE {' AND '.join(clauses)} ORDER BY seq {order} LIMIT ?",  # noqa: S608  same
            (*values, limit),
        )
        found = [self._doc(row) for row in rows]
        return found[::-1] if before is not None else found

    def count(self, kind: str) -> int:
        """How many objects of this kind there are."""
        return int(self._db.execute("SELECT count(*) FROM objects WHERE kind = ?", (kind,)).fetchone()[0])

    @staticmethod
    def _doc(row: Sequence[str]) -> Object:
        doc: Object = json.loads(row[0])
        return doc

    # The balance

    def add_line(self, line: Object) -> Object:
        """A balance transaction."""
        self._db.execute(
            "INSERT INTO lines (id, currency, net, available_on) VALUES (?,?,?,?)",
            (line["id"], line["currency"], line["net"], line["available_on"]),
        )
        return self.add(line)

    def balance(self, now: int) -> dict[str, tuple[int, int]]:
        """By currency: what is available, and what is pending."""
        rows = self._db.execute(
            "SELECT currency, total(net) FILTER (WHERE available_on <= ?1), "
            "total(net) FILTER (WHERE available_on > ?1) "
            "FROM lines GROUP BY currency ORDER BY currency",
            (now,),
        )
        return {currency: (int(available), int(pending)) for currency, available, pending in rows}

    def pay_out_lines(self, payout: str, currency: str, now: int) -> int:
        """Bind every available line that no payout holds yet to this one; their sum."""
        self._db.execute(
            "UPDATE lines SET payout = ? WHERE payout IS NULL AND currency = ? AND available_on <= ?",
            (payout, currency, now),
        )
        row = self._db.execute("SELECT coalesce(sum(net), 0) FROM lines WHERE payout = ?", (payout,)).fetchone()
        return int(row[0])

    def bind_line(self, line: str, payout: str | None) -> None:
        """The line belongs to this payout."""
        self._db.execute("UPDATE lines SET payout = ? WHERE id = ?", (payout, line))

    # Idempotency keys

    def kept(self, key: str, *, since: int) -> Kept | None:
        """The answer that this key was given, unless that was before `since`."""
        row = self._db.execute(
            "SELECT fingerprint, status, body, request, at FROM keys WHERE key = ? AND at >= ?", (key, since)
        ).fetchone()
        return None if row is None else Kept(*row)

    def keep(self, key: str, kept: Kept) -> None:
        """Remember an answer."""
        self._db.execute(
            "INSERT OR REPLACE INTO keys (key, fingerprint, status, body, request, at) VALUES (?,?,?,?,?,?)",
            (key, kept.fingerprint, kept.status, kept.body, kept.request, kept.at),
        )

    def prune(self, *, keys_before: int, deliveries: int) -> None:
        """Forget keys that no longer count, and all but so many of the deliveries that have ended."""
        self._db.execute("DELETE FROM keys WHERE at < ?", (keys_before,))
        self._db.execute(
            "DELETE FROM deliveries WHERE state <> 'waiting' AND seq <= (SELECT max(seq) FROM deliveries) - ?",
            (deliveries,),
        )

    # What happens later

    def later(self, at: int, verb: str, key: str) -> None:
        """Do `verb` with the object at that second."""
        self._db.execute("INSERT INTO later (at, verb, object) VALUES (?,?,?)", (at, verb, key))

    def due(self, now: int, limit: int = 100) -> list[tuple[int, str, str]]:
        """(number, verb, id) of what is due, oldest first."""
        rows = self._db.execute(
            "SELECT seq, verb, object FROM later WHERE at <= ? ORDER BY at, seq LIMIT ?", (now, limit)
        )
        return [(int(seq), str(verb), str(key)) for seq, verb, key in rows]

    def done(self, number: int) -> None:
        """What was due has been done."""
        self._db.execute("DELETE FROM later WHERE seq = ?", (number,))

    def hurry(self) -> None:
        """Everything that would happen later is due now."""
        self._db.execute("UPDATE later SET at = 0 WHERE verb <> 'expire'")

    # Deliveries

    def add_delivery(self, event: str, endpoint: str, due: int) -> None:
        """Tell this endpoint of this event, at that millisecond or later."""
        self._db.execute("INSERT INTO deliveries (event, endpoint, due) VALUES (?,?,?)", (event, endpoint, due))

    def waiting(self, now: int, limit: int) -> list[Delivery]:
        """Deliveries that are due, oldest first."""
        return self._deliveries("state = 'waiting' AND due <= ? ORDER BY due, seq LIMIT ?", (now, limit))

    def next_due(self) -> int | None:
        """The millisecond at which the next delivery is due."""
        row = self._db.execute("SELECT min(due) FROM deliveries WHERE state = 'waiting'").fetchone()
        return None if row[0] is None else int(row[0])

    def newest_deliveries(self, limit: int) -> list[Delivery]:
        """The last ones, newest first."""
        return self._deliveries("TRUE ORDER BY seq DESC LIMIT ?", (limit,))

    def delivered(self, delivery: Delivery, *, state: str, answer: str, due: int) -> None:
        """What became of an attempt."""
        self._db.execute(
            "UPDATE deliveries SET state = ?, answer = ?, due = ?, attempts = attempts + 1 WHERE seq = ?",
            (state, answer, due, delivery.seq),
        )

    def delivery_counts(self) -> dict[str, int]:
        """How many deliveries are in each state."""
        rows = self._db.execute("SELECT state, count(*) FROM deliveries GROUP BY state")
        return {str(state): int(count) for state, count in rows}

    def _deliveries(self, tail: str, values: Sequence[Any]) -> list[Delivery]:
        columns = "seq, event, endpoint, due, attempts, state, answer"
        # nosemgrep: formatted-sql  our own names and clauses, values are parameters
        rows = self._db.execute(f"SELECT {columns} FROM deliveries WHERE {tail}", values)  # noqa: S608  same
        return [Delivery(*row) for row in rows]


_SIGNS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
