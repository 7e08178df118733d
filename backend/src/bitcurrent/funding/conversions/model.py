"""Rates and what a conversion gives at one. Pure; all rounding here is in the house's favour and says so by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from bitcurrent.kernel.currencies import CURRENCIES, Currency
from bitcurrent.kernel.errors import Conflict, Invalid, Unavailable
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import BASIS_POINT, EXACT, ROUGH, divide_up, plain, round_down, round_up
from bitcurrent.ledger.model import Journal, Move, available, house

QUOTE_SECONDS: Final = 15
"""How long a quote holds, by the database's clock."""

RATE_STEP: Final = Decimal("0.00000001")
"""Rates have eight decimals."""

SMALLEST: Final = Decimal(1)
"""Less than one unit of a currency is not converted."""


class UnknownCurrency(Invalid):
    """No currency that balances are kept in."""

    code = "unknown_currency"

    def __init__(self, code: str, field: str) -> None:
        known = ", ".join(CURRENCIES)
        super().__init__(f"{code[:10]!r} is none of {known}.", field=field, details={"allowed": known})


class AmountTooFine(Invalid):
    """More decimals than the currency has."""

    code = "too_many_decimals"

    def __init__(self, currency: Currency, field: str) -> None:
        super().__init__(
            f"{currency.code} has {currency.places} decimals.",
            field=field,
            details={"places": str(currency.places), "currency": currency.code},
        )


class AmountTooSmall(Invalid):
    """Less than what is converted at all."""

    code = "below_minimum"

    def __init__(self, currency: str, field: str) -> None:
        super().__init__(
            f"Convert at least {plain(SMALLEST)} {currency}.",
            field=field,
            details={"minimum": plain(SMALLEST), "currency": currency},
        )


class RateStale(Unavailable):
    """The newest rate is older than this installation accepts."""

    code = "rate_stale"
    title = "No fresh exchange rate"

    def __init__(self, *, base: str, quote: str, age_seconds: int, age_seconds_max: int) -> None:
        super().__init__(
            f"The newest rate of {base} in {quote} is {age_seconds} s old; at most {age_seconds_max} s are accepted. "
            "Nothing was done.",
            details={"age_seconds": str(age_seconds), "age_seconds_max": str(age_seconds_max)},
        )


class QuoteExpired(Conflict):
    """Its seconds are over."""

    code = "quote_expired"
    title = "The quote is over"

    def __init__(self, expires_at: datetime) -> None:
        super().__init__(
            "This quote is over. Nothing was converted; ask for a new one by POST /api/conversions/quote.",
            field="quote_id",
            details={"expired_at": expires_at.isoformat(), "again": "/api/conversions/quote"},
        )


class QuoteUsed(Conflict):
    """A quote is used once."""

    code = "quote_used"
    title = "The quote was used"

    def __init__(self) -> None:
        super().__init__("This quote was used for a conversion already. Ask for a new one.", field="quote_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Units of `quote` for one of `base`, when that was true, and who says so."""

    base: str
    quote: str
    middle: Decimal
    at: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a conversion would be: `give` of one currency for `get` of the other; `spread` is what the house earns.

    All of `rate`, `middle` and `spread` are in units of the currency that is got.
    """

    from_currency: str
    to_currency: str
    give: Decimal
    get: Decimal
    spread: Decimal
    rate: Decimal
    middle: Decimal
    spread_bps: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Terms that hold for one customer until `expires_at`."""

    id: UUID
    user_id: UserId
    terms: Terms
    worth: Decimal
    """What is given, in USD."""
    rate_source: str
    rate_at: datetime
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A quote that was used."""

    id: UUID
    user_id: UserId
    quote_id: UUID
    terms: Terms
    created_at: datetime
    rate_source: str
    rate_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What the house owns of one currency by customers' conversions, less what it earned by them."""

    currency: str
    position: Decimal
    earned: Decimal


def currency_named(code: str, field: str) -> Currency:
    """The currency of that code; raises UnknownCurrency."""
    found = CURRENCIES.get(code)
    if found is None:
        raise UnknownCurrency(code, field)
    return found


def in_our_favour_paid_out(amount: Decimal, currency: Currency) -> Decimal:
    """What the customer gets: rounded down to what the currency can pay."""
    return round_down(amount, currency.step)


def in_our_favour_taken(amount: Decimal, rate: Decimal, currency: Currency) -> Decimal:
    """What the customer must give for `amount` at `rate`: rounded up to what the currency can pay."""
    return divide_up(amount, rate, currency.step)


def quoted_rate(middle: Decimal, spread_bps: Decimal) -> Decimal:
    """The middle less the spread, rounded down to eight decimals: in our favour."""
    share = EXACT.subtract(Decimal(1), EXACT.multiply(spread_bps, BASIS_POINT))
    return round_down(EXACT.multiply(middle, share), RATE_STEP)


def terms_of(
    *, from_currency: str, to_currency: str, give: Decimal | None, get: Decimal | None, rate: Rate, spread_bps: Decimal
) -> Terms:
    """The terms for giving so much, or for getting so much; exactly one of both is said.

    Raises UnknownCurrency, AmountTooFine, AmountTooSmall, Invalid.
    """
    source, target = currency_named(from_currency, "from"), currency_named(to_currency, "to")
    if source.code == target.code:
        raise Invalid("A conversion needs two different currencies.", field="to")
    price = quoted_rate(rate.middle, spread_bps)
    if give is not None and get is None:
        _check(give, source, "give")
        paid, got = give, in_our_favour_paid_out(EXACT.multiply(give, price), target)
    elif get is not None and give is None:
        _check(get, target, "get")
        paid, got = in_our_favour_taken(get, price, source), get
    else:
        raise Invalid("Say either how much to `give` or how much to `get`, and not both.", field="give")
    if paid < SMALLEST or got < SMALLEST:
        small = source if paid < SMALLEST else target
        raise AmountTooSmall(small.code, "give" if give is not None else "get")
    at_the_middle = in_our_favour_paid_out(EXACT.multiply(paid, rate.middle), target)
    return Terms(
        from_currency=source.code,
        to_currency=target.code,
        give=paid,
        get=got,
        spread=EXACT.subtract(at_the_middle, got),
        rate=price,
        middle=rate.middle,
        spread_bps=spread_bps,
    )


def convert_journal(conversion_id: UUID, user_id: UserId, terms: Terms) -> Journal:
    """The customer's two sides, and the house's earning beside them; the other side of all three is `fx`."""
    source, target = terms.from_currency, terms.to_currency
    moves = [
        Move(source=available(user_id, source), target=house("fx", source), amount=terms.give),
        Move(source=house("fx", target), target=available(user_id, target), amount=terms.get),
    ]
    if terms.spread > 0:
        moves.append(Move(source=house("fx", target), target=house("fees", target), amount=terms.spread))
    memo = {"rate": plain(terms.rate), "middle": plain(terms.middle), "spread_bps": plain(terms.spread_bps)}
    return Journal(kind="convert", reference=f"convert:{conversion_id}", moves=tuple(moves), memo=memo)


def cross(worths: Mapping[str, Decimal], base: str, quote: str) -> Decimal | None:
    """Units of `quote` for one of `base`, from what each is worth in a third currency; None when one is missing."""
    above, below = worths.get(base), worths.get(quote)
    if above is None or below is None or above <= 0 or below <= 0:
        return None
    return ROUGH.divide(above, below).quantize(RATE_STEP, context=ROUGH)


def parse_rates(text: str) -> dict[str, Decimal]:
    """What each currency is worth in USD, from "EUR/USD=1.08,GBP/USD=1.27"; raises ValueError on anything else."""
    worths = {"USD": Decimal(1)}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        pair, _, value = part.partition("=")
        base, _, quote = pair.strip().partition("/")
        number = value.strip()
        if quote != "USD" or base not in CURRENCIES or base in worths or not number.replace(".", "", 1).isdecimal():
            raise ValueError(f"{part[:40]!r} is not such as EUR/USD=1.08")
        worths[base] = Decimal(number)
        if worths[base] <= 0:
            raise ValueError(f"{part[:40]!r}: a rate is positive")
    return worths


def usd_worth(amount: Decimal, rate: Decimal) -> Decimal:
    """What an amount is worth at so many USD a unit, rounded up to a cent: for counting towards limits."""
    return round_up(EXACT.multiply(amount, rate), Decimal("0.01"))


def _check(amount: Decimal, currency: Currency, field: str) -> None:
    if amount < SMALLEST:
        raise AmountTooSmall(currency.code, field)
    if round_down(amount, currency.step) != amount:
        raise AmountTooFine(currency, field)
