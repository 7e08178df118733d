"""POST /api/webhooks/stripe: outside of sessions, proven by the signature over the raw body."""

from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from prometheus_client import Counter

from bitcurrent.funding.inbox.model import BODY_BYTES_MAX
from bitcurrent.funding.inbox.schemas import EventTaken
from bitcurrent.funding.inbox.service import Inbox
from bitcurrent.funding.ports import ForgedEvent, StaleEvent
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.errors import Unproven
from bitcurrent.web.chain import BODY_BYTES, RATE, REPEATABLE

REFUSED = Counter("bitcurrent_processor_events_refused", "Webhooks that were not proven.", ("why",))


@post(
    "/api/webhooks/stripe",
    operation_id="takeProcessorEvent",
    summary="The processor's webhook",
    tags=["Deposits"],
    status_code=200,
    request_max_body_size=BODY_BYTES_MAX,
    opt={RATE: "webhook", BODY_BYTES: BODY_BYTES_MAX, REPEATABLE: "An event is kept once, by its own id."},
)
async def take_processor_event(request: Request[Any, Any, Any], inbox: NamedDependency[Inbox]) -> EventTaken:
    """Signed by the processor (`Stripe-Signature`), at most five minutes ago. The answer means that it is kept.

    A forged, stale or unreadable one is refused with 400 and leaves nothing behind.
    """
    body = await request.body()
    try:
        event = inbox.processor.verified_event(
            body=body, signature=request.headers.get("stripe-signature", ""), now=now()
        )
    except ForgedEvent:
        REFUSED.labels("forged").inc()
        raise Unproven("The signature does not fit. Nothing was done.") from None
    except StaleEvent:
        REFUSED.labels("stale").inc()
        raise Unproven("The signature is too old, or from the future. Nothing was done.") from None
    await inbox.take(event)
    return EventTaken()


ROUTES = (take_processor_event,)
