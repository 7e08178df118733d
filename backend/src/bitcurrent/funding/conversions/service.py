"""Conversions' verbs: quote, convert, and what the house owns of each currency by that."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from bitcurrent.compliance.limits.model import Usage
from bitcurrent.compliance.limits.service import Limits
from bitcurrent.compliance.stops.service import require_running
from bitcurrent.funding.conversions import repository
from bitcurrent.funding.conversions.model import (
    Conversion,
    Exposure,
    Quote,
    QuoteExpired,
    QuoteUsed,
    Terms,
    convert_journal,
    currency_named,
    terms_of,
    usd_worth,
)
from bitcurrent.funding.conversions.rates import Rates
from bitcurrent.identity.kyc import kyc_level_of
from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.currencies import BASE
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import NotFound
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import UserId, id_time, new_id
from bitcurrent.kernel.money import plain
from bitcurrent.ledger import service as ledger
from bitcurrent.ledger.model import Balance

PRODUCT: Final = "conversion"


class Conversions:
    """Turns currencies into one another."""

    def __init__(
        self, database: Database, rates: Rates, limits: Limits, letters: Letters, *, spread_bps: Decimal
    ) -> None:
        self._database = database
        self._rates = rates
        self._limits = limits
        self._letters = letters
        self._spread_bps = spread_bps

    async def quote(
        self, user_id: UserId, *, from_currency: str, to_currency: str, give: Decimal | None, get: Decimal | None
    ) -> Quote:
        """Terms that hold for 15 seconds; nothing is set aside for them.

        Raises what `terms_of` raises, RateStale, NotConfigured, Unavailable, Stopped.
        """
        for code, field in ((from_currency, "from"), (to_currency, "to")):
            currency_named(code, field)  # before anybody is asked for its rate
        # The rate first, which may be asked for outside: no transaction waits for that.
        middle = await self._rates.middle(from_currency, to_currency)
        terms = terms_of(
            from_currency=from_currency,
            to_currency=to_currency,
            give=give,
            get=get,
            rate=middle,
            spread_bps=self._spread_bps,
        )
        worth = usd_worth(terms.give, (await self._rates.worth(from_currency)).middle)
        async with self._database.transaction() as connection:
            for currency in (from_currency, to_currency):
                await require_running(connection, product=PRODUCT, asset=currency)
            return await repository.insert_quote(connection, new_id(), user_id, terms, worth=worth, rate=middle)

    async def convert(self, connection: Connection, user_id: UserId, quote_id: UUID) -> Conversion:
        """Do what a quote says, in the open transaction: one conversion, one journal, one event, one letter.

        Raises NotFound, QuoteExpired, QuoteUsed, LimitExceeded, Stopped, InsufficientFunds.
        """
        found = await repository.find_quote(connection, quote_id, user_id)
        if found is None:
            raise NotFound("There is no such quote of yours.", field="quote_id")
        quote, over = found
        if over:
            raise QuoteExpired(quote.expires_at)
        terms = quote.terms
        for currency in (terms.from_currency, terms.to_currency):
            await require_running(connection, product=PRODUCT, asset=currency)
        await self._check_limits(connection, quote)
        conversion_id = new_id()
        at = id_time(conversion_id)
        if not await repository.insert_conversion(connection, conversion_id, quote, at=at):
            raise QuoteUsed
        crash_point("conversion.recorded")
        await self._move(connection, conversion_id, quote)
        crash_point("conversion.moved")
        return Conversion(
            id=conversion_id,
            user_id=user_id,
            quote_id=quote.id,
            terms=terms,
            created_at=at,
            rate_source=quote.rate_source,
            rate_at=quote.rate_at,
        )

    async def conversions(
        self, connection: Connection, user_id: UserId, *, before: UUID | None, limit: int
    ) -> Sequence[Conversion]:
        """A customer's conversions, newest first."""
        return await repository.list_conversions(connection, user_id, before=before, limit=limit)

    async def read(self, connection: Connection, user_id: UserId, conversion_id: UUID) -> Conversion:
        """One of a customer's conversions; raises NotFound."""
        found = await repository.find_conversion(connection, conversion_id, user_id)
        if found is None:
            raise NotFound("There is no such conversion of yours.")
        return found

    async def exposure(self, connection: Connection) -> Sequence[Exposure]:
        """What the house owns of each currency by customers' conversions; a negative position is owed."""
        return await repository.read_exposure(connection)

    async def _check_limits(self, connection: Connection, quote: Quote) -> None:
        async def used(since: datetime, asset: str | None) -> Usage:
            return await repository.usage_since(connection, quote.user_id, since, asset)

        await self._limits.check(
            connection,
            user_id=quote.user_id,
            kyc_level=await kyc_level_of(connection, quote.user_id),
            product=PRODUCT,
            asset=quote.terms.from_currency,
            amount=quote.terms.give,
            worth=quote.worth,
            usage=used,
            field="quote_id",
        )

    async def _move(self, connection: Connection, conversion_id: UUID, quote: Quote) -> None:
        terms, user_id = quote.terms, quote.user_id
        before = await ledger.read_balance(connection, user_id, terms.from_currency)
        if before.available < terms.give:
            # What the books would refuse as well, said with the figure.
            raise ledger.InsufficientFunds(needed=terms.give, available=before.available, currency=terms.from_currency)
        await ledger.post(connection, convert_journal(conversion_id, user_id, terms))
        left = [
            await ledger.read_balance(connection, user_id, currency)
            for currency in (terms.from_currency, terms.to_currency)
        ]
        await append_event(
            connection,
            user_id=user_id,
            kind="conversion_done",
            subject=conversion_id,
            payload={**_told(terms), "worth": plain(quote.worth), "balances": [_balance(balance) for balance in left]},
        )
        values = {
            "sold": plain(terms.give),
            "from_asset": terms.from_currency,
            "bought": plain(terms.get),
            "to_asset": terms.to_currency,
        }
        await self._letters.queue(connection, user_id=user_id, template="conversion_done", values=values)


async def kept_worth(connection: Connection, currency: str, *, until: datetime, days: int) -> Decimal | None:
    """USD for one unit as it was written down in the days up to a moment; None when nothing was."""
    if currency == BASE:
        return Decimal(1)
    return await repository.find_kept_rate(connection, currency, until=until, days=days)


def _told(terms: Terms) -> dict[str, str]:
    return {
        "from": terms.from_currency,
        "to": terms.to_currency,
        "give": plain(terms.give),
        "get": plain(terms.get),
        "rate": plain(terms.rate),
    }


def _balance(balance: Balance) -> dict[str, str]:
    return {"currency": balance.currency, "available": plain(balance.available), "held": plain(balance.held)}
