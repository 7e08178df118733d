"""The processor's events about refunds and disputes: each is a hint to read the thing anew, kept in its transaction.

Events come in any order and more than once; what is read when they are looked up is always the newest truth.
"""

from typing import Final

from bitcurrent.funding.inbox.model import about
from bitcurrent.funding.ports import ProcessorEvent
from bitcurrent.funding.reversals import repository
from bitcurrent.kernel.database import Connection

EVENT_TYPES: Final = (
    "charge.refunded",
    "charge.refund.updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
)


async def apply_event(connection: Connection, event: ProcessorEvent) -> None:
    """Remember what the event is about; the worker reads it within a second. One that names nothing is no hint."""
    thing, payment = about(event)
    if event.type.startswith("charge.dispute.") and thing is not None:
        await repository.want_look(connection, "dispute", thing)
    elif event.type == "charge.refunded" and payment is not None:
        await repository.want_look(connection, "payment", payment)
    elif "refund" in event.type and thing is not None and event.type != "charge.refunded":
        await repository.want_look(connection, "refund", thing)
