"""Writes statements: everything of one snapshot of the books, and worths from the prices of the month's end."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from bitcurrent.funding.conversions.service import kept_worth
from bitcurrent.identity.privacy.service import Privacy
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.currencies import BASE, is_fiat
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid, Refusal
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import LEDGER_PLACES, ROUGH, round_down
from bitcurrent.ledger import statements as ledger
from bitcurrent.market_data.model import TIMEFRAMES
from bitcurrent.market_data.service import MarketData
from bitcurrent.portfolio.service import snapshot
from bitcurrent.portfolio.statements.model import (
    COLUMNS,
    LINES_MAX,
    Month,
    Statement,
    StatementTooLong,
    assets_of,
    rows,
)
from bitcurrent.portfolio.statements.pdf import write_pdf
from bitcurrent.web.csv import encode_row

AT_ONCE_MAX: Final = 1
"""PDFs that one process makes at the same time: each takes it two seconds at most."""
PRICE_DAYS: Final = 7
"""A price or rate of so many days before the month's end still says what something was worth then."""
MONTHS_MAX: Final = 600
_STEP = Decimal(1).scaleb(-LEDGER_PLACES)


class Statements:
    """Reads; it changes nothing."""

    def __init__(self, database: Database, market_data: MarketData, identity: Identity, privacy: Privacy) -> None:
        self._database = database
        self._market_data = market_data
        self._identity = identity
        self._privacy = privacy
        self._making = asyncio.Semaphore(AT_ONCE_MAX)

    async def months(self, user_id: UserId) -> Sequence[Month]:
        """Every month since the account was opened, newest first."""
        async with self._database.read() as connection:
            user = await self._identity.user(connection, user_id)
        first, month = Month.of(user.created_at), Month.of(now())
        found: list[Month] = []
        while month.start >= first.start and len(found) < MONTHS_MAX:
            found.append(month)
            month = month.later(-1)
        return found

    async def statement(self, user_id: UserId, month: Month) -> Statement:
        """The month up to now; raises Invalid for one that has not begun, StatementTooLong, BooksDiffer."""
        made_at = now()
        if month.start > made_at:
            raise Invalid("This month has not begun.", field="month")
        until = min(month.end, made_at)
        async with snapshot(self._database) as connection:
            count = await ledger.count_lines(connection, user_id, since=month.start, until=until)
            if count > LINES_MAX:
                raise StatementTooLong(count)
            opening = await ledger.balances_at(connection, user_id, month.start)
            closing = await ledger.balances_at(connection, user_id, until)
            lines = [line async for line in ledger.lines(connection, user_id, since=month.start, until=until)]
            fees = await ledger.fees_paid(connection, user_id, since=month.start, until=until)
            holder, account = await self._holder(connection, user_id)
        worths = await self._worths(closing, until)
        return Statement(
            holder=holder,
            account=account,
            month=month,
            until=until,
            made_at=made_at,
            is_complete=month.end <= made_at,
            assets=assets_of(opening=opening, closing=closing, lines=lines, fees=fees, worths=worths),
            lines=tuple(lines),
        )

    async def csv(self, user_id: UserId, month: Month) -> bytes:
        """The statement as CSV; raises as `statement` does."""
        statement = await self.statement(user_id, month)
        return b"".join(encode_row(row) for row in (COLUMNS, *rows(statement)))

    async def pdf(self, user_id: UserId, month: Month) -> bytes:
        """The statement as PDF; raises as `statement` does."""
        statement = await self.statement(user_id, month)
        async with self._making:
            return await asyncio.to_thread(write_pdf, statement)

    async def _holder(self, connection: Connection, user_id: UserId) -> tuple[str, str]:
        user = await self._identity.user(connection, user_id)
        kept = await self._privacy.profile(connection, user_id)
        return (kept.profile.legal_name if kept else user.display_name), user.email

    async def _worths(self, closing: Mapping[str, Decimal], until: datetime) -> dict[str, Decimal]:
        """What is left of each asset, in USD, by prices of the month's end."""
        found: dict[str, Decimal] = {}
        # A day that begins at the end is not of this month.
        last = until - timedelta(seconds=1)
        async with self._database.read() as connection:
            rates = {code: await kept_worth(connection, code, until=last, days=PRICE_DAYS) for code in closing}
        for asset, amount in closing.items():
            price = rates[asset] if is_fiat(asset) else await self._price(asset, last) if amount else None
            if price is not None:
                found[asset] = round_down(ROUGH.multiply(amount, price), _STEP)
        return found

    async def _price(self, coin: str, last: datetime) -> Decimal | None:
        """The closing price in USD of the last day with one; None when the venue cannot say."""
        try:
            candles = await self._market_data.history.candles(
                f"{coin}/{BASE}",
                TIMEFRAMES["1Day"],
                start=last - timedelta(days=PRICE_DAYS),
                end=last,
                limit=1,
                newest_first=True,
            )
        except Refusal:
            return None
        return candles[0].close if candles else None
