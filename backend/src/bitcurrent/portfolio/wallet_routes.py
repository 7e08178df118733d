"""/api/wallet: what may leave the account now, and why the rest may not."""

from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency

from bitcurrent.identity.guards import requires_scope
from bitcurrent.identity.model import Actor
from bitcurrent.portfolio.schemas import HoldAnswer, HoldingAnswer, hold_answer, holding_answer
from bitcurrent.portfolio.wallet import Obstacle, Pocket, Wallet, WalletView
from bitcurrent.web.amounts import Amount
from bitcurrent.web.pages import Fields, choose_fields
from bitcurrent.web.schemas import Answer


class PocketAnswer(Answer, frozen=True, kw_only=True):
    """One asset. `withdrawable` is null where nobody can say now; `obstacle` is why it is less than `available`."""

    currency: str
    available: Amount
    held: Amount
    withdrawable: Amount | None
    obstacle: Obstacle | None
    orders: list[HoldAnswer]
    holdings: list[HoldingAnswer]


class LockAnswer(Answer, frozen=True, kw_only=True):
    """A card payment that could still be taken back: so much worth of yours stays until `release_at`.

    `disputed` ones stay until their dispute is decided, whatever the date.
    """

    deposit_id: UUID
    currency: str
    amount: Amount
    release_at: datetime
    disputed: bool


class OwedAnswer(Answer, frozen=True, kw_only=True):
    """What you owe in a currency: until it is paid, nothing can leave."""

    currency: str
    amount: Amount


class WalletAnswer(Answer, frozen=True, kw_only=True):
    """What may leave the account at `as_of`."""

    as_of: datetime
    items: list[PocketAnswer]
    locks: list[LockAnswer]
    owed: list[OwedAnswer]


@get(
    "/api/wallet/withdrawable",
    operation_id="readWithdrawable",
    summary="What you can withdraw now, and why not more",
    tags=["Portfolio"],
    guards=[requires_scope("read")],
)
async def read_withdrawable(
    actor: NamedDependency[Actor], wallet: NamedDependency[Wallet], fields: Fields = None
) -> WalletAnswer | dict[str, Any]:
    """Asset by asset: what holds it, which card payments are not released yet, and what is owed.

    Card money trades at once. What it stands for, whatever it has become, stays until its release date.
    """
    return choose_fields(wallet_answer(await wallet.read(actor.user_id)), fields, WalletAnswer)


def wallet_answer(view: WalletView) -> WalletAnswer:
    """The wallet for its customer."""
    return WalletAnswer(
        as_of=view.as_of,
        items=[_pocket(pocket) for pocket in view.pockets],
        locks=[
            LockAnswer(
                deposit_id=lot.id,
                currency=lot.currency,
                amount=Amount(amount),
                release_at=lot.release_at,
                disputed=lot.blocked,
            )
            for lot, amount in view.locks
        ],
        owed=[OwedAnswer(currency=currency, amount=Amount(amount)) for currency, amount in view.owed.items()],
    )


def _pocket(pocket: Pocket) -> PocketAnswer:
    return PocketAnswer(
        currency=pocket.balance.currency,
        available=Amount(pocket.balance.available),
        held=Amount(pocket.balance.held),
        withdrawable=None if pocket.withdrawable is None else Amount(pocket.withdrawable),
        obstacle=pocket.obstacle,
        orders=[hold_answer(hold) for hold in pocket.orders],
        holdings=[holding_answer(holding) for holding in pocket.holdings],
    )


ROUTES = (read_withdrawable,)
