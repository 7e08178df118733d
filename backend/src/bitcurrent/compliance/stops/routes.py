"""/api/status: what stands still, in plain words, for everybody."""

from typing import Any

from litestar import get
from litestar.di import NamedDependency

from bitcurrent.compliance.stops.schemas import StatusAnswer, stopped_answer
from bitcurrent.compliance.stops.service import Stops
from bitcurrent.kernel.database import Database
from bitcurrent.web.answers import CACHEABLE
from bitcurrent.web.pages import Fields, choose_fields

TAGS = ["status"]


@get(
    "/api/status",
    operation_id="readStatus",
    summary="What stands still now",
    tags=TAGS,
    opt={CACHEABLE: True},
)
async def read_status(
    stops: NamedDependency[Stops], database: NamedDependency[Database], fields: Fields = None
) -> StatusAnswer | dict[str, Any]:
    """A request that meets a stop is refused with the code `stopped` and these words."""
    async with database.read() as connection:
        standing = await stops.standing(connection)
    answer = StatusAnswer(running=not standing, stopped=[stopped_answer(stop) for stop in standing])
    return choose_fields(answer, fields, StatusAnswer)


ROUTES = (read_status,)
