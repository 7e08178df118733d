"""Exchange rates in the form of the European Central Bank's daily file, except that here they move every minute.

They follow the clock alone, so that two readers in one minute see the same. Tests may set them, date them, or have the
next answers fail.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from bitcurrent_sandbox.http import Reply, Request, json_reply

API: Final = "/ecb/stats/eurofxref/eurofxref-daily.xml"
PREFIX: Final = "/sandbox/rates"
STEP: Final = Decimal("0.0001")
PERIODS: Final = {"USD": (Decimal("1.0850"), 97), "GBP": (Decimal("0.8540"), 61), "JPY": (Decimal("162.35"), 131)}
"""Each currency's middle for one euro, and how many minutes its way up, or down, takes."""


class Rates:
    """Answers as the bank's file does."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._set: dict[str, Decimal] = {}
        self._day: date | None = None
        self._failures: list[int] = []

    def give(self, request: Request) -> Reply:
        """The file."""
        if request.method != "GET":
            return json_reply({"message": "method not allowed"}, 405)
        if self._failures:
            return json_reply({"message": "later"}, self._failures.pop(0))
        moment = self._clock()
        day = self._day or moment.date()
        return Reply(body=_document(day, self._rates(moment)).encode(), content_type="text/xml; charset=UTF-8")

    def answer(self, request: Request) -> Reply:
        """For tests: POST {"rates": {"USD": "1.2"}, "day": "2026-01-31", "fail": [503]}; DELETE ends all of that."""
        if request.path.removeprefix(PREFIX).strip("/"):
            return json_reply({"message": "not found"}, 404)
        if request.method == "POST":
            wish = request.json()
            self._set.update({str(code): Decimal(str(rate)) for code, rate in wish.get("rates", {}).items()})
            self._day = date.fromisoformat(str(wish["day"])) if wish.get("day") else self._day
            self._failures = [int(status) for status in wish.get("fail", [])][:1_000]
            return Reply(status=204)
        if request.method == "DELETE":
            self._set, self._day, self._failures = {}, None, []
            return Reply(status=204)
        return json_reply({"rates": {code: str(rate) for code, rate in self._rates(self._clock()).items()}})

    def _rates(self, moment: datetime) -> dict[str, Decimal]:
        minute = int(moment.timestamp()) // 60
        return {code: self._set.get(code) or _moved(*shape, minute) for code, shape in PERIODS.items()}


def _moved(middle: Decimal, period: int, minute: int) -> Decimal:
    """Up to half a percent around the middle, up and down again in a straight line."""
    place = minute % (2 * period)
    height = Decimal(place if place <= period else 2 * period - place) / period - Decimal("0.5")
    return (middle * (1 + height / 100)).quantize(STEP)


def _document(day: date, rates: dict[str, Decimal]) -> str:
    cubes = "".join(f"<Cube currency='{code}' rate='{rate}'/>" for code, rate in rates.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"'
        ' xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref"><gesmes:subject>Reference rates</gesmes:subject>'
        f"<gesmes:Sender><gesmes:name>Sandbox</gesmes:name></gesmes:Sender>"
        f"<Cube><Cube time='{day.isoformat()}'>{cubes}</Cube></Cube></gesmes:Envelope>"
    )
