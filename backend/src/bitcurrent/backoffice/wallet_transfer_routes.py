"""/api/admin/wallet-transfers: transfers of coins without an end, and what two people decide about lost ones."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter

from bitcurrent.backoffice.schemas import ApprovalAnswer, approval_answer
from bitcurrent.funding.addresses.model import Decision, KeptTransfer
from bitcurrent.funding.wallets.deciding import LostTransfers
from bitcurrent.identity.admin import requires_permission
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.factors.guards import requires_fresh_factor
from bitcurrent.identity.guards import CurrentActor
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.web import schemas
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.amounts import Amount
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

TAGS = ["Back office"]
AnyRequest = Request[Any, Any, Any]
Lost = NamedDependency[LostTransfers]
MissingFilter = Annotated[
    bool | None, QueryParameter(name="missing", description="Only those that the venue's list lacks, or has.")
]
WithdrawalId = Annotated[UUID, PathParameter(description="The withdrawal's id.")]


class WalletTransfer(schemas.Answer, frozen=True, kw_only=True):
    """A transfer without an end. `asked`: nobody knows whether it happened; `nothing_there`: it certainly did not."""

    withdrawal_id: str
    asset: str
    network: str
    amount: Amount
    state: str
    asked_at: datetime
    attempts: int
    missing_since: datetime | None
    looks: int
    decision: Decision | None
    venue_id: str | None


class Decide(schemas.Request, frozen=True, kw_only=True):
    """Send it again under the same intent, or give the money back."""

    decision: Decision
    reason: Annotated[str, msgspec.Meta(max_length=2_000)]


@get(
    "/api/admin/wallet-transfers",
    operation_id="listWalletTransfers",
    summary="Transfers of coins without an end",
    tags=TAGS,
    guards=[requires_permission("money.read")],
)
async def list_wallet_transfers(
    lost_transfers: Lost,
    database: NamedDependency[Database],
    missing: MissingFilter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[WalletTransfer] | dict[str, Any]:
    """Newest first."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        found = await lost_transfers.open(connection, missing=missing, before=before, limit=limit + 1)
    page = page_of(found, limit, item=_wallet_transfer, key=lambda one: one.withdrawal_id)
    return choose_fields(page, fields, WalletTransfer)


@post(
    "/api/admin/wallet-transfers/{withdrawal_id:uuid}/decide",
    operation_id="decideWalletTransfer",
    summary="Ask for a decision about a lost transfer",
    tags=TAGS,
    guards=[requires_permission("money.read"), requires_fresh_factor],
    opt={IDEMPOTENT: True},
    status_code=202,
)
async def decide_wallet_transfer(
    request: AnyRequest,
    withdrawal_id: WithdrawalId,
    data: JSONBody[Decide],
    actor: CurrentActor,
    lost_transfers: Lost,
    approvals: NamedDependency[Approvals],
    database: NamedDependency[Database],
    addresses: NamedDependency[Addresses],
) -> Response[ApprovalAnswer]:
    """Look at the venue's own pages first. Another person grants it; the worker looks once more before it counts."""

    async def effect(connection: Connection) -> ApprovalAnswer:
        asked = await lost_transfers.ask(
            connection,
            actor,
            withdrawal_id,
            data.decision,
            reason=data.reason,
            address=addresses.of(request.scope),
        )
        return approval_answer(asked, actor, approvals.kinds)

    return await answer_once(request, database, actor.user_id, effect, status=202)


def _wallet_transfer(kept: KeptTransfer) -> WalletTransfer:
    return WalletTransfer(
        withdrawal_id=str(kept.withdrawal_id),
        asset=kept.asset,
        network=kept.network,
        amount=Amount(kept.amount),
        state=kept.state.value,
        asked_at=kept.asked_at,
        attempts=kept.attempts,
        missing_since=kept.missing_since,
        looks=kept.looks,
        decision=kept.decision,
        venue_id=kept.venue_id,
    )


ROUTES = (list_wallet_transfers, decide_wallet_transfer)
