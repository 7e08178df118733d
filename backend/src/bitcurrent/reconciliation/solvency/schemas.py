"""Solvency reports and proofs on the wire; docs/solvency/verify.py reads exactly these."""

import base64
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from bitcurrent.reconciliation.solvency.model import (
    SCHEME,
    AssetReport,
    Inclusion,
    Side,
    SolvencyReport,
    amount_of,
)
from bitcurrent.web.amounts import Amount


class AssetAnswer(msgspec.Struct, kw_only=True):
    """One asset of a report. `root` proves `owed`; what venue, processor and bank say is null when not known."""

    asset: str
    owed: Amount
    customers: int
    root: str
    venue: Amount | None
    processor: Amount | None
    bank: Amount | None
    covered: bool | None


class SolvencyAnswer(msgspec.Struct, kw_only=True):
    """What was owed to all customers at one moment, and what lay beside it.

    `signature` (Ed25519, base64, by the key whose id is `key_id`) covers scheme, id, moment, and each asset's sum and
    root in canonical JSON; null on an installation without a signing key.
    """

    id: UUID
    scheme: str
    as_of: datetime
    books_hold: bool
    assets: list[AssetAnswer]
    key_id: str | None
    signature: str | None


class StepAnswer(msgspec.Struct, kw_only=True):
    """A neighbour on the way to the root: on which side it stands, its hash, and the sum below it."""

    side: Side
    hash: str
    sum: Amount


class InclusionAnswer(msgspec.Struct, kw_only=True):
    """That your amount is in an asset's sum. Keep the salt to yourself: with it others could see what you have."""

    asset: str
    account: UUID
    salt: str
    amount: Amount
    steps: list[StepAnswer]


class ProofAnswer(msgspec.Struct, kw_only=True):
    """Your proofs in one report, one for each asset that is owed to you."""

    report_id: UUID
    scheme: str
    proofs: list[InclusionAnswer]


def solvency_answer(report: SolvencyReport) -> SolvencyAnswer:
    """A report as everybody sees it."""
    return SolvencyAnswer(
        id=report.id,
        scheme=SCHEME,
        as_of=report.as_of,
        books_hold=report.books_hold,
        assets=[_asset(each) for each in report.assets],
        key_id=report.key_id,
        signature=None if report.signature is None else base64.b64encode(report.signature).decode(),
    )


def proof_answer(report_id: UUID, proofs: list[Inclusion]) -> ProofAnswer:
    """A customer's proofs."""
    return ProofAnswer(report_id=report_id, scheme=SCHEME, proofs=[_inclusion(each) for each in proofs])


def _asset(asset: AssetReport) -> AssetAnswer:
    there = asset.holdings
    return AssetAnswer(
        asset=asset.asset,
        owed=Amount(asset.owed),
        customers=asset.customers,
        root=asset.root.hex(),
        venue=_shown(there.venue),
        processor=_shown(there.processor),
        bank=_shown(there.bank),
        covered=asset.covered,
    )


def _inclusion(proof: Inclusion) -> InclusionAnswer:
    return InclusionAnswer(
        asset=proof.asset,
        account=proof.account,
        salt=proof.salt.hex(),
        amount=Amount(amount_of(proof.units)),
        steps=[
            StepAnswer(side=step.side, hash=step.node.hash.hex(), sum=Amount(amount_of(step.node.units)))
            for step in proof.steps
        ],
    )


def _shown(amount: Decimal | None) -> Amount | None:
    return None if amount is None else Amount(amount)
