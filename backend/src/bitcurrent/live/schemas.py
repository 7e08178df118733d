"""The messages of the live stream, both ways: JSON objects told apart by `op` (from clients) and `type` (from us).

Amounts are strings, times RFC 3339 in UTC. docs/live.md shows each with an example.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec

from bitcurrent.kernel.errors import Refusal
from bitcurrent.trading.schemas import FillAnswer, OrderAnswer
from bitcurrent.web.amounts import Amount, write_amount

MessageId = Annotated[str, msgspec.Meta(max_length=64)]
Credential = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
ChannelNames = Annotated[
    list[Annotated[str, msgspec.Meta(min_length=1, max_length=64)]], msgspec.Meta(min_length=1, max_length=1_000)
]
Sequence = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _FromClient(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", forbid_unknown_fields=True):
    """Base of what clients send. `id` comes back in the answer, so that a client can tell its answers apart."""

    id: MessageId | None = None


class Auth(_FromClient, frozen=True, tag="auth"):
    """Say who is there: a session's token, an API key with its secret, or an API key with a signature."""

    token: Credential | None = None
    key_id: Credential | None = None
    secret: Credential | None = None
    timestamp: Credential | None = None
    nonce: Credential | None = None
    signature: Credential | None = None


class Subscribe(_FromClient, frozen=True, tag="subscribe"):
    """Take channels. `after` resumes the private ones behind the last sequence that the client has."""

    channels: ChannelNames
    after: Sequence | None = None


class Unsubscribe(_FromClient, frozen=True, tag="unsubscribe"):
    """Take channels no longer."""

    channels: ChannelNames


class Ping(_FromClient, frozen=True, tag="ping"):
    """Ask for a pong."""


FromClient = Auth | Subscribe | Unsubscribe | Ping


class _FromUs(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of what we send."""


class Welcome(_FromUs, frozen=True, tag="welcome"):
    """The first message on a socket."""

    heartbeat_seconds: int
    time: datetime


class Authenticated(_FromUs, frozen=True, tag="authenticated", omit_defaults=True):
    """Who the socket belongs to from now on."""

    user_id: UUID
    by: str
    id: str | None = None


class Subscribed(_FromUs, frozen=True, tag="subscribed", omit_defaults=True):
    """All channels that the socket takes now; the answer to subscribe and to unsubscribe."""

    channels: list[str]
    id: str | None = None


class Pong(_FromUs, frozen=True, tag="pong", omit_defaults=True):
    """The answer to ping."""

    time: datetime
    id: str | None = None


class Heartbeat(_FromUs, frozen=True, tag="heartbeat", omit_defaults=True):
    """We are here. `sequence`: everything private up to it has been sent."""

    time: datetime
    sequence: int | None = None


class Error(_FromUs, frozen=True, tag="error", omit_defaults=True):
    """What was asked for was not done."""

    code: str
    message: str
    field: str | None = None
    details: dict[str, str] = {}
    id: str | None = None


class Price(_FromUs, frozen=True, tag="price"):
    """The best bid and offer and the last trade of one market."""

    symbol: str
    bid: str
    ask: str
    bid_size: str
    ask_size: str
    last: str | None
    at: datetime
    last_at: datetime | None
    seen_at: datetime


class PricesSnapshot(_FromUs, frozen=True, tag="snapshot"):
    """The newest price of each market that was asked for and has one."""

    prices: list[Price]
    of: str = "prices"


class BalanceNow(msgspec.Struct, frozen=True, kw_only=True):
    """One balance: what can be used, and what is set aside."""

    currency: str
    available: Amount
    held: Amount


class PrivateSnapshot(_FromUs, frozen=True, tag="snapshot"):
    """Open orders and balances as of `sequence`; every later event follows.

    `orders` and `balances` are null where the channel is not taken. `more_orders`: the oldest open ones were left out.
    """

    sequence: int
    orders: list[OrderAnswer] | None
    balances: list[BalanceNow] | None
    more_orders: bool = False
    of: str = "private"


class Resumed(_FromUs, frozen=True, tag="resumed"):
    """The stream goes on behind `sequence`; `balances` are those that the event of that number left."""

    sequence: int
    balances: list[dict[str, Any]]


class Resync(_FromUs, frozen=True, tag="resync"):
    """The stream cannot go on behind `after`; forget what you had: a snapshot follows."""

    after: int
    reason: str


class OrderChanged(_FromUs, frozen=True, tag="order", omit_defaults=True):
    """Something happened to an order: the order as it was then, and the fill if it was one."""

    sequence: int
    kind: str
    at: datetime
    order: OrderAnswer
    fill: FillAnswer | None = None


class MessageAdded(_FromUs, frozen=True, tag="message"):
    """A message has come into the inbox: GET /api/messages has its words."""

    sequence: int
    at: datetime
    id: UUID
    topic: str
    title: str


class BalanceChanged(_FromUs, frozen=True, tag="balance"):
    """Balances as an event left them: only those that it touched."""

    sequence: int
    kind: str
    at: datetime
    balances: list[dict[str, Any]]


def _write_part(value: object) -> Any:
    if isinstance(value, Amount):
        return write_amount(value)
    raise TypeError(f"{type(value).__name__} has no wire format")


_encoder = msgspec.json.Encoder(enc_hook=_write_part)
_decoder: msgspec.json.Decoder[FromClient] = msgspec.json.Decoder(FromClient)


def encode(message: object) -> bytes:
    """A message as JSON."""
    return _encoder.encode(message)


def decode(body: bytes) -> FromClient:
    """A client's message; raises msgspec.ValidationError (not one of ours) or msgspec.DecodeError (not JSON)."""
    return _decoder.decode(body)


def balance_now(*, currency: str, available: Decimal, held: Decimal) -> BalanceNow:
    """A balance on the wire."""
    return BalanceNow(currency=currency, available=Amount(available), held=Amount(held))


def error_message(refusal: Refusal, message_id: str | None = None) -> Error:
    """A refusal on the wire."""
    return Error(
        code=refusal.code, message=refusal.message, field=refusal.field, details=refusal.details, id=message_id
    )
