"""What a socket may ask for, its bounds, its refusals and its close codes. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

from bitcurrent.kernel.errors import Conflict, Forbidden, Invalid, NotFound, TooMany, Unauthenticated

HEARTBEAT_SECONDS: Final = 5
RECHECK_SECONDS: Final = 3.0
"""How often sessions and keys are looked up again; with the query itself a revoked one is gone within 5 s."""

SOCKETS_MAX: Final = 20_000
SOCKETS_PER_CUSTOMER_MAX: Final = 100
SUBSCRIPTIONS_MAX: Final = 1_000
FRAME_BYTES_MAX: Final = 64 * 1024
MESSAGES_PER_SECOND: Final = 20
WAITING_MAX: Final = 32
"""Messages of one client that may wait while an earlier one is worked on."""

UNSENT_BYTES_MAX: Final = 256 * 1024
"""Above this a client counts as slow: prices are conflated, private events wait in the log."""

UNSENT_BYTES_RESUME: Final = 64 * 1024
SLOW_SECONDS_MAX: Final = 20.0
"""How long a client may stay slow before its socket is closed."""

SILENT_SECONDS_PING: Final = 20.0
SILENT_SECONDS_MAX: Final = 60.0
REPLAY_EVENTS_MAX: Final = 5_000
OPEN_ORDERS_MAX: Final = 1_000

PrivateChannel = Literal["orders", "balances", "messages"]
PRIVATE: Final[frozenset[PrivateChannel]] = frozenset({"orders", "balances", "messages"})


class CloseCode(IntEnum):
    """Why a socket was closed. 4000 and above are ours; the others are RFC 6455's."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_TEXT = 1007
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SESSION_ENDED = 4001
    TOO_SLOW = 4008
    TOO_MANY = 4029


class MalformedJson(Invalid):
    """The message is not JSON."""

    code = "malformed_json"


class InvalidMessage(Invalid):
    """JSON, but no message that we know."""

    code = "invalid_message"


class UnknownChannel(Invalid):
    """No channel has this name."""

    code = "unknown_channel"


class NotAuthenticated(Unauthenticated):
    """Orders, balances and messages are somebody's: say who first."""

    code = "not_authenticated"

    def __init__(self) -> None:
        super().__init__("Authenticate first: without that, only prices can be taken.")


class OtherCustomer(Conflict):
    """A socket belongs to one customer for its whole life."""

    code = "other_customer"

    def __init__(self) -> None:
        super().__init__("This socket belongs to another customer. Open a new one.")


class TooManySubscriptions(Invalid):
    """More channels than one socket may take."""

    code = "too_many_subscriptions"

    def __init__(self) -> None:
        super().__init__(
            f"A socket takes at most {SUBSCRIPTIONS_MAX} channels; use prices:* for all prices.",
            details={"maximum": str(SUBSCRIPTIONS_MAX)},
        )


class TooManySockets(TooMany):
    """This customer has as many sockets as one may."""

    code = "too_many_sockets"

    def __init__(self) -> None:
        super().__init__(
            f"You have {SOCKETS_PER_CUSTOMER_MAX} live connections already. Close one first.",
            details={"maximum": str(SOCKETS_PER_CUSTOMER_MAX)},
        )


class TooManyMessages(TooMany):
    """The client talks faster than it may."""

    code = "too_many_messages"

    def __init__(self) -> None:
        super().__init__(
            f"At most {MESSAGES_PER_SECOND} messages a second. The connection is closed.",
            details={"maximum": str(MESSAGES_PER_SECOND)},
        )


class ForeignOrigin(Forbidden):
    """A page of another site wants to listen with the customer's cookie."""

    code = "foreign_origin"

    def __init__(self) -> None:
        super().__init__("Pages of this origin may not connect.")


class ParametersRefused(Invalid):
    """Addresses end up in logs and histories, so nothing is taken from them."""

    code = "parameters_refused"

    def __init__(self) -> None:
        super().__init__("The address takes no parameters. Send credentials as a message: see docs/live.md.")


class NothingHere(NotFound):
    """No such path on this port."""

    code = "unknown_path"

    def __init__(self) -> None:
        super().__init__("There is nothing here. The live stream is at /ws.")


@dataclass(frozen=True, slots=True)
class Channels:
    """Channels by kind. `markets` are names as the client wrote them; `all_prices` stands for prices:*."""

    markets: tuple[str, ...]
    all_prices: bool
    private: frozenset[PrivateChannel]


def parse_channels(names: Iterable[str]) -> Channels:
    """Sort channel names by kind; raises `UnknownChannel`."""
    markets: dict[str, None] = {}
    private: set[PrivateChannel] = set()
    all_prices = False
    for name in names:
        kind, colon, market = name.partition(":")
        if name == "orders":
            private.add("orders")
        elif name == "balances":
            private.add("balances")
        elif name == "messages":
            private.add("messages")
        elif kind != "prices" or not colon or not market:
            raise UnknownChannel(
                f"There is no channel {name[:40]!r}. There are prices:BTC-USD (any market), prices:*, orders, "
                "balances and messages.",
                field="channels",
            )
        elif market == "*":
            all_prices = True
        else:
            markets[market] = None
    return Channels(tuple(markets), all_prices, frozenset(private))
