"""Timeframes as the market data API writes them, and the stretches of time that they cut.

Assumed: stretches are cut in UTC; minutes and hours count from midnight, weeks begin on Monday.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from bitcurrent_sandbox.alpaca import errors
from bitcurrent_sandbox.alpaca.candles import DAY, HOUR, MINUTE

_MOST: Final = {"Min": 59, "Hour": 23, "Day": 1, "Week": 1, "Month": 12}
_SHORT: Final = {"t": "Min", "min": "Min", "h": "Hour", "hour": "Hour", "d": "Day", "day": "Day", "w": "Week"}
_WORDS: Final = {**_SHORT, "week": "Week", "month": "Month"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Timeframe(NamedTuple):
    """`amount` of a unit: Min, Hour, Day, Week or Month."""

    amount: int
    unit: str

    def start(self, second: int) -> int:
        """Where the stretch begins that holds this unix second."""
        if self.unit == "Month":
            day = _EPOCH + timedelta(seconds=second)
            month = (day.month - 1) // self.amount * self.amount + 1
            return _seconds(datetime(day.year, month, 1, tzinfo=UTC))
        midnight = second // DAY * DAY
        if self.unit == "Week":
            return midnight - ((midnight // DAY + 3) % 7) * DAY  # 1 January 1970 was a Thursday
        if self.unit == "Day":
            return midnight
        size = self.amount * (MINUTE if self.unit == "Min" else HOUR)
        return midnight + (second - midnight) // size * size

    def end(self, start: int) -> int:
        """Where the stretch ends that begins there."""
        if self.unit == "Month":
            day = _EPOCH + timedelta(seconds=start)
            months = day.year * 12 + day.month - 1 + self.amount
            return _seconds(datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC))
        if self.unit in ("Week", "Day"):
            return start + (7 * DAY if self.unit == "Week" else DAY)
        size = self.amount * (MINUTE if self.unit == "Min" else HOUR)
        return min(start + size, start // DAY * DAY + DAY)


def _seconds(moment: datetime) -> int:
    return int((moment - _EPOCH).total_seconds())


def read(text: str) -> Timeframe:
    """Read `5Min`, `5T`, `1Hour`, `1H`, `1Day`, `1D`, `1Week`, `1Month`, `1M`; raises VenueError."""
    match = re.fullmatch(r"(\d{1,2})([A-Za-z]+)", text)
    if match is None:
        raise errors.malformed(f"invalid timeframe: {text[:20]}")
    amount, word = int(match[1]), match[2]
    unit = "Month" if word == "M" else _WORDS.get(word.lower())
    if unit is None or not 1 <= amount <= _MOST[unit] or (unit == "Month" and 12 % amount):
        raise errors.malformed(f"invalid timeframe: {text[:20]}")
    return Timeframe(amount, unit)
