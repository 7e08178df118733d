"""Tax's verb: one customer's report for one tax year, from the fills in the books and the rates of their days."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from bitcurrent.funding.conversions.service import kept_worth
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.currencies import BASE, CURRENCIES, is_fiat
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import EXACT, LEDGER_PLACES, divide_down
from bitcurrent.portfolio.service import snapshot
from bitcurrent.portfolio.tax.model import (
    Dealing,
    Method,
    RateMissing,
    TaxReport,
    TaxYear,
    TooLong,
    match,
    year_of,
)
from bitcurrent.portfolio.tax.pdf import write_pdf
from bitcurrent.trading import trade_list
from bitcurrent.trading.trade_list import Trade

BEGINNING: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""Before any fill in the books."""
FIRST_YEAR: Final = 2020
STERLING: Final = "GBP"
RATE_DAYS_MAX: Final = 7
"""A day without a rate of its own (weekends, holidays) takes the newest of the days before it, up to a week."""
PAPER_ROWS_MAX: Final = 5_000
_STEP: Final = Decimal(1).scaleb(-LEDGER_PLACES)


@dataclass(frozen=True, slots=True)
class TaxReports:
    """Makes reports; it changes nothing."""

    database: Database

    async def pdf(self, user_id: UserId, begins_in: int, method: Method, currency: str | None) -> bytes:
        """The report on paper. Raises Invalid, RateMissing, TooLong."""
        report = await self.report(user_id, begins_in, method, currency)
        if len(report.matches) > PAPER_ROWS_MAX:
            raise TooLong(len(report.matches))
        return await asyncio.to_thread(write_pdf, report)

    async def report(self, user_id: UserId, begins_in: int, method: Method, currency: str | None) -> TaxReport:
        """The disposals of the tax year that begins in a calendar year, matched with everything that counts.

        The United Kingdom's report is in GBP. Raises Invalid, RateMissing.
        """
        year = TaxYear(begins_in, method)
        shown = _currency(method, currency)
        moment = now()
        today = moment.astimezone(year.zone).date()
        if not FIRST_YEAR <= begins_in <= year_of(today, method).begins_in:
            last = year_of(today, method).begins_in
            raise Invalid(f"There are tax years from {FIRST_YEAR} to {last}.", field="year")
        dealings = [one async for one in self._dealings(user_id, year, shown, until=moment)]
        everything = match(dealings, method, holdings_on=year.last)
        return TaxReport(
            year=year,
            currency=shown,
            made_at=moment,
            final=today >= year.settled_on,
            matches=tuple(one for one in everything.matches if year.holds(one.disposed_on)),
            holdings=everything.holdings,
        )

    async def _dealings(
        self, user_id: UserId, year: TaxYear, currency: str, *, until: datetime
    ) -> AsyncIterator[Dealing]:
        async with snapshot(self.database) as connection:
            rates = _Rates(connection, currency)
            async for trade in trade_list.trades(connection, user_id, since=BEGINNING, until=until):
                # What is bought within 30 days after the year still counts for its last disposals; later is too late.
                if trade.filled_at.astimezone(year.zone).date() >= year.settled_on:
                    continue
                worth = await rates.convert(trade.cost, trade.quote, trade.filled_at)
                yield _dealing(trade, year, worth, await rates.convert(_money_fee(trade), trade.quote, trade.filled_at))


class _Rates:
    """What amounts are worth in the report's currency, a day's rate read once."""

    def __init__(self, connection: Connection, currency: str) -> None:
        self._connection = connection
        self._currency = currency
        self._known: dict[tuple[str, date], Decimal] = {}

    async def convert(self, amount: Decimal, currency: str, at: datetime) -> Decimal:
        """An amount of one currency in the report's, by the rates of its day."""
        if currency == self._currency or not amount:
            return amount
        dollars = EXACT.multiply(amount, await self._worth(currency, at))
        return divide_down(dollars, await self._worth(self._currency, at), _STEP)

    async def _worth(self, currency: str, at: datetime) -> Decimal:
        key = currency, at.astimezone(UTC).date()
        if key not in self._known:
            found = await kept_worth(self._connection, currency, until=at, days=RATE_DAYS_MAX)
            if found is None:
                raise RateMissing(currency=currency, day=key[1])
            self._known[key] = found
        return self._known[key]


def _dealing(trade: Trade, year: TaxYear, worth: Decimal, fee: Decimal) -> Dealing:
    """A fill as a dealing. A buy's fee is taken in coins: fewer were acquired for the same money."""
    bought = trade.side == "buy"
    return Dealing(
        at=trade.filled_at,
        day=trade.filled_at.astimezone(year.zone).date(),
        asset=trade.market.partition("/")[0],
        acquired=bought,
        quantity=trade.net if bought else trade.quantity,
        worth=worth,
        fee=fee,
        reference=str(trade.id),
    )


def _money_fee(trade: Trade) -> Decimal:
    return trade.fee if trade.side == "sell" and is_fiat(trade.fee_currency) else Decimal(0)


def _currency(method: Method, currency: str | None) -> str:
    wanted = (currency or (STERLING if method == "uk" else BASE)).upper()
    if wanted not in CURRENCIES:
        raise Invalid(f"Reports are in one of {', '.join(sorted(CURRENCIES))}.", field="currency")
    if method == "uk" and wanted != STERLING:
        raise Invalid("The United Kingdom's report is in GBP.", field="currency")
    return wanted
