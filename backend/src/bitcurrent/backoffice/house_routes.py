"""/api/admin/health and /api/admin/money: how the house does, and its money at a glance."""

from typing import Annotated, Any

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from bitcurrent.backoffice import house_schemas as schemas
from bitcurrent.backoffice.house import House
from bitcurrent.identity.admin import requires_permission
from bitcurrent.web.pages import Fields, choose_fields

TAGS = ["Back office"]
Keeper = NamedDependency[House]
Days = Annotated[int, QueryParameter(name="days", ge=1, le=92, description="So many days, today included.")]


@get(
    "/api/admin/health",
    operation_id="readHealth",
    summary="How the house does",
    tags=TAGS,
    guards=[requires_permission("approvals.read")],
)
async def read_health(house: Keeper, fields: Fields = None) -> schemas.HealthAnswer | dict[str, Any]:
    """Always an answer, whatever is down: `troubles` says in words what is not as it should be."""
    return choose_fields(await house.health(), fields, schemas.HealthAnswer)


@get(
    "/api/admin/money",
    operation_id="readMoney",
    summary="The money at a glance",
    tags=TAGS,
    guards=[requires_permission("money.read")],
)
async def read_money(house: Keeper, days: Days = 30, fields: Fields = None) -> schemas.MoneyAnswer | dict[str, Any]:
    """What is owed to customers and where it lies, and day by day what was traded, earned, paid in and paid out."""
    return choose_fields(await house.money(days=days), fields, schemas.MoneyAnswer)


ROUTES = (read_health, read_money)
