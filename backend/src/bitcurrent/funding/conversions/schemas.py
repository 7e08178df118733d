"""Quotes and conversions on the wire of /api: exact amounts as strings, times in UTC."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from bitcurrent.funding.conversions.model import SMALLEST, Conversion, Quote
from bitcurrent.kernel.currencies import Currency
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer, Request

CurrencyCode = Annotated[str, msgspec.Meta(min_length=3, max_length=3, pattern="^[A-Z]{3}$")]


class CurrencyAnswer(Answer, frozen=True, kw_only=True):
    """A currency that balances are kept in: its decimals, and the least of it that is converted."""

    code: str
    name: str
    places: int
    minimum: Amount


class QuoteRequest(Request, frozen=True, kw_only=True, rename={"from_currency": "from", "to_currency": "to"}):
    """Say either how much to `give` of the one, or how much to `get` of the other."""

    from_currency: CurrencyCode
    to_currency: CurrencyCode
    give: Amount | None = None
    get: Amount | None = None


class ConvertRequest(Request, frozen=True, kw_only=True):
    """The quote to use."""

    quote_id: UUID


class QuoteAnswer(Answer, frozen=True, kw_only=True, rename={"from_currency": "from", "to_currency": "to"}):
    """What you give and get when you convert before `expires_at`.

    `rate` is `middle` less the spread of so many basis points; `spread` is what that comes to, in the currency you get.
    """

    id: UUID
    from_currency: str
    to_currency: str
    give: Amount
    get: Amount
    rate: Amount
    middle: Amount
    spread_bps: Amount
    spread: Amount
    rate_source: str
    rate_at: datetime
    created_at: datetime
    expires_at: datetime


class ConversionAnswer(Answer, frozen=True, kw_only=True, rename={"from_currency": "from", "to_currency": "to"}):
    """A conversion that was done. `reference` names its journal in the books."""

    id: UUID
    quote_id: UUID
    reference: str
    from_currency: str
    to_currency: str
    give: Amount
    get: Amount
    rate: Amount
    middle: Amount
    spread_bps: Amount
    spread: Amount
    rate_source: str
    rate_at: datetime
    created_at: datetime


class ExposureAnswer(Answer, frozen=True, kw_only=True):
    """What the house owns of one currency by customers' conversions (negative: owes), and that in `in_currency`."""

    currency: str
    position: Amount
    earned: Amount
    worth: Amount | None
    rate_at: datetime | None


class FxAnswer(Answer, frozen=True, kw_only=True):
    """The house's positions by currency; `worth` of all is null when one of them has no rate."""

    currency: str
    items: list[ExposureAnswer]
    worth: Amount | None


def currency_answer(currency: Currency) -> CurrencyAnswer:
    """A currency for whoever asks."""
    return CurrencyAnswer(code=currency.code, name=currency.name, places=currency.places, minimum=Amount(SMALLEST))


def quote_answer(quote: Quote) -> QuoteAnswer:
    """A quote for its customer."""
    terms = quote.terms
    return QuoteAnswer(
        id=quote.id,
        from_currency=terms.from_currency,
        to_currency=terms.to_currency,
        give=Amount(terms.give),
        get=Amount(terms.get),
        rate=Amount(terms.rate),
        middle=Amount(terms.middle),
        spread_bps=Amount(terms.spread_bps),
        spread=Amount(terms.spread),
        rate_source=quote.rate_source,
        rate_at=quote.rate_at,
        created_at=quote.created_at,
        expires_at=quote.expires_at,
    )


def conversion_answer(conversion: Conversion) -> ConversionAnswer:
    """A conversion for its customer."""
    terms = conversion.terms
    return ConversionAnswer(
        id=conversion.id,
        quote_id=conversion.quote_id,
        reference=f"convert:{conversion.id}",
        from_currency=terms.from_currency,
        to_currency=terms.to_currency,
        give=Amount(terms.give),
        get=Amount(terms.get),
        rate=Amount(terms.rate),
        middle=Amount(terms.middle),
        spread_bps=Amount(terms.spread_bps),
        spread=Amount(terms.spread),
        rate_source=conversion.rate_source,
        rate_at=conversion.rate_at,
        created_at=conversion.created_at,
    )
