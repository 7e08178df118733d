"""What programs send: bodies and query parameters as Alpaca's SDKs write them, read into our own words.

Numbers are taken from their literal, so 1e-05 and "0.00001" are the same exact amount. A field that we do not know is
refused by name; a query parameter that we do not know is ignored, as at Alpaca.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec

from bitcurrent.botapi.refusals import bad_parameter, not_found, not_possible
from bitcurrent.kernel.ids import OrderId
from bitcurrent.kernel.money import plain
from bitcurrent.trading.model import OrderType, OrderWish, Side, TimeInForce
from bitcurrent.web import json
from bitcurrent.web.amounts import Amount, read_amount
from bitcurrent.web.schemas import Request

T = TypeVar("T")
Choice = TypeVar("Choice", Side, OrderType, TimeInForce)

QUERY_FIELDS_MAX = 50
SYMBOLS_MAX = 100
ClientOrderId = Annotated[str, msgspec.Meta(max_length=128, pattern=r"^[\x20-\x7e]*$")]
Word = Annotated[str, msgspec.Meta(max_length=40)]


class SubmitBody(Request, frozen=True, kw_only=True):
    """POST /v2/orders. From `order_class` on: what Alpaca has for shares and options, refused when it is asked for."""

    symbol: Word
    side: Word
    type: Word
    time_in_force: Word
    qty: Amount | None = None
    notional: Amount | None = None
    limit_price: Amount | None = None
    stop_price: Amount | None = None
    client_order_id: ClientOrderId | None = None
    order_class: Word | None = None
    extended_hours: bool | None = None
    position_intent: Word | None = None
    trail_price: Amount | None = None
    trail_percent: Amount | None = None
    legs: list[Any] | None = None
    take_profit: dict[str, Any] | None = None
    stop_loss: dict[str, Any] | None = None


class ReplaceBody(Request, frozen=True, kw_only=True):
    """PATCH /v2/orders/{id}. What is left out stays as it is."""

    qty: Amount | None = None
    limit_price: Amount | None = None
    stop_price: Amount | None = None
    time_in_force: Word | None = None
    trail: Amount | None = None
    client_order_id: ClientOrderId | None = None


class ConfigurationBody(Request, frozen=True, kw_only=True):
    """PATCH /v2/account/configurations, as the SDK sends it: whole, with null for what it does not know."""

    dtbp_check: str | None = None
    fractional_trading: bool | None = None
    max_margin_multiplier: str | None = None
    max_options_trading_level: int | None = None
    no_shorting: bool | None = None
    pdt_check: str | None = None
    ptp_no_exception_entry: bool | None = None
    suspend_trade: bool | None = None
    trade_confirm_email: str | None = None
    disable_overnight_trading: bool | None = None


def read_body(body: bytes, kind: type[T]) -> T:
    """The body as `kind`; an empty one is an empty object. Raises msgspec's errors."""
    return json.decode(body if body.strip() else b"{}", kind)


def read_wish(body: SubmitBody) -> OrderWish:
    """The order that is asked for; raises refusals in Alpaca's words for what crypto orders cannot be."""
    side = _one_of(Side, body.side)
    if side is None:
        raise bad_parameter(f"side: invalid side {body.side!r}, it must be buy or sell")
    order_type = _one_of(OrderType, body.type)
    if order_type is None:
        raise not_possible(f"invalid order type for crypto order: {body.type!r}")
    time_in_force = _one_of(TimeInForce, body.time_in_force)
    if time_in_force is None:
        raise not_possible("invalid crypto time_in_force")
    _refuse_what_crypto_lacks(body, side)
    return OrderWish(
        market=body.symbol,
        side=side,
        type=order_type,
        time_in_force=time_in_force,
        quantity=body.qty,
        notional=body.notional,
        limit_price=body.limit_price,
        stop_price=body.stop_price,
        client_order_id=body.client_order_id or None,
    )


def _refuse_what_crypto_lacks(body: SubmitBody, side: Side) -> None:
    if body.order_class not in (None, "", "simple") or body.legs or body.take_profit or body.stop_loss:
        raise not_possible("crypto orders not allowed for advanced order_class")
    if body.extended_hours:
        raise not_possible("extended_hours: crypto trades around the clock, leave it out")
    if body.trail_price is not None or body.trail_percent is not None:
        raise not_possible("invalid order type for crypto order: 'trailing_stop'")
    allowed = {Side.BUY: "buy_to_open", Side.SELL: "sell_to_close"}[side]
    if body.position_intent not in (None, "", allowed):
        raise not_possible(f"position_intent: a crypto {side} is always {allowed}")


def request_hash(*parts: object) -> bytes:
    """What makes two requests the same: their content, however the numbers were written."""
    return hashlib.sha256(
        repr([plain(part) if isinstance(part, Decimal) else part for part in parts]).encode()
    ).digest()


def wish_hash(wish: OrderWish) -> bytes:
    """The content of a wish."""
    return request_hash(
        "submit",
        wish.market.upper().replace("/", "").replace("-", ""),
        str(wish.side),
        str(wish.type),
        str(wish.time_in_force),
        wish.quantity,
        wish.notional,
        wish.limit_price,
        wish.stop_price,
    )


class Query:
    """Query parameters; each reader raises a refusal that names the parameter."""

    def __init__(self, query_string: bytes) -> None:
        try:
            pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
        except (UnicodeDecodeError, ValueError):
            raise bad_parameter("the query cannot be read") from None
        # An empty parameter is as good as none.
        self._values = {name: value for name, value in pairs if value}

    def text(self, name: str) -> str | None:
        """A parameter as it stands, or None when absent."""
        return self._values.get(name)

    def choice(self, name: str, *options: str) -> str:
        """One of the options; the first when absent."""
        value = self._values.get(name, options[0])
        if value not in options:
            raise bad_parameter(f"{name}: must be one of {', '.join(options)}")
        return value

    def count(self, name: str, *, usual: int, most: int) -> int:
        """A whole number from 1 to `most`."""
        value = self._values.get(name, str(usual))
        if not (value.isascii() and value.isdigit() and len(value) <= 9 and 1 <= int(value) <= most):
            raise bad_parameter(f"{name}: must be a whole number from 1 to {most}")
        return int(value)

    def flag(self, name: str) -> bool:
        """A boolean; the Python SDK writes it `True`."""
        value = self._values.get(name, "false").lower()
        if value not in {"true", "false", "1", "0", "t", "f"}:
            raise bad_parameter(f"{name}: must be true or false")
        return value in {"true", "1", "t"}

    def words(self, name: str) -> list[str] | None:
        """A list with commas, or None when absent; at most a hundred words."""
        value = self._values.get(name)
        if value is None:
            return None
        found = [word.strip() for word in value.split(",") if word.strip()]
        if len(found) > SYMBOLS_MAX:
            raise bad_parameter(f"{name}: at most {SYMBOLS_MAX} at once")
        return found

    def amount(self, name: str) -> Decimal | None:
        """A positive amount, or None when absent."""
        value = self._values.get(name)
        if value is None:
            return None
        try:
            amount = read_amount(value)
        except ValueError as error:
            raise bad_parameter(f"{name}: {error}") from None
        if amount <= 0:
            raise bad_parameter(f"{name}: must be above zero")
        return amount

    def moment(self, name: str) -> datetime | None:
        """A time in RFC 3339 (or a date, which is its first moment), or None when absent."""
        value = self._values.get(name)
        return None if value is None else read_moment(value, name)

    def order_id(self, name: str) -> OrderId | None:
        """An order's id, or None when absent."""
        value = self._values.get(name)
        return None if value is None else read_order_id(value)


def read_moment(text: str, name: str) -> datetime:
    """A time; without an offset it is UTC. A plus sign that became a blank on the way is put back."""
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise bad_parameter(f"{name}: must be a time such as 2026-03-01T12:00:00Z") from None


def read_order_id(text: str) -> OrderId:
    """An order's id from a path or query; what cannot be one is simply not found."""
    try:
        return OrderId(UUID(text))
    except ValueError:
        raise not_found("order is not found.") from None


def day_span(moment: datetime) -> tuple[datetime, datetime]:
    """The UTC day of a moment, as exclusive bounds."""
    first = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return first - timedelta(microseconds=1), first + timedelta(days=1)


def _one_of(kind: type[Choice], text: str) -> Choice | None:
    try:
        return kind(text)
    except ValueError:
        return None
