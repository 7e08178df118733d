"""Exact decimal arithmetic and its text form."""

import decimal
from decimal import Decimal
from typing import Final

ZERO: Final = Decimal(0)
_DIGITS_MAX: Final = 40


def use_exact_arithmetic() -> None:
    """Widen this thread's decimal context, so that sums and products of money are never rounded.

    Must run before the event loop starts: tasks inherit the context. Quotients (average
    prices) still round, at 60 digits.
    """
    decimal.setcontext(decimal.Context(prec=60, rounding=decimal.ROUND_HALF_EVEN))


def text(value: Decimal) -> str:
    """Plain digits without exponent and without trailing zeros: `0.1`, `50000`."""
    shown = format(value, "f")
    if "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return "0" if shown in ("-0", "") else shown


def average(value: Decimal) -> str:
    """Text of a quotient: nine decimals as the venue shows averages, more for prices far below a dollar."""
    return text(value.quantize(Decimal("1e-9") if abs(value) >= 1 else Decimal("1e-15")))


def parse(value: object) -> Decimal:
    """Read a JSON string or number as an exact amount.

    Raises ValueError for anything that is not a finite number of sane length.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(f"{value!r} is not a number")
    if isinstance(value, str) and len(value) > _DIGITS_MAX:
        raise ValueError("number is too long")
    try:
        number = Decimal(value)
    except decimal.InvalidOperation as error:
        raise ValueError(f"{value!r} is not a number") from error
    if not number.is_finite() or abs(number.adjusted()) > _DIGITS_MAX or len(number.as_tuple().digits) > _DIGITS_MAX:
        raise ValueError(f"{value!r} is not a usable number")
    return number


def decimals(value: Decimal) -> int:
    """How many digits stand behind the point, trailing zeros left out."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def multiple_of(value: Decimal, step: Decimal) -> bool:
    """Whether `value` is a whole number of steps."""
    return value % step == 0


def round_up(value: Decimal, step: Decimal) -> Decimal:
    """The smallest whole number of steps that is not below `value`."""
    return -(-value // step) * step


def round_down(value: Decimal, step: Decimal) -> Decimal:
    """The largest whole number of steps that is not above `value`."""
    return value // step * step
