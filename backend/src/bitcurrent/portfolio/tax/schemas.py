"""Tax reports on the wire and as CSV."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Final

import msgspec

from bitcurrent.portfolio.tax.model import Match, Method, Rule, TaxReport
from bitcurrent.web.amounts import Amount
from bitcurrent.web.csv import Cell, encode_row

SCHEMA: Final = "bitcurrent.tax.v1"
COLUMNS: Final = (
    "schema", "tax_year", "method", "disposed_on", "asset", "quantity", "rule", "acquired_on", "currency", "proceeds",
    "cost", "fee", "gain",
)  # fmt: skip


class MatchAnswer(msgspec.Struct, kw_only=True):
    """A disposal or a part of one: what it brought, what it had cost, and the rule by which that was found."""

    asset: str
    disposed_on: date
    rule: Rule
    acquired_on: date | None
    quantity: Amount
    proceeds: Amount
    cost: Amount
    fee: Amount
    gain: Amount


class HoldingAnswer(msgspec.Struct, kw_only=True):
    """What is carried forward of an asset, and what it cost."""

    asset: str
    quantity: Amount
    cost: Amount


class TaxAnswer(msgspec.Struct, kw_only=True):
    """One tax year. Amounts are exact; round them as the tax authority allows. Records, not advice.

    `final` says that nothing which happens from now on can change the figures. `unknown_quantities` counts matches of
    what was never bought here: what it cost is yours to add.
    """

    tax_year: str
    method: Method
    currency: str
    first_day: date
    last_day: date
    made_at: datetime
    final: bool
    disposals: int
    proceeds: Amount
    costs: Amount
    gains: Amount
    losses: Amount
    net: Amount
    exempt_amount: Amount | None
    unknown_quantities: int
    matches: list[MatchAnswer]
    holdings: list[HoldingAnswer]


def tax_answer(report: TaxReport) -> TaxAnswer:
    """A report as JSON shows it."""
    exempt = report.exempt_amount
    return TaxAnswer(
        tax_year=report.year.name,
        method=report.year.method,
        currency=report.currency,
        first_day=report.year.first,
        last_day=report.year.last,
        made_at=report.made_at,
        final=report.final,
        disposals=report.disposals,
        proceeds=Amount(report.proceeds),
        costs=Amount(report.costs),
        gains=Amount(report.gains),
        losses=Amount(report.losses),
        net=Amount(report.net),
        exempt_amount=None if exempt is None else Amount(exempt),
        unknown_quantities=len(report.unknown),
        matches=[_match(one) for one in report.matches],
        holdings=[
            HoldingAnswer(asset=one.asset, quantity=Amount(one.quantity), cost=Amount(one.cost))
            for one in report.holdings
        ],
    )


def csv_lines(report: TaxReport) -> Iterator[bytes]:
    """A report as CSV: one row for each match."""
    yield encode_row(COLUMNS)
    for one in report.matches:
        yield encode_row(_row(report, one))


def _row(report: TaxReport, one: Match) -> tuple[Cell, ...]:
    return (
        SCHEMA,
        report.year.name,
        report.year.method,
        one.disposed_on.isoformat(),
        one.asset,
        one.quantity,
        one.rule,
        one.acquired_on.isoformat() if one.acquired_on else None,
        report.currency,
        one.proceeds,
        one.cost,
        one.fee,
        one.gain,
    )


def _match(one: Match) -> MatchAnswer:
    return MatchAnswer(
        asset=one.asset,
        disposed_on=one.disposed_on,
        rule=one.rule,
        acquired_on=one.acquired_on,
        quantity=Amount(one.quantity),
        proceeds=Amount(one.proceeds),
        cost=Amount(one.cost),
        fee=Amount(one.fee),
        gain=Amount(one.gain),
    )
