"""All the SQL of solvency reports. Trees go in by COPY, proofs come out by points."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from bitcurrent.reconciliation.solvency.model import AssetReport, Holdings, Node, Side, SolvencyReport, Step


async def insert_report(connection: Connection, report: SolvencyReport) -> None:
    """Write down a report; its trees refer to it."""
    await connection.execute(
        "INSERT INTO solvency_reports (id, as_of, books_hold, key_id, signature) VALUES ($1, $2, $3, $4, $5)",
        report.id,
        report.as_of,
        report.books_hold,
        report.key_id,
        report.signature,
    )
    await connection.executemany(
        """
        INSERT INTO solvency_assets (report_id, asset, owed, customers, root, venue, processor, bank)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        [
            (
                report.id, each.asset, each.owed, each.customers, each.root,
                each.holdings.venue, each.holdings.processor, each.holdings.bank,
            )
            for each in report.assets
        ],
    )  # fmt: skip


async def insert_tree(
    connection: Connection,
    report_id: UUID,
    asset: str,
    leaves: Sequence[tuple[UUID, bytes]],
    levels: Sequence[Sequence[Node]],
) -> None:
    """Write down one asset's tree: whose the leaves are, by position, and every node."""
    await connection.copy_records_to_table(
        "solvency_leaves",
        columns=("report_id", "asset", "position", "user_id", "salt"),
        records=((report_id, asset, place, *leaf) for place, leaf in enumerate(leaves)),
    )
    await connection.copy_records_to_table(
        "solvency_nodes",
        columns=("report_id", "asset", "level", "position", "hash", "units"),
        records=(
            (report_id, asset, number, place, node.hash, node.units)
            for number, level in enumerate(levels)
            for place, node in enumerate(level)
        ),
    )


async def list_reports(connection: Connection, *, before: UUID | None, limit: int) -> list[SolvencyReport]:
    """Reports, newest first."""
    rows = await connection.fetch(
        """
        SELECT id, as_of, books_hold, key_id, signature FROM solvency_reports
        WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2
        """,
        before,
        limit,
    )
    assets = await connection.fetch(
        """
        SELECT report_id, asset, owed, customers, root, venue, processor, bank FROM solvency_assets
        WHERE report_id = ANY ($1::uuid[]) ORDER BY report_id, asset
        """,
        [row["id"] for row in rows],
    )
    return [
        SolvencyReport(**dict(row), assets=tuple(_asset(each) for each in assets if each["report_id"] == row["id"]))
        for row in rows
    ]


async def newest_with_trees(connection: Connection) -> UUID | None:
    """The newest report whose trees are still there."""
    found: UUID | None = await connection.fetchval(
        "SELECT report_id FROM solvency_nodes ORDER BY report_id DESC LIMIT 1"
    )
    return found


async def leaves_of(connection: Connection, report_id: UUID, user_id: UserId) -> list[tuple[str, int, bytes, int]]:
    """A customer's leaves in a report: (asset, position, salt, units)."""
    rows = await connection.fetch(
        """
        SELECT l.asset, l.position, l.salt, n.units FROM solvency_leaves l
        JOIN solvency_nodes n ON (n.report_id, n.asset, n.level, n.position) = (l.report_id, l.asset, 0, l.position)
        WHERE l.report_id = $1 AND l.user_id = $2 ORDER BY l.asset
        """,
        report_id,
        user_id,
    )
    return [(row["asset"], row["position"], bytes(row["salt"]), int(row["units"])) for row in rows]


async def level_counts(connection: Connection, report_id: UUID, asset: str) -> list[int]:
    """How many nodes each level of a tree has, leaves first."""
    rows = await connection.fetch(
        """
        SELECT (SELECT position + 1 FROM solvency_nodes n
                WHERE (n.report_id, n.asset, n.level) = ($1, $2, s.level) ORDER BY position DESC LIMIT 1) AS nodes
        FROM generate_series(0, 40) AS s (level)
        """,
        report_id,
        asset,
    )
    return [row["nodes"] for row in rows if row["nodes"] is not None]


async def read_steps(
    connection: Connection, report_id: UUID, asset: str, places: Sequence[tuple[int, int, Side]]
) -> tuple[Step, ...]:
    """The nodes at these (level, position), in this order."""
    rows = await connection.fetch(
        """
        SELECT n.level, n.hash, n.units FROM unnest($3::int[], $4::int[]) AS wanted (level, position)
        JOIN solvency_nodes n
            ON (n.report_id, n.asset, n.level, n.position) = ($1, $2, wanted.level, wanted.position)
        """,
        report_id,
        asset,
        [level for level, _, _ in places],
        [position for _, position, _ in places],
    )
    nodes = {row["level"]: Node(bytes(row["hash"]), int(row["units"])) for row in rows}
    return tuple(Step(side, nodes[level]) for level, _, side in places)


async def forget_trees(connection: Connection, *, keep: int) -> int:
    """Delete the trees of all but the newest reports; how many nodes went."""
    old = "report_id NOT IN (SELECT id FROM solvency_reports ORDER BY id DESC LIMIT $1)"
    # nosemgrep: formatted-sql  a constant of this function
    await connection.execute(f"DELETE FROM solvency_leaves WHERE {old}", keep)
    # nosemgrep: formatted-sql  a constant of this function
    done = await connection.execute(f"DELETE FROM solvency_nodes WHERE {old}", keep)
    return int(done.rpartition(" ")[2])


def _asset(row: Any) -> AssetReport:
    return AssetReport(
        asset=row["asset"],
        owed=row["owed"],
        customers=row["customers"],
        root=bytes(row["root"]),
        holdings=Holdings(venue=row["venue"], processor=row["processor"], bank=row["bank"]),
    )
