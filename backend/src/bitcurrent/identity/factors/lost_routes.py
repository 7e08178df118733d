"""Every second factor lost: the customer's side. Support decides in the back office."""

from typing import Annotated, Any

from litestar import Request, delete, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from bitcurrent.identity.factors import schemas
from bitcurrent.identity.factors.lost import LostFactors
from bitcurrent.identity.factors.model import LostState
from bitcurrent.identity.guards import CurrentActor, requires_role, requires_session
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.errors import NotFound
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.chain import REPEATABLE

AnyRequest = Request[Any, Any, Any]
Lost = NamedDependency[LostFactors]
Where = NamedDependency[Database]
Origin = NamedDependency[Addresses]
Wanted = Annotated[LostState | None, QueryParameter(name="state", description="Only requests in this state.")]

TAGS = ["second factors"]
_DECIDERS = requires_role("support", "admin")


@post(
    "/api/lost-factor",
    summary="I have lost every second factor",
    tags=TAGS,
    operation_id="reportLostFactor",
    opt={REPEATABLE: "There is one open request at a time."},
    status_code=202,
)
async def report_lost_factor(
    request: AnyRequest, data: JSONBody[schemas.AskLostFactor], lost_factors: Lost, database: Where, addresses: Origin
) -> schemas.LostFactorWait:
    """Begins a long wait with letters to you; support must approve, and using any factor cancels.

    The challenge is the one that logging in gave. Takes no Idempotency-Key: there is one open request at a time.
    """
    address = addresses.of(request.scope)
    await lost_factors.count_attempt(address)
    async with database.transaction() as connection:
        made = await lost_factors.request(connection, challenge=data.challenge, reason=data.reason, address=address)
    return schemas.lost_factor_wait(made)


@post(
    "/api/lost-factor/cancel",
    summary="Cancel by the link in our letter",
    tags=TAGS,
    operation_id="cancelLostFactorByLink",
    opt={REPEATABLE: "What is canceled stays canceled."},
    status_code=204,
)
async def cancel_by_link(
    request: AnyRequest,
    data: JSONBody[schemas.CancelLostFactor],
    lost_factors: Lost,
    database: Where,
    addresses: Origin,
) -> None:
    """Needs no login: whoever reads your mail may stop it. Cancelling again is no error."""
    address = addresses.of(request.scope)
    await lost_factors.count_attempt(address)
    async with database.transaction() as connection:
        await lost_factors.cancel_by_token(connection, data.token, address=address)


@delete(
    "/api/lost-factor",
    summary="Cancel my lost-factor request",
    tags=TAGS,
    operation_id="cancelLostFactor",
    opt={REPEATABLE: "What is canceled stays canceled."},
    guards=[requires_session],
)
async def cancel_lost_factor(
    request: AnyRequest, actor: CurrentActor, lost_factors: Lost, database: Where, addresses: Origin
) -> None:
    """404 when there is none that is open."""
    async with database.transaction() as connection:
        canceled = await lost_factors.cancel_if_open(
            connection, actor.user_id, how="your account page", address=addresses.of(request.scope)
        )
    if not canceled:
        raise NotFound("You have no open request.")


ROUTES = (report_lost_factor, cancel_by_link, cancel_lost_factor)
