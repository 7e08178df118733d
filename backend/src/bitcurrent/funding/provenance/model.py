"""Lots, debts, and how much may leave: by worth, not by coin. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from bitcurrent.kernel.errors import Conflict, Unavailable
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import EXACT, LEDGER_PLACES, ROUGH, divide_down, plain

ZERO = Decimal(0)
STEP = Decimal(1).scaleb(-LEDGER_PLACES)
Cause = Literal["dispute", "refund"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """One card deposit: what the card paid, what was given back or taken back of it, and when it is released."""

    id: UUID
    user_id: UUID
    currency: str
    amount: Decimal
    fee: Decimal
    payment_intent: str | None
    created_at: datetime
    release_at: datetime
    refunded: Decimal
    refunded_elsewhere: Decimal
    disputed: Decimal
    blocked: bool

    @property
    def remaining(self) -> Decimal:
        """What the card's owner could still take back."""
        gone = EXACT.add(EXACT.add(self.refunded, self.refunded_elsewhere), self.disputed)
        return max(EXACT.subtract(self.amount, gone), ZERO)

    @property
    def refundable(self) -> Decimal:
        """What may be given back to the card: the deposit's fee stays ours."""
        return max(EXACT.subtract(self.remaining, self.fee), ZERO)

    def locked_at(self, moment: datetime) -> Decimal:
        """What of it may not leave yet at that moment."""
        return self.remaining if self.blocked or self.release_at > moment else ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Card money that has just been credited: `amount` is what the card paid, of which `fee` is ours."""

    deposit_id: UUID
    user_id: UserId
    currency: str
    amount: Decimal
    fee: Decimal
    payment_intent: str | None
    release_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """What a customer owes: after a dispute, or a refund made elsewhere, took money that was not there any more."""

    id: UUID
    user_id: UUID
    currency: str
    cause: Cause
    cause_id: UUID
    amount: Decimal
    collected: Decimal
    written_off: Decimal
    steps: int
    created_at: datetime
    updated_at: datetime

    @property
    def open(self) -> Decimal:
        """What is still owed."""
        return EXACT.subtract(EXACT.subtract(self.amount, self.collected), self.written_off)


class InDebt(Conflict):
    """The customer owes money, so none leaves."""

    code = "in_debt"
    title = "There is an open debt"

    def __init__(self, owed: Mapping[str, Decimal]) -> None:
        told = ", ".join(f"{plain(amount)} {currency}" for currency, amount in owed.items())
        super().__init__(
            f"You owe {told}: a card payment was taken back after the money had been used. New money pays it first; "
            "until then none can leave.",
            details={f"owed_{currency}": plain(amount) for currency, amount in owed.items()},
        )


class NotReleased(Conflict):
    """What may leave now is less than what was asked for."""

    code = "not_released"
    title = "Not released yet"

    def __init__(self, *, asset: str, wanted: Decimal, limit: Decimal, released_at: datetime | None) -> None:
        when = "" if released_at is None else f" More is released at {released_at:%Y-%m-%d %H:%M} UTC."
        details = {"asset": asset, "wanted": plain(wanted), "limit": plain(limit)}
        if released_at is not None:
            details["released_at"] = released_at.isoformat()
        super().__init__(
            f"{plain(limit)} {asset} can leave now: the rest stands for card payments that are not final.{when}",
            field="amount",
            details=details,
        )


class NoPrice(Unavailable):
    """What may leave depends on a price that nobody knows well enough now."""

    code = "no_price"
    title = "No reliable price"

    def __init__(self, assets: Sequence[str]) -> None:
        super().__init__(
            f"How much can leave depends on the price of {', '.join(assets)}, and there is no fresh one now. Nothing "
            "was done; try again in a moment.",
            details={"assets": ", ".join(assets)},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """Everything that counts when something is to leave: what there is, what could be taken back, what is owed.

    `balances` is what the customer may use of each asset, with what open orders hold. `prices` are units of one
    currency for one of the asset; those that are missing are not known well enough.
    """

    balances: Mapping[str, Decimal]
    locked: Mapping[str, Decimal]
    owed: Mapping[str, Decimal]
    prices: Mapping[str, Decimal]

    @property
    def claims(self) -> dict[str, Decimal]:
        """What the house must be able to get back, by currency."""
        together: dict[str, Decimal] = {}
        for part in (self.locked, self.owed):
            for currency, amount in part.items():
                together[currency] = EXACT.add(together.get(currency, ZERO), amount)
        return {currency: amount for currency, amount in together.items() if amount > 0}

    def free(self, asset: str, available: Decimal) -> Decimal:
        """How much of `available` may leave; rounded down. Raises NoPrice when that cannot be said.

        An asset without a price counts as nothing: too little may leave then, never too much.
        """
        claims = self.claims
        if not claims or available <= 0:
            return max(available, ZERO)
        prices = self._prices_for(asset, claims)
        worth = _sum(ROUGH.multiply(amount, prices[each]) for each, amount in self.balances.items() if each in prices)
        claimed = _sum(ROUGH.multiply(amount, prices[currency]) for currency, amount in claims.items())
        left = ROUGH.subtract(worth, claimed)
        return ZERO if left <= 0 else min(available, divide_down(left, prices[asset], STEP))

    def _prices_for(self, asset: str, claims: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
        missing = sorted({asset, *claims} - set(self.prices))
        if not missing:
            return self.prices
        if {asset} == set(claims):
            # One currency against itself: no price is needed, and what has none in it counts as nothing.
            return {asset: Decimal(1)}
        raise NoPrice(missing)


def locked_by_currency(lots: Iterable[Lot], moment: datetime) -> dict[str, Decimal]:
    """What of card deposits may not leave yet."""
    together: dict[str, Decimal] = {}
    for lot in lots:
        if amount := lot.locked_at(moment):
            together[lot.currency] = EXACT.add(together.get(lot.currency, ZERO), amount)
    return together


def owed_by_currency(debts: Iterable[Debt]) -> dict[str, Decimal]:
    """What is owed."""
    together: dict[str, Decimal] = {}
    for debt in debts:
        if debt.open > 0:
            together[debt.currency] = EXACT.add(together.get(debt.currency, ZERO), debt.open)
    return together


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = ROUGH.add(total, amount)
    return total
