"""The account's value over time, worked back from what it holds now and the fills on the way."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from bitcurrent_sandbox import clock
from bitcurrent_sandbox.alpaca import errors, query
from bitcurrent_sandbox.alpaca.candles import DAY, HOUR, MINUTE
from bitcurrent_sandbox.alpaca.market import Market
from bitcurrent_sandbox.alpaca.model import Fill, Position
from bitcurrent_sandbox.money import ZERO

_PERIODS: Final = {"D": DAY, "W": 7 * DAY, "M": 30 * DAY, "A": 365 * DAY}
_FRAMES: Final = {"1Min": MINUTE, "5Min": 5 * MINUTE, "15Min": 15 * MINUTE, "1H": HOUR, "1D": DAY}
_POINTS_MAX: Final = 1_000
_CENT: Final = Decimal("0.01")


def portfolio_history(
    asked: dict[str, str],
    *,
    market: Market,
    fills: Sequence[Fill],
    cash: Decimal,
    positions: dict[str, Position],
    now: int,
) -> dict[str, Any]:
    """The venue's PortfolioHistory; money here is JSON numbers, rounded to the cent as it shows them."""
    start, end, step, frame = _span(asked, now)
    times = list(range(start // step * step, end + 1, step))[-_POINTS_MAX:]
    equity = _equity(times, market=market, fills=fills, cash=cash, positions=positions, now=now)
    base = equity[0] if equity else cash
    return {
        "timestamp": times,
        "equity": [value.quantize(_CENT) for value in equity],
        "profit_loss": [(value - base).quantize(_CENT) for value in equity],
        "profit_loss_pct": [(value / base - 1).quantize(Decimal("1e-6")) if base else ZERO for value in equity],
        "base_value": base.quantize(_CENT),
        "base_value_asof": clock.iso(times[0] * clock.MICROS)[:10] if times else clock.iso(now)[:10],
        "timeframe": frame,
    }


def _span(asked: dict[str, str], now: int) -> tuple[int, int, int, str]:
    """First and last second, the step, and its name."""
    end = (query.moment(asked, "end") or query.moment(asked, "date_end") or now) // clock.MICROS
    match = re.fullmatch(r"(\d{1,3})([DWMA])", (asked.get("period") or "1M").replace("all", "1A"))
    if match is None:
        raise errors.invalid(f"invalid period: {asked.get('period', '')[:20]}")
    length = int(match[1]) * _PERIODS[match[2]]
    given = query.moment(asked, "start")
    start = given // clock.MICROS if given is not None else end - length
    frame = asked.get("timeframe") or ("5Min" if end - start <= DAY else "1H" if end - start <= 7 * DAY else "1D")
    if frame not in _FRAMES or start > end:
        raise errors.invalid(f"invalid timeframe: {frame[:20]}")
    return start, min(end, now // clock.MICROS), _FRAMES[frame], frame


def _equity(
    times: Sequence[int],
    *,
    market: Market,
    fills: Sequence[Fill],
    cash: Decimal,
    positions: dict[str, Position],
    now: int,
) -> list[Decimal]:
    """Equity at the end of each step, from the last back to the first, undoing the fills between."""
    held = {symbol: position.qty for symbol, position in positions.items()}
    left = list(fills)
    values: list[Decimal] = []
    for second in reversed(times):
        at = min(now, second * clock.MICROS)
        while left and left[-1].at > at:
            fill = left.pop()
            cost = fill.qty * fill.price
            if fill.side == "buy":
                cash += cost
                held[fill.symbol] -= fill.qty - fill.fee
            else:
                cash -= cost - fill.fee
                held[fill.symbol] += fill.qty
        worth = sum((qty * market[symbol].last(at) for symbol, qty in held.items() if qty), ZERO)
        values.append(cash + worth)
    values.reverse()
    return values
