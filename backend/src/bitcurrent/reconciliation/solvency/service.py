"""Solvency's verbs: make a report, tell what was reported, prove to one customer that they are in it."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final, Self
from uuid import UUID

from bitcurrent.audit.heads import Signer
from bitcurrent.audit.model import canonical_json, moment
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import NotFound
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.kernel.money import plain
from bitcurrent.ledger import service as ledger
from bitcurrent.ledger.verification import ASSETS_SUM_TO_ZERO, BALANCES_ARE_SUMS, NOTHING_NEGATIVE, ask
from bitcurrent.reconciliation.solvency import repository
from bitcurrent.reconciliation.solvency.model import (
    SALT_BYTES,
    SCHEME,
    AssetReport,
    Holdings,
    Inclusion,
    SolvencyReport,
    amount_of,
    grow,
    leaf,
    neighbours,
    units_of,
)
from bitcurrent.settings import Settings

TREES_KEPT: Final = 10
"""Proofs are given for the newest report; the trees of a few before it stay for whoever is just checking."""
LAWS: Final = (BALANCES_ARE_SUMS, NOTHING_NEGATIVE, ASSETS_SUM_TO_ZERO)

NOWHERE: Final = Holdings(venue=Decimal(0), processor=Decimal(0), bank=Decimal(0))


class NoReport(NotFound):
    """There is no report yet, or not this one any more."""

    code = "no_solvency_report"

    def __init__(self) -> None:
        super().__init__("There is no solvency report yet. The first one comes within a day.")


class Solvency:
    """Reports of what is owed beside what is there."""

    def __init__(self, database: Database, signer: Signer | None) -> None:
        self._database = database
        self._signer = signer

    @classmethod
    def of(cls, settings: Settings, database: Database) -> Self:
        """With the installation's signing key; without one reports are not signed."""
        key = settings.audit_signing_key
        return cls(database, Signer.of(key) if key else None)

    async def make(self, holdings: Mapping[str, Holdings]) -> SolvencyReport:
        """Make one more report beside what the keepers have just said lies there, by asset.

        Everything of the books is of one moment. Takes as long as the laws take on the whole ledger.
        """
        async with (
            self._database.read() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            found = await ask(connection, LAWS)
            report_id = new_id()
            assets = [
                await self._plant(connection, report_id, asset, holdings.get(asset, NOWHERE))
                for asset in sorted({*await ledger.owed_assets(connection), *holdings})
            ]
            report = self._sign(
                SolvencyReport(
                    id=report_id,
                    as_of=found.as_of,
                    books_hold=found.holds,
                    assets=tuple(assets),
                    key_id=None,
                    signature=None,
                )
            )
            await repository.insert_report(connection, report)
            await repository.forget_trees(connection, keep=TREES_KEPT)
        return report

    async def _plant(self, connection: Connection, report_id: UUID, asset: str, holdings: Holdings) -> AssetReport:
        """Write down one asset's tree; its leaves stand in an order that tells nothing."""
        planted = []
        for user_id, amount in await ledger.owed(connection, asset):
            salt = secrets.token_bytes(SALT_BYTES)
            node = leaf(salt=salt, account=user_id, asset=asset, units=units_of(amount))
            planted.append((node, user_id, salt))
        planted.sort(key=lambda one: one[0].hash)
        levels = grow([node for node, _, _ in planted])
        leaves = [(user_id, salt) for _, user_id, salt in planted]
        await repository.insert_tree(connection, report_id, asset, leaves, levels)
        (root,) = levels[-1]
        return AssetReport(
            asset=asset, owed=amount_of(root.units), customers=len(leaves), root=root.hash, holdings=holdings
        )

    def _sign(self, report: SolvencyReport) -> SolvencyReport:
        if self._signer is None:
            return report
        return replace(report, key_id=self._signer.key_id, signature=self._signer.sign_text(signed_text(report)))

    async def reports(self, connection: Connection, *, before: UUID | None, limit: int) -> list[SolvencyReport]:
        """Reports, newest first."""
        return await repository.list_reports(connection, before=before, limit=limit)

    async def newest(self, connection: Connection) -> SolvencyReport:
        """The newest report; raises NoReport."""
        found = await repository.list_reports(connection, before=None, limit=1)
        if not found:
            raise NoReport
        return found[0]

    async def prove(self, connection: Connection, user_id: UserId) -> tuple[UUID, list[Inclusion]]:
        """The newest report's id and a customer's proofs in it, one for each asset owed to them; raises NoReport."""
        report_id = await repository.newest_with_trees(connection)
        if report_id is None:
            raise NoReport
        proofs = []
        for asset, position, salt, units in await repository.leaves_of(connection, report_id, user_id):
            counts = await repository.level_counts(connection, report_id, asset)
            steps = await repository.read_steps(connection, report_id, asset, neighbours(position, counts))
            proofs.append(Inclusion(asset=asset, account=user_id, salt=salt, units=units, steps=steps))
        return report_id, proofs


def signed_text(report: SolvencyReport) -> bytes:
    """What a report's signature covers: canonical JSON of its id, moment, roots and sums."""
    return canonical_json(
        {
            "scheme": SCHEME,
            "id": str(report.id),
            "as_of": moment(report.as_of),
            "assets": [
                {"asset": each.asset, "owed": plain(each.owed), "root": each.root.hex()} for each in report.assets
            ],
        }
    )
