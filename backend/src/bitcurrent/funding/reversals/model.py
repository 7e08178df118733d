"""Refunds and disputes as values: their states, who covers what a dispute took, and why a refund is refused. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal, get_args
from uuid import UUID

from bitcurrent.funding.ports import BalanceLine, RefundStatus
from bitcurrent.kernel.errors import Conflict, Invalid, NotFound
from bitcurrent.kernel.money import EXACT, plain

ZERO = Decimal(0)
REFUND_DAYS_MAX = 180
"""Older card payments the processor may not be able to give back."""

FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=15)

Origin = Literal["customer", "operator", "withdrawal", "processor"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)
HOLDING: frozenset[Origin] = frozenset({"customer", "operator"})
"""Refunds that hold the money themselves: a withdrawal's is held by the withdrawal, a foreign one is done already."""


class RefundState(StrEnum):
    """Where a refund stands. `sending` may be without an answer: then `unknown_since` says since when."""

    REQUESTED = "requested"
    SENDING = "sending"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


REFUND_WAYS: Mapping[RefundState, frozenset[RefundState]] = {
    RefundState.REQUESTED: frozenset({RefundState.SENDING, RefundState.SUCCEEDED, RefundState.FAILED}),
    RefundState.SENDING: frozenset(
        {RefundState.REQUESTED, RefundState.PENDING, RefundState.SUCCEEDED, RefundState.FAILED}
    ),
    RefundState.PENDING: frozenset({RefundState.SUCCEEDED, RefundState.FAILED}),
    RefundState.SUCCEEDED: frozenset({RefundState.FAILED}),
    RefundState.FAILED: frozenset(),
}
"""What may follow what; functions.sql has the same list, and a test compares them."""

OPEN_REFUNDS = frozenset({RefundState.REQUESTED, RefundState.SENDING, RefundState.PENDING})

REFUND_TOLD: Mapping[RefundState, str] = {
    RefundState.REQUESTED: "It is sent next.",
    RefundState.SENDING: "It is being sent to the card.",
    RefundState.PENDING: "The card's bank has it and has not finished.",
    RefundState.SUCCEEDED: "Sent. The bank shows it on the card's statement within 5 to 10 days.",
    RefundState.FAILED: "The card did not take it; the money is back in your balance.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Money on its way back to the card that paid it.

    `taken` says whether the processor has taken it from our balance (then it is booked), `held` what it holds until
    then, `shortfall` what a foreign one left owed.
    """

    id: UUID
    user_id: UUID
    lot_id: UUID
    currency: str
    amount: Decimal
    origin: Origin
    state: RefundState
    taken: bool
    held: Decimal
    shortfall: Decimal
    withdrawal_id: UUID | None
    asked_by: UUID | None
    reason: str | None
    processor_refund_id: str | None
    failure: str | None
    attempts: int
    unknown_since: datetime | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None

    def may_become(self, state: RefundState) -> bool:
        """Whether that is news: states only go forward, so an older answer that comes late changes nothing."""
        return state in REFUND_WAYS[self.state]


def state_of(status: RefundStatus) -> RefundState:
    """What the processor's word means for us."""
    match status:
        case "succeeded":
            return RefundState.SUCCEEDED
        case "failed" | "canceled":
            return RefundState.FAILED
        case _:
            return RefundState.PENDING


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many failures: 2 s, 4 s, 8 s … a quarter of an hour."""
    return min(FIRST_PAUSE * (1 << min(max(attempts - 1, 0), 16)), LONGEST_PAUSE)


LookSubject = Literal["payment", "refund", "dispute"]


def line_subject(line: BalanceLine) -> LookSubject | None:
    """What a line of the processor's balance tells of; None for what is neither a refund nor a dispute.

    Refunds and their failures have kinds of their own; disputes are adjustments, known by what they belong to.
    """
    if line.kind in {"refund", "payment_refund", "refund_failure", "payment_refund_failure"}:
        return "refund"
    if line.kind == "adjustment" and (line.source or "").startswith(("dp_", "du_")):
        return "dispute"
    return None


class DisputeState(StrEnum):
    """Where a dispute stands. `closed` is an inquiry that ended without one."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"
    CLOSED = "closed"


DISPUTE_WAYS: Mapping[DisputeState, frozenset[DisputeState]] = {
    DisputeState.OPEN: frozenset({DisputeState.WON, DisputeState.LOST, DisputeState.CLOSED}),
    # An inquiry that had ended may become a dispute after all; networks reverse their own decisions.
    DisputeState.CLOSED: frozenset({DisputeState.OPEN, DisputeState.WON, DisputeState.LOST}),
    DisputeState.WON: frozenset({DisputeState.LOST}),
    DisputeState.LOST: frozenset({DisputeState.WON}),
}
"""What may follow what; functions.sql has the same list, and a test compares them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A card payment that its owner's bank takes back. `status` is the processor's word, `state` ours.

    `withdrawn` and `reinstated` are what the processor took and gave back; of that `locked` is held from the customer,
    `taken` was taken from what had been locked, and the rest is a debt.
    """

    id: UUID
    processor_dispute_id: str
    user_id: UUID
    lot_id: UUID
    currency: str
    amount: Decimal
    reason: str
    status: str
    state: DisputeState
    withdrawn: Decimal
    reinstated: Decimal
    fee: Decimal
    locked: Decimal
    taken: Decimal
    steps: int
    respond_by: datetime | None
    note: str | None
    noted_by: UUID | None
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None

    @property
    def claim(self) -> Decimal:
        """What the processor has taken from us and not given back."""
        return max(EXACT.subtract(self.withdrawn, self.reinstated), ZERO)


def dispute_state(status: str) -> DisputeState:
    """What the processor's word means for us; one that nobody knows leaves it open, for a person to look at."""
    match status:
        case "won":
            return DisputeState.WON
        case "lost":
            return DisputeState.LOST
        case "warning_closed" | "prevented":
            return DisputeState.CLOSED
        case _:
            return DisputeState.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """Who stands for what was taken from us: the customer's locked money, what was taken of it, and a debt."""

    locked: Decimal = ZERO
    taken: Decimal = ZERO
    debt: Decimal = ZERO
    collected: Decimal = ZERO
    written_off: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What has to move so that the cover is right again, and the cover then. Each amount is zero or more."""

    lock: Decimal = ZERO
    unlock: Decimal = ZERO
    take: Decimal = ZERO
    give_back: Decimal = ZERO
    regain: Decimal = ZERO
    cover: Cover


def level(cover: Cover, *, claim: Decimal, there: Decimal, final: bool) -> Steps:
    """Let the cover be as large as the claim, whichever events came, and in whatever order.

    Too little: lock what is available (`there`), owe the rest. Too much: first the open debt shrinks, then locked money
    is free again, then what was taken or collected is given back, and at last a loss is regained. When it is `final`,
    what is locked is taken.
    """
    locked, taken, debt = cover.locked, cover.taken, cover.debt
    collected, written_off = cover.collected, cover.written_off
    covered = EXACT.add(EXACT.add(locked, taken), debt)
    lock = unlock = give_back = regain = ZERO
    if claim > covered:
        missing = EXACT.subtract(claim, covered)
        lock = max(min(there, missing), ZERO)
        locked = EXACT.add(locked, lock)
        debt = EXACT.add(debt, EXACT.subtract(missing, lock))
    else:
        surplus = EXACT.subtract(covered, claim)
        open_debt = EXACT.subtract(EXACT.subtract(debt, collected), written_off)
        forgiven = min(surplus, open_debt)
        surplus = EXACT.subtract(surplus, forgiven)
        unlock = min(surplus, locked)
        surplus = EXACT.subtract(surplus, unlock)
        from_taken = min(surplus, taken)
        surplus = EXACT.subtract(surplus, from_taken)
        from_collected = min(surplus, collected)
        regain = EXACT.subtract(surplus, from_collected)
        locked, taken = EXACT.subtract(locked, unlock), EXACT.subtract(taken, from_taken)
        debt = EXACT.subtract(EXACT.subtract(EXACT.subtract(debt, forgiven), from_collected), regain)
        collected, written_off = EXACT.subtract(collected, from_collected), EXACT.subtract(written_off, regain)
        give_back = EXACT.add(from_taken, from_collected)
    take = locked if final else ZERO
    locked, taken = EXACT.subtract(locked, take), EXACT.add(taken, take)
    return Steps(
        lock=lock,
        unlock=unlock,
        take=take,
        give_back=give_back,
        regain=regain,
        cover=Cover(locked=locked, taken=taken, debt=debt, collected=collected, written_off=written_off),
    )


class DepositNotRefundable(NotFound):
    """No card deposit of this customer has the id, or it never came."""

    code = "deposit_not_found"

    def __init__(self) -> None:
        super().__init__("There is no card deposit with this id that has come.")


class DepositNotPaid(Conflict):
    """It has not come, so nothing of it can go back."""

    code = "deposit_not_paid"

    def __init__(self) -> None:
        super().__init__("This deposit has not come: there is nothing to refund.")


class RefundTooMuch(Invalid):
    """More than is left of the deposit."""

    code = "refund_too_much"

    def __init__(self, *, limit: Decimal, currency: str) -> None:
        super().__init__(
            f"At most {plain(limit)} {currency} of this deposit can be refunded: its fee, what was refunded before and "
            "what was disputed are not in it.",
            field="amount",
            details={"limit": plain(limit), "currency": currency},
        )


class RefundAmountInvalid(Invalid):
    """An amount that a card cannot be paid."""

    code = "refund_amount_invalid"

    def __init__(self, *, decimals: int, currency: str) -> None:
        super().__init__(
            f"A refund in {currency} is more than zero and has at most {decimals} decimals.",
            field="amount",
            details={"decimals": str(decimals), "currency": currency},
        )


class DepositDisputed(Conflict):
    """The card's bank looks at this payment: a refund beside that would pay twice."""

    code = "deposit_disputed"

    def __init__(self) -> None:
        super().__init__("This deposit is disputed. Until that is decided nothing of it can be refunded.")


class RefundTooLate(Conflict):
    """The card payment is too old."""

    code = "refund_too_late"

    def __init__(self) -> None:
        super().__init__(
            f"Card payments can be refunded for {REFUND_DAYS_MAX} days. Withdraw the money instead.",
            details={"limit": str(REFUND_DAYS_MAX)},
        )


class DisputeNotFound(NotFound):
    """No dispute has this id."""

    code = "dispute_not_found"

    def __init__(self) -> None:
        super().__init__("There is no dispute with this id.")


class DebtNotFound(NotFound):
    """No open debt has this id."""

    code = "debt_not_found"

    def __init__(self) -> None:
        super().__init__("There is no open debt with this id.")


class RefundNotFound(NotFound):
    """No refund has this id."""

    code = "refund_not_found"

    def __init__(self) -> None:
        super().__init__("There is no refund with this id.")
