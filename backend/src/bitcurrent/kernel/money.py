"""Exact amounts: decimals that refuse to round, and the few places where rounding has a name.

Python's default decimal context keeps 28 digits and rounds the rest away in silence; it is never used for money.
Amounts are stored as NUMERIC(38,18) and travel as strings.
"""

from dataclasses import dataclass
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)

LEDGER_PLACES = 18
"""Decimals that the ledger keeps: NUMERIC(38,18)."""

VENUE_PLACES = 9
"""Decimals of a quantity or a notional that the venue accepts and that a fee is rounded to."""

AMOUNT_MAX = Decimal(10) ** 19
"""No amount, price or quantity in the brokerage reaches this; it leaves room for sums in NUMERIC(38,18)."""

EXACT = Context(prec=76, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
"""Arithmetic that raises instead of rounding. 76 digits hold the product of any two ledger amounts."""

ROUGH = Context(prec=38, traps=[InvalidOperation, DivisionByZero, Overflow])
"""For ratios that are shown and never booked: averages, percentages, estimates."""

BASIS_POINT = Decimal("0.0001")


@dataclass(frozen=True, slots=True, order=True)
class Asset:
    """A currency or coin by its code, with the decimals in which people are shown it."""

    code: str
    shown_places: int = VENUE_PLACES

    @property
    def step(self) -> Decimal:
        """The smallest amount that the ledger can keep of any asset."""
        return Decimal(1).scaleb(-LEDGER_PLACES)


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount of one asset; it refuses to round by itself."""

    amount: Decimal
    asset: Asset

    def __post_init__(self) -> None:
        EXACT.quantize(self.amount, self.asset.step)  # raises Inexact on dust

    def __str__(self) -> str:
        return f"{plain(self.amount)} {self.asset.code}"


def multiply(quantity: Decimal, price: Decimal) -> Decimal:
    """The exact product; raises `decimal.Inexact` when the ledger could not hold it."""
    return EXACT.quantize(EXACT.multiply(quantity, price), Decimal(1).scaleb(-LEDGER_PLACES)).normalize(EXACT)


def round_down(amount: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `amount`."""
    return _to_step(amount, step, ROUND_FLOOR)


def round_up(amount: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` that is not below `amount`."""
    return _to_step(amount, step, ROUND_CEILING)


def divide_down(amount: Decimal, by: Decimal, step: Decimal) -> Decimal:
    """`amount / by`, rounded down to a multiple of `step`."""
    floor = Context(prec=76, rounding=ROUND_FLOOR, traps=[InvalidOperation, DivisionByZero, Overflow])
    return round_down(floor.divide(amount, by), step)


def divide_up(amount: Decimal, by: Decimal, step: Decimal) -> Decimal:
    """`amount / by`, rounded up to a multiple of `step`."""
    ceiling = Context(prec=76, rounding=ROUND_CEILING, traps=[InvalidOperation, DivisionByZero, Overflow])
    return round_up(ceiling.divide(amount, by), step)


def is_multiple(amount: Decimal, step: Decimal) -> bool:
    """Whether `amount` is a whole number of steps."""
    return EXACT.remainder(amount, step) == 0


def places(amount: Decimal) -> int:
    """Decimals behind the point that `amount` really uses."""
    exponent = amount.normalize(EXACT).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def plain(amount: Decimal) -> str:
    """The amount as people write it: no exponent, no trailing zeros."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _to_step(amount: Decimal, step: Decimal, rounding: str) -> Decimal:
    whole = Context(prec=76, rounding=rounding, traps=[InvalidOperation, DivisionByZero, Overflow])
    steps = whole.divide(amount, step).to_integral_value(rounding=rounding)
    return EXACT.multiply(steps, step)
