"""The processor port on Stripe: hosted Checkout pages, refunds, disputes and the balance."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import UUID

import structlog

from bitcurrent.funding.ports import (
    BalanceLine,
    Checkout,
    ForgedEvent,
    NotConfigured,
    NotSent,
    OutcomeUnknown,
    Payment,
    ProcessorDispute,
    ProcessorEvent,
    ProcessorRefund,
    RefusedOutside,
    Subject,
)
from bitcurrent.integrations.stripe import webhook, wire
from bitcurrent.integrations.stripe.client import StripeCalls
from bitcurrent.settings import Settings

if TYPE_CHECKING:
    from stripe import RequestOptions
    from stripe.params import BalanceTransactionListParams, RefundListParams
    from stripe.params.checkout import SessionCreateParams

log = structlog.get_logger(__name__)
T = TypeVar("T")

WHAT = "Paying by card"
ACCOUNT_SETTING = "BITCURRENT_STRIPE_API_KEY"
ENDPOINT_SETTING = "BITCURRENT_STRIPE_WEBHOOK_SECRET"
PAGE_MAX = 100
PAGES_MAX = 20
"""Of a payment's refunds no more than this many pages are read."""


class StripeProcessor:
    """Takes cards through Stripe, or says that it cannot."""

    def __init__(self, calls: StripeCalls | None, *, webhook_secret: str) -> None:
        self._calls = calls
        self._webhook_secret = webhook_secret

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: Settings) -> AsyncIterator[Self]:
        """The processor of the settings, until the block ends. Nothing is asked for yet."""
        key = settings.stripe_api_key
        calls = StripeCalls(api_key=key, url=settings.stripe_url) if key else None
        try:
            yield cls(calls, webhook_secret=settings.stripe_webhook_secret)
        finally:
            if calls is not None:
                await calls.close()

    @property
    def configured(self) -> bool:
        """Whether there is an account to take cards with."""
        return self._calls is not None

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
        """Open the hosted page. Asking again under the same id must use the same words, `expires_at` included.

        Which ways to pay it offers is set in Stripe's dashboard. Prices in other currencies than the one asked for
        are off: what comes must be what was asked for.
        """
        params: SessionCreateParams = {
            "mode": "payment",
            "client_reference_id": str(deposit_id),
            "metadata": {"deposit_id": str(deposit_id)},
            "payment_intent_data": {"metadata": {"deposit_id": str(deposit_id)}, "description": description},
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": currency.lower(),
                        "unit_amount": wire.to_minor(amount, currency),
                        "product_data": {"name": description},
                    },
                }
            ],
            "adaptive_pricing": {"enabled": False},
            "success_url": success_url,
            "cancel_url": cancel_url,
            "expires_at": int(expires_at.timestamp()),
        }
        if email is not None:
            params["customer_email"] = email
        options: RequestOptions = {"idempotency_key": f"deposit:{deposit_id}"}
        answer = await self._open().write(lambda api: api.checkout.sessions.create_async(params, options))
        return _read(wire.checkout, answer, OutcomeUnknown)

    async def read_checkout(self, checkout_id: str) -> Checkout:
        """The page as it is now."""
        answer = await self._open().read(lambda api: api.checkout.sessions.retrieve_async(checkout_id))
        return _read(wire.checkout, answer)

    async def expire_checkout(self, checkout_id: str) -> Checkout:
        """End an open page; one that has ended is given as it is."""
        try:
            answer = await self._open().write(lambda api: api.checkout.sessions.expire_async(checkout_id))
        except RefusedOutside:
            found = await self.read_checkout(checkout_id)
            if found.status == "open":
                raise
            return found
        return _read(wire.checkout, answer, OutcomeUnknown)

    async def read_payment(self, payment_intent: str) -> Payment:
        """The payment as it is now, with its card."""
        answer = await self._open().read(
            lambda api: api.payment_intents.retrieve_async(payment_intent, {"expand": ["latest_charge"]})
        )
        return _read(wire.payment, answer)

    async def refund(self, *, refund_id: UUID, payment_intent: str, amount: Decimal, currency: str) -> ProcessorRefund:
        """Give money back to the card that paid.

        Stripe keeps an idempotency key for a day only: look with `find_refund` before asking again later than that.
        """
        minor = wire.to_minor(amount, currency)
        answer = await self._open().write(
            lambda api: api.refunds.create_async(
                {"payment_intent": payment_intent, "amount": minor, "metadata": {wire.OUR_REFUND: str(refund_id)}},
                {"idempotency_key": f"refund:{refund_id}"},
            )
        )
        return _read(wire.refund, answer, OutcomeUnknown)

    async def read_refund(self, refund: str) -> ProcessorRefund:
        """The refund with this id of Stripe's, as it is now."""
        return _read(wire.refund, await self._open().read(lambda api: api.refunds.retrieve_async(refund)))

    async def find_refund(self, *, refund_id: UUID, payment_intent: str) -> ProcessorRefund | None:
        """The refund that carries our id among those of the payment, or None."""
        return next((found for found in await self.refunds_of(payment_intent) if found.our_id == refund_id), None)

    async def refunds_of(self, payment_intent: str) -> Sequence[ProcessorRefund]:
        """Every refund of a payment, ours and those that were made in Stripe's dashboard."""
        params: RefundListParams = {"payment_intent": payment_intent, "limit": PAGE_MAX}
        found: list[ProcessorRefund] = []
        for _ in range(PAGES_MAX):
            page = await self._open().read(lambda api: api.refunds.list_async(params))
            refunds = [_read(wire.refund, each) for each in page["data"]]
            found += refunds
            if not page["has_more"] or not refunds:
                return found
            params["starting_after"] = refunds[-1].id
        raise NotSent(f"{payment_intent} has more refunds than are looked through")

    async def read_dispute(self, dispute_id: str) -> ProcessorDispute:
        """The dispute as it is now."""
        return _read(wire.dispute, await self._open().read(lambda api: api.disputes.retrieve_async(dispute_id)))

    async def balance_lines(
        self, *, since: datetime, after: str | None = None, limit: int = PAGE_MAX
    ) -> tuple[Sequence[BalanceLine], bool]:
        """Balance transactions since then, newest first, behind the one called `after`; and whether more follow."""
        params: BalanceTransactionListParams = {
            "created": {"gte": int(since.timestamp())},
            "limit": min(limit, PAGE_MAX),
            # A line names its charge, refund or dispute; these name the payment.
            "expand": ["data.source"],
        }
        if after is not None:
            params["starting_after"] = after
        page = await self._open().read(lambda api: api.balance_transactions.list_async(params))
        return [_read(wire.balance_line, each) for each in page["data"]], bool(page["has_more"])

    async def balances(self) -> Mapping[str, Decimal]:
        """What lies there by currency, available and pending together."""
        return _read(wire.balances, await self._open().read(lambda api: api.balance.retrieve_async()))

    def verified_event(self, *, body: bytes, signature: str, now: datetime) -> ProcessorEvent:
        """The event in a webhook's raw body."""
        if not self._webhook_secret:
            raise NotConfigured(WHAT, ENDPOINT_SETTING)
        return webhook.verified_event(body=body, signature=signature, secret=self._webhook_secret, now=now)

    def event_in(self, body: bytes) -> ProcessorEvent:
        """The event in a raw body that was verified when it came."""
        return webhook.read_event(body)

    def checkout_in(self, event: ProcessorEvent) -> Checkout:
        """The page that an event is about, as it was then."""
        found = self.subject(event)
        if not isinstance(found, Checkout):
            raise ForgedEvent(f"{event.type} holds no page that can be read")
        return found

    def subject(self, event: ProcessorEvent) -> Subject | None:
        """What an event is about, as it was then; None for what nothing here needs, or cannot be read."""
        try:
            return wire.subject(event.object)
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            log.warning("stripe_event_unreadable", event_id=event.id, kind=event.type, cause=type(error).__name__)
            return None

    def _open(self) -> StripeCalls:
        if self._calls is None:
            raise NotConfigured(WHAT, ACCOUNT_SETTING)
        return self._calls


def _read(
    reader: Callable[[Mapping[str, Any]], T], answer: Mapping[str, Any], otherwise: type[Exception] = NotSent
) -> T:
    """The answer in our words; `otherwise` when it lacks what Stripe says that it always has."""
    try:
        return reader(answer)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise otherwise(f"an answer of Stripe cannot be read: {type(error).__name__}") from error
