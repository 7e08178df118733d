"""The laws of money as questions to the database, and the proof that asks them all of one moment.

A law is one SQL statement with a row for each thing it checks; its column `broken` says what is wrong with it, or is
null. PostgreSQL does the counting, so ten million entries never leave it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bitcurrent.kernel.database import Connection
from bitcurrent.ledger.model import HOUSE_ACCOUNTS

BREAKS_SHOWN = 5
LAW_SECONDS_MAX = 1800
"""A law over the whole books may take longer than any other statement; half an hour means that something is stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """Something that must always hold. `sql` selects one text column `broken`, null where the law is kept."""

    key: str
    title: str
    subject: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What became of one law: how many things were checked, how many break it, and the first of those."""

    law: Law
    checked: int
    broken: int
    breaks: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings of one moment, `as_of`."""

    as_of: datetime
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether every law holds."""
        return all(finding.broken == 0 for finding in self.findings)

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The findings of the laws that do not hold."""
        return tuple(finding for finding in self.findings if finding.broken)


async def prove(connection: Connection, laws: Sequence[Law]) -> Report:
    """Ask every law of one snapshot, changing nothing. The connection must have no transaction open."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await ask(connection, laws)


async def ask(connection: Connection, laws: Sequence[Law]) -> Report:
    """Ask every law in the open transaction, which decides what is seen."""
    # Big sorts and sums, month by month: the default memory would send them to disk, and all at once.
    await connection.execute(
        "SET LOCAL work_mem = '64MB'; SET LOCAL jit = off;"
        "SET LOCAL enable_partitionwise_aggregate = on; SET LOCAL enable_partitionwise_join = on"
    )
    as_of: datetime = await connection.fetchval("SELECT now()")
    return Report(as_of=as_of, findings=tuple([await _find(connection, law) for law in laws]))


async def _find(connection: Connection, law: Law) -> Finding:
    # A law's SQL is a constant of its room, never somebody's input.
    counted = await connection.fetchrow(
        # nosemgrep: formatted-sql  a law's SQL is a constant of its room
        f"SELECT clock_timestamp() - statement_timestamp() AS took, c.* FROM "  # noqa: S608  constant
        f"(SELECT count(*) AS checked, count(broken) AS broken FROM ({law.sql}) AS law) AS c",
        timeout=LAW_SECONDS_MAX,
    )
    assert counted is not None
    breaks = []
    if counted["broken"]:
        breaks = await connection.fetch(
            # nosemgrep: formatted-sql  a law's SQL is a constant of its room
            f"SELECT broken FROM ({law.sql}) AS law WHERE broken IS NOT NULL LIMIT $1",  # noqa: S608  constant
            BREAKS_SHOWN,
            timeout=LAW_SECONDS_MAX,
        )
    return Finding(
        law=law,
        checked=counted["checked"],
        broken=counted["broken"],
        breaks=tuple(row["broken"] for row in breaks),
        seconds=counted["took"].total_seconds(),
    )


_HOUSE = ", ".join(f"'{name}'" for name in HOUSE_ACCOUNTS)

JOURNALS_BALANCE = Law(
    key="I1",
    title="Each journal sums to zero for every asset",
    subject="sums",
    sql="""
    SELECT CASE WHEN sum(amount) <> 0
        THEN format('journal %s is out by %s %s', journal_id, trim_scale(sum(amount)), currency) END AS broken
    FROM entries GROUP BY journal_id, created_at, currency
    """,
)

BALANCES_ARE_SUMS = Law(
    key="I2",
    title="Every balance equals the sum of its entries",
    subject="balances",
    sql="""
    SELECT CASE WHEN coalesce(b.available, 0) <> coalesce(e.available, 0) OR coalesce(b.held, 0) <> coalesce(e.held, 0)
        THEN format('user %s %s: available %s, entries say %s; held %s, entries say %s', user_id, currency,
            trim_scale(b.available), trim_scale(e.available), trim_scale(b.held), trim_scale(e.held)) END AS broken
    FROM balances b FULL JOIN (
        SELECT user_id, currency, coalesce(sum(amount) FILTER (WHERE account = 'available'), 0) AS available,
            coalesce(sum(amount) FILTER (WHERE account = 'held'), 0) AS held
        FROM entries WHERE user_id IS NOT NULL GROUP BY user_id, currency
    ) e USING (user_id, currency)
    """,
)

# Entries are not numbered in the order in which they were booked (ids are made before the locks are taken), so "the
# newest" is not always the last. But whatever the order, each line's balance before is another line's balance after,
# from zero to the balance of today. Sums of hashes of both compare the two sets in one pass without sorting them.
BALANCES_CHAIN = Law(
    key="I2",
    title="The lines of a balance follow from each other and end at it",
    subject="buckets",
    sql="""
    SELECT CASE WHEN e.links <> hash_numeric_extended(coalesce(CASE e.account
            WHEN 'available' THEN b.available ELSE b.held END, 0), 0)::numeric - hash_numeric_extended(0, 0)
        THEN format('user %s %s %s: its lines do not lead from nothing to the balance',
            e.user_id, e.currency, e.account) END AS broken
    FROM (
        SELECT user_id, currency, account, sum(hash_numeric_extended(balance_after, 0)::numeric
            - hash_numeric_extended(balance_after - amount, 0)) AS links
        FROM entries WHERE user_id IS NOT NULL GROUP BY user_id, currency, account
    ) e LEFT JOIN balances b ON b.user_id = e.user_id AND b.currency = e.currency
    """,
)

NOTHING_NEGATIVE = Law(
    key="I3",
    title="No customer's available or held is negative, nor ever was",
    subject="balances and lines",
    sql="""
    SELECT CASE WHEN available < 0 OR held < 0 OR 'NaN' IN (available, held)
        THEN format('user %s %s: available %s, held %s', user_id, currency, available, held) END AS broken
    FROM balances
    UNION ALL
    SELECT CASE WHEN balance_after < 0 OR balance_after = 'NaN'
        THEN format('line %s of journal %s leaves %s', line, journal_id, balance_after) END
    FROM entries WHERE user_id IS NOT NULL
    """,
)

ONE_JOURNAL_A_REFERENCE = Law(
    key="I4",
    title="One reference, one journal: nothing is credited twice",
    subject="references",
    sql="""
    SELECT CASE WHEN j.id IS NULL THEN format('reference %s has no journal', r.reference)
        WHEN r.reference IS NULL THEN format('journal %s has the reference %s, which is not taken', j.id, j.reference)
        WHEN r.journal_id <> j.id
        THEN format('reference %s belongs to journal %s and is on journal %s too', r.reference, r.journal_id, j.id)
        END AS broken
    FROM journal_references r
    FULL JOIN (SELECT id, reference FROM journals WHERE kind <> 'hold') j ON j.reference = r.reference
    """,
)

NOTHING_DANGLES = Law(
    key="L1",
    title="Every journal has entries and every entry a journal",
    subject="journals",
    sql="""
    SELECT CASE WHEN j.id IS NULL THEN format('entries of %s have no journal', e.journal_id)
        WHEN e.journal_id IS NULL THEN format('journal %s (%s) has no entries', j.id, j.reference) END AS broken
    FROM journals j FULL JOIN (SELECT journal_id, created_at FROM entries GROUP BY journal_id, created_at) e
        ON e.journal_id = j.id AND e.created_at = j.created_at
    """,
)

ASSETS_SUM_TO_ZERO = Law(
    key="L2",
    title="Each asset sums to zero: what is owed is somewhere",
    subject="assets",
    sql="""
    SELECT CASE WHEN sum(amount) <> 0 THEN format('%s is out by %s', currency, trim_scale(sum(amount))) END AS broken
    FROM entries GROUP BY currency
    """,
)

HOUSE_ACCOUNTS_ARE_KNOWN = Law(
    key="L3",
    title="Money lies only in accounts that the books know",
    subject="house accounts",
    sql=f"""
    SELECT CASE WHEN account NOT IN ({_HOUSE})
        THEN format('%s lines of %s on the unknown account %s', count(*), currency, account) END AS broken
    FROM entries WHERE user_id IS NULL GROUP BY account, currency
    """,  # noqa: S608  constant names
)

LEDGER_LAWS: tuple[Law, ...] = (
    JOURNALS_BALANCE,
    BALANCES_ARE_SUMS,
    BALANCES_CHAIN,
    NOTHING_NEGATIVE,
    ONE_JOURNAL_A_REFERENCE,
    NOTHING_DANGLES,
    ASSETS_SUM_TO_ZERO,
    HOUSE_ACCOUNTS_ARE_KNOWN,
)
