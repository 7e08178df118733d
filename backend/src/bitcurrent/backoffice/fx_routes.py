"""What the house owns of each currency by customers' conversions."""

from decimal import Decimal

from litestar import get
from litestar.di import NamedDependency
from litestar.types import ControllerRouterHandler

from bitcurrent.funding.conversions.model import Rate
from bitcurrent.funding.conversions.rates import Rates
from bitcurrent.funding.conversions.schemas import ExposureAnswer, FxAnswer
from bitcurrent.funding.conversions.service import Conversions
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.kernel.currencies import BASE
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.money import ROUGH
from bitcurrent.web.amounts import Amount

CENT = Decimal("0.01")


@get(
    "/api/admin/fx",
    operation_id="readFxExposure",
    summary="The house's positions by currency",
    tags=["back office"],
    guards=[requires_permission("money.read")],
)
async def read_fx(
    actor: CurrentActor,
    conversions: NamedDependency[Conversions],
    exchange_rates: NamedDependency[Rates],
    database: NamedDependency[Database],
) -> FxAnswer:
    """What conversions have left with the house, what they earned, and both sides' worth now in USD."""
    async with database.read() as connection:
        exposures = await conversions.exposure(connection)
    items: list[ExposureAnswer] = []
    total: Decimal | None = Decimal(0)
    for exposure in exposures:
        rate = await exchange_rates.find_worth(exposure.currency)
        worth = None if rate is None else _worth(exposure.position, rate)
        total = None if total is None or worth is None else ROUGH.add(total, worth)
        items.append(
            ExposureAnswer(
                currency=exposure.currency,
                position=Amount(exposure.position),
                earned=Amount(exposure.earned),
                worth=None if worth is None else Amount(worth),
                rate_at=None if rate is None else rate.at,
            )
        )
    return FxAnswer(currency=BASE, items=items, worth=None if total is None else Amount(total))


def _worth(position: Decimal, rate: Rate) -> Decimal:
    return ROUGH.multiply(position, rate.middle).quantize(CENT, context=ROUGH)


ROUTES: tuple[ControllerRouterHandler, ...] = (read_fx,)
