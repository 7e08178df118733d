"""Orders, fills and fees on the wire of /api: exact amounts as strings, times in UTC."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec

from bitcurrent.kernel.money import EXACT
from bitcurrent.trading.model import (
    FeeRate,
    Fill,
    Liquidity,
    Order,
    OrderState,
    OrderType,
    OrderWish,
    Side,
    Terms,
    TimeInForce,
)
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer, Request

ClientOrderId = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[\x20-\x7e]+$")]
Symbol = Annotated[str, msgspec.Meta(min_length=2, max_length=40)]


class OrderRequest(Request, frozen=True, kw_only=True):
    """An order to place. Give `quantity` (of the coin) or `notional` (what to spend or receive), not both."""

    symbol: Symbol
    side: Side
    type: OrderType
    time_in_force: TimeInForce = TimeInForce.GTC
    quantity: Amount | None = None
    notional: Amount | None = None
    limit_price: Amount | None = None
    stop_price: Amount | None = None
    client_order_id: ClientOrderId | None = None

    def wish(self) -> OrderWish:
        """The wish in trading's own words."""
        return OrderWish(
            market=self.symbol,
            side=self.side,
            type=self.type,
            time_in_force=self.time_in_force,
            quantity=self.quantity,
            notional=self.notional,
            limit_price=self.limit_price,
            stop_price=self.stop_price,
            client_order_id=self.client_order_id,
        )


class ReplaceRequest(Request, frozen=True, kw_only=True):
    """Other terms for an open limit or stop-limit order; what is left out stays as it is."""

    quantity: Amount | None = None
    limit_price: Amount | None = None
    stop_price: Amount | None = None
    client_order_id: ClientOrderId | None = None


class OrderPreview(Answer, frozen=True, kw_only=True):
    """What an order would cost and bring at the price seen now. Nothing is held by asking."""

    symbol: str
    side: Side
    type: OrderType
    quantity: Amount | None
    notional: Amount | None
    limit_price: Amount | None
    stop_price: Amount | None
    collar_price: Amount | None
    liquidity: Liquidity
    fee_bps: Amount
    fee_currency: str
    hold_currency: str
    hold_amount: Amount
    expected_price: Amount
    expected_cost: Amount
    expected_fee: Amount
    expected_net: Amount
    expected_net_currency: str


class OrderAnswer(Answer, frozen=True, kw_only=True):
    """An order as it is now.

    `filled_quantity` and `filled_cost` are cumulative; `fee` is in `fee_currency` and comes out of what is received;
    `net` is what has been received after it. `held` is what the order still sets aside of `hold_currency`.
    """

    id: UUID
    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: Amount | None
    notional: Amount | None
    limit_price: Amount | None
    stop_price: Amount | None
    collar_price: Amount | None
    state: OrderState
    pending_cancel: bool
    pending_replace: bool
    reason: str | None
    hold_currency: str
    hold_amount: Amount
    held: Amount
    filled_quantity: Amount
    filled_cost: Amount
    average_price: Amount | None
    fee: Amount
    fee_currency: str
    fee_bps: Amount
    liquidity: Liquidity
    net: Amount
    replaces: UUID | None
    replaced_by: UUID | None
    created_at: datetime
    updated_at: datetime
    submitted_at: datetime | None
    finished_at: datetime | None


class FillAnswer(Answer, frozen=True, kw_only=True):
    """One execution: its own quantity, price and cost, the fee, and the net that can be sold or spent."""

    execution_id: str
    order_id: UUID
    symbol: str
    side: Side
    quantity: Amount
    price: Amount
    cost: Amount
    fee: Amount
    fee_currency: str
    fee_bps: Amount
    liquidity: Liquidity
    net: Amount
    filled_at: datetime


class FeeTier(Answer, frozen=True, kw_only=True):
    """Rates in basis points from a 30-day volume in USD on."""

    volume_from: Amount
    maker_bps: Amount
    taker_bps: Amount


class FeesAnswer(Answer, frozen=True, kw_only=True):
    """The fee schedule, and where the customer stands in it."""

    tiers: list[FeeTier]
    volume_30_days: Amount
    maker_bps: Amount
    taker_bps: Amount


def order_answer(order: Order) -> OrderAnswer:
    """An order on the wire."""
    return OrderAnswer(
        id=order.id,
        client_order_id=order.client_order_id or str(order.id),
        symbol=order.market,
        side=order.side,
        type=order.type,
        time_in_force=order.time_in_force,
        quantity=_amount(order.quantity),
        notional=_amount(order.notional),
        limit_price=_amount(order.limit_price),
        stop_price=_amount(order.stop_price),
        collar_price=_amount(order.collar_price),
        state=order.state,
        pending_cancel=order.cancel_requested_at is not None and not order.state.ended,
        pending_replace=order.replaced_by is not None and not order.state.ended,
        reason=order.reason,
        hold_currency=order.hold_currency,
        hold_amount=Amount(order.hold_amount),
        held=Amount(order.held),
        filled_quantity=Amount(order.filled_quantity),
        filled_cost=Amount(order.filled_cost),
        average_price=_amount(order.average_price),
        fee=Amount(order.fee),
        fee_currency=order.fee_currency,
        fee_bps=Amount(order.fee_bps),
        liquidity=order.liquidity,
        net=Amount(order.net),
        replaces=order.replaces,
        replaced_by=order.replaced_by,
        created_at=order.created_at,
        updated_at=order.updated_at,
        submitted_at=order.submitted_at,
        finished_at=order.finished_at,
    )


def fill_answer(fill: Fill) -> FillAnswer:
    """A fill on the wire."""
    gross = fill.quantity if fill.side is Side.BUY else fill.cost
    return FillAnswer(
        execution_id=fill.execution_id,
        order_id=fill.order_id,
        symbol=fill.market,
        side=fill.side,
        quantity=Amount(fill.quantity),
        price=Amount(fill.price),
        cost=Amount(fill.cost),
        fee=Amount(fill.fee),
        fee_currency=fill.fee_currency,
        fee_bps=Amount(fill.fee_bps),
        liquidity=fill.liquidity,
        net=Amount(EXACT.subtract(gross, fill.fee)),
        filled_at=fill.filled_at,
    )


def preview_answer(wish: OrderWish, symbol: str, terms: Terms) -> OrderPreview:
    """The terms of a wish on the wire."""
    return OrderPreview(
        symbol=symbol,
        side=wish.side,
        type=wish.type,
        quantity=_amount(terms.quantity),
        notional=_amount(terms.notional),
        limit_price=_amount(terms.limit_price),
        stop_price=_amount(terms.stop_price),
        collar_price=_amount(terms.collar_price),
        liquidity=terms.liquidity,
        fee_bps=Amount(terms.fee_bps),
        fee_currency=terms.fee_currency,
        hold_currency=terms.hold_currency,
        hold_amount=Amount(terms.hold_amount),
        expected_price=Amount(terms.expected_price),
        expected_cost=Amount(terms.expected_cost),
        expected_fee=Amount(terms.expected_fee),
        expected_net=Amount(terms.expected_net),
        expected_net_currency=terms.fee_currency,
    )


def fee_tier(rate: FeeRate) -> FeeTier:
    """One step of the schedule on the wire."""
    return FeeTier(
        volume_from=Amount(rate.volume_from), maker_bps=Amount(rate.maker_bps), taker_bps=Amount(rate.taker_bps)
    )


def _amount(value: Decimal | None) -> Amount | None:
    return None if value is None else Amount(value)
