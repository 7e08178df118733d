"""What funding needs from outside: a card processor, a way to pay to banks, wallets for coins, and exchange rates.

All of them may leave us without an answer. `OutcomeUnknown` means that it may have happened: the caller keeps its
intent, asks again by its own id, and never acts a second time under a new one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol
from uuid import UUID

from bitcurrent.kernel.errors import Unavailable

CheckoutStatus = Literal["open", "complete", "expired"]
PaymentStatus = Literal["paid", "unpaid", "no_payment_required"]
RefundStatus = Literal["pending", "requires_action", "succeeded", "failed", "canceled"]
TransferStatus = Literal["processing", "complete", "failed"]


class NotConfigured(Unavailable):
    """This installation has no account at that provider."""

    code = "not_configured"
    title = "Not available here"

    def __init__(self, what: str, setting: str) -> None:
        super().__init__(f"{what} is not set up on this installation ({setting} is empty). Nothing was done.")


class OutcomeUnknown(Exception):
    """No answer, or one that says nothing: what was asked for may have happened. Ask for it by its id."""


class NotSent(Exception):
    """It certainly did not happen and may be tried again later under the same id (no connection, 429)."""


class RefusedOutside(Exception):
    """The provider said no, for good. `code` is its own word for the reason, fit for a database and a log."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ForgedEvent(Exception):
    """A webhook whose signature does not fit its raw body, or that has none."""


class StaleEvent(Exception):
    """A webhook whose signature is older than 300 s, or from the future (beyond a few seconds of clock skew)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """The processor's hosted card page for one deposit. `payment_status` alone decides whether money came."""

    id: str
    url: str | None
    status: CheckoutStatus
    payment_status: PaymentStatus
    amount: Decimal
    currency: str
    payment_intent: str | None
    reference: str | None
    expires_at: datetime
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What may be known and kept of a card: never its number. `fingerprint` is the same for the same card."""

    fingerprint: str | None
    brand: str | None
    last4: str | None
    country: str | None
    authenticated: bool
    """Whether its owner passed 3-D Secure."""
    risk_level: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment as the processor has it. `status` is its own word; only `succeeded` means that money came."""

    id: str
    status: str
    amount_received: Decimal
    currency: str
    charge_id: str | None
    card: Card | None
    failure_code: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorRefund:
    """A refund as the processor has it. `our_id` is the id that we gave it, when it was we who asked."""

    id: str
    status: RefundStatus
    amount: Decimal
    currency: str
    payment_intent: str
    our_id: UUID | None
    failure_reason: str | None
    taken: bool = True
    """Whether the processor has taken it from our balance; a pending one may wait for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorDispute:
    """A dispute as the processor has it: `status` is its own word (needs_response, under_review, won, lost, …).

    `withdrawn` and `reinstated` are what its balance transactions have taken from us and given back, fees included in
    `fee` and not in them.
    """

    id: str
    status: str
    reason: str
    amount: Decimal
    currency: str
    payment_intent: str
    charge_id: str | None
    withdrawn: Decimal
    reinstated: Decimal
    fee: Decimal
    respond_by: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceLine:
    """One balance transaction of the processor: `net = amount - fee` is what its balance changed by."""

    id: str
    kind: str
    amount: Decimal
    fee: Decimal
    net: Decimal
    currency: str
    source: str | None
    """The charge, refund, dispute or payout that it belongs to."""
    created_at: datetime
    available_at: datetime
    payment_intent: str | None = None
    """The payment that its source is part of, if it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorEvent:
    """A verified webhook. `object` is the thing it is about, as it was then: later words may have come before."""

    id: str
    type: str
    created_at: datetime
    object: Mapping[str, Any]
    raw: bytes = field(repr=False)


Subject = Checkout | Payment | ProcessorRefund | ProcessorDispute
"""What an event of the processor can be about."""


class Processor(Protocol):
    """Takes cards. Amounts are in major units (12.34), exact; currencies are upper-case codes (USD)."""

    @property
    def configured(self) -> bool:
        """Whether this installation has an account there."""
        ...

    async def open_checkout(
        self,
        *,
        deposit_id: UUID,
        amount: Decimal,
        currency: str,
        description: str,
        email: str | None,
        success_url: str,
        cancel_url: str,
        expires_at: datetime,
    ) -> Checkout:
        """Open the hosted page; the deposit's id is the idempotency key, the client reference and in the metadata.

        Asking again under the same id gives the same page when every word is the same (`expires_at` too: keep it);
        other words are answered with OutcomeUnknown. Amounts that the currency cannot hold raise ValueError.
        Raises NotConfigured, NotSent, OutcomeUnknown, RefusedOutside.
        """
        ...

    async def read_checkout(self, checkout_id: str) -> Checkout:
        """The page as it is now. Raises NotSent, RefusedOutside."""
        ...

    async def expire_checkout(self, checkout_id: str) -> Checkout:
        """End an open page; one that has ended is given as it is. Raises NotSent, OutcomeUnknown, RefusedOutside."""
        ...

    async def read_payment(self, payment_intent: str) -> Payment:
        """The payment as it is now, with its card. Raises NotSent, RefusedOutside."""
        ...

    async def refund(self, *, refund_id: UUID, payment_intent: str, amount: Decimal, currency: str) -> ProcessorRefund:
        """Give money back to the card that paid; `refund_id` is the idempotency key and in the metadata.

        The processor keeps a key for a day only: before asking again later than that, look with `find_refund`.
        Raises NotConfigured, NotSent, OutcomeUnknown, RefusedOutside.
        """
        ...

    async def read_refund(self, refund: str) -> ProcessorRefund:
        """The refund with this id of the processor's, as it is now. Raises NotSent, RefusedOutside."""
        ...

    async def find_refund(self, *, refund_id: UUID, payment_intent: str) -> ProcessorRefund | None:
        """The refund that carries our id among those of the payment, or None. Raises NotSent, RefusedOutside."""
        ...

    async def refunds_of(self, payment_intent: str) -> Sequence[ProcessorRefund]:
        """Every refund of a payment, ours and others. Raises NotSent, RefusedOutside."""
        ...

    async def read_dispute(self, dispute_id: str) -> ProcessorDispute:
        """The dispute as it is now. Raises NotSent, RefusedOutside."""
        ...

    async def balance_lines(
        self, *, since: datetime, after: str | None = None, limit: int = 100
    ) -> tuple[Sequence[BalanceLine], bool]:
        """Balance transactions since then, newest first, behind the one with the id `after`; and whether more follow.

        Raises NotSent, RefusedOutside.
        """
        ...

    async def balances(self) -> Mapping[str, Decimal]:
        """What lies there by currency, available and pending together. Raises NotSent, RefusedOutside."""
        ...

    def verified_event(self, *, body: bytes, signature: str, now: datetime) -> ProcessorEvent:
        """The event in a webhook's raw body. Raises ForgedEvent, StaleEvent, NotConfigured."""
        ...

    def subject(self, event: ProcessorEvent) -> Subject | None:
        """What an event is about, as it was then (a charge is told as its payment, with its card).

        None for what nothing here needs, or cannot be read. What a payment's event says of `payment_status` may be
        older than what another one has said: read the thing anew where its newest state decides.
        """
        ...

    def event_in(self, body: bytes) -> ProcessorEvent:
        """The event in a raw body that was verified when it came, read again from where it is kept.

        Raises ForgedEvent for what is no event.
        """
        ...

    def checkout_in(self, event: ProcessorEvent) -> Checkout:
        """The hosted page that a `checkout.session.*` event is about, as it was then. Raises ForgedEvent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A transfer of coins out of the venue's wallet, as the venue has it. `network_fee` is what it cost beside."""

    id: str
    status: TransferStatus
    asset: str
    amount: Decimal
    network_fee: Decimal
    to_address: str
    chain: str | None
    transaction_hash: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedAddress:
    """An address that the venue was told. It sends there once it has approved it, a day later."""

    id: str
    chain: str
    address: str
    approved: bool


class Wallets(Protocol):
    """The venue's wallets: coins leave through them, to addresses that were told to it before.

    `chain` is named for coins that have several, and None where the venue derives it from coin and address.
    """

    async def own_address(self, *, asset: str, chain: str | None) -> str:
        """Where the venue takes such coins for us. Raises NotSent, RefusedOutside."""
        ...

    async def estimate_fee(self, *, asset: str, chain: str | None, to_address: str, amount: Decimal) -> Decimal:
        """The network's fee of such a transfer now, in the asset. Raises NotSent, RefusedOutside."""
        ...

    async def allow_address(self, *, asset: str, chain: str | None, address: str) -> AllowedAddress:
        """Tell the venue an address. It takes one only once: ask `allowed_addresses` before and after.

        Raises NotSent, OutcomeUnknown, RefusedOutside.
        """
        ...

    async def forget_address(self, allowed_id: str) -> None:
        """The venue sends nothing there any more; again is no error. Raises NotSent, OutcomeUnknown, RefusedOutside."""
        ...

    async def allowed_addresses(self) -> Sequence[AllowedAddress]:
        """Every address that it was told. Raises NotSent, RefusedOutside."""
        ...

    async def send(self, *, asset: str, chain: str | None, amount: Decimal, address: str) -> Transfer:
        """Ask for a transfer. The venue knows no idempotency key: after OutcomeUnknown only `transfers` tells.

        Raises NotSent, OutcomeUnknown, RefusedOutside.
        """
        ...

    async def transfers(self) -> Sequence[Transfer]:
        """The account's outgoing transfers, newest first. Raises NotSent, RefusedOutside."""
        ...


class RateSource(Protocol):
    """Says what one currency is worth in another."""

    async def middle(self, *, base: str, quote: str) -> tuple[Decimal, datetime, str]:
        """Units of `quote` for one of `base`, when that was true, and who says so. Raises Unavailable."""
        ...
