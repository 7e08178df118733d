"""Our values as Alpaca's objects. Pure."""

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from bitcurrent.botapi.model import Account, Holding, change_ratio, status_of
from bitcurrent.botapi.schemas import (
    AccountAnswer,
    AccountStatus,
    AssetAnswer,
    CalendarDay,
    ClockAnswer,
    FillActivity,
    OrderAnswer,
    PositionAnswer,
)
from bitcurrent.identity.model import Status
from bitcurrent.kernel.money import ROUGH
from bitcurrent.market_data.model import Market
from bitcurrent.trading.model import Order, OrderState, Side
from bitcurrent.trading.searches import Execution
from bitcurrent.web.amounts import Amount

_STATUSES: dict[Status, AccountStatus] = {"active": "ACTIVE", "frozen": "INACTIVE", "closed": "ACCOUNT_CLOSED"}


def order_answer(order: Order, asset_id: UUID) -> OrderAnswer:
    """An order. Its time of submission is when we took it: lists are ordered and filtered by that."""

    def ended_as(state: OrderState) -> datetime | None:
        return order.finished_at if order.state is state else None

    buying = order.side is Side.BUY
    return OrderAnswer(
        id=order.id,
        client_order_id=order.client_order_id or str(order.id),
        created_at=order.created_at,
        updated_at=order.updated_at,
        submitted_at=order.created_at,
        filled_at=ended_as(OrderState.FILLED),
        expired_at=ended_as(OrderState.EXPIRED),
        canceled_at=ended_as(OrderState.CANCELED),
        failed_at=ended_as(OrderState.REJECTED),
        replaced_at=ended_as(OrderState.REPLACED),
        replaced_by=order.replaced_by,
        replaces=order.replaces,
        asset_id=asset_id,
        symbol=order.market,
        notional=_optional(order.notional),
        qty=_optional(order.quantity),
        filled_qty=Amount(order.filled_quantity),
        filled_avg_price=_optional(order.average_price),
        order_type=str(order.type),
        type=str(order.type),
        side=str(order.side),
        position_intent="buy_to_open" if buying else "sell_to_close",
        time_in_force=str(order.time_in_force),
        limit_price=_optional(order.limit_price),
        stop_price=_optional(order.stop_price),
        status=status_of(order),
        fee=Amount(order.fee),
        fee_asset=order.fee_currency,
        fee_bps=Amount(order.fee_bps),
        net_qty=Amount(order.net if buying else order.filled_quantity),
        net_value=Amount(order.filled_cost if buying else order.net),
        reason=order.reason,
    )


def asset_answer(market: Market) -> AssetAnswer:
    """A market as the asset that it trades."""
    return AssetAnswer(
        id=market.venue_asset_id,
        symbol=market.symbol,
        name=market.name,
        tradable=market.is_open,
        min_order_size=Amount(market.min_order_size),
        min_trade_increment=Amount(market.min_trade_increment),
        price_increment=Amount(market.price_increment),
    )


def position_answer(holding: Holding) -> PositionAnswer:
    """A holding at the price of now; a price that is not known any more counts as nothing."""
    position = holding.position
    day_ratio = Amount(change_ratio(holding.price, holding.price_before))
    gain = position.unrealized or Decimal(0)
    return PositionAnswer(
        asset_id=holding.market.venue_asset_id,
        symbol=run_together(holding.market),
        avg_entry_price=Amount(position.average_cost or 0),
        qty=Amount(holding.quantity),
        qty_available=Amount(holding.available),
        market_value=Amount(position.value or 0),
        cost_basis=Amount(position.cost),
        unrealized_pl=Amount(gain),
        unrealized_plpc=Amount(change_ratio(ROUGH.add(position.cost, gain), position.cost)),
        unrealized_intraday_pl=Amount(position.day_change or 0),
        unrealized_intraday_plpc=day_ratio,
        current_price=Amount(holding.price),
        lastday_price=Amount(holding.price_before),
        change_today=day_ratio,
    )


def run_together(market: Market) -> str:
    """BTCUSD: positions carry their symbol so, orders and assets as BTC/USD."""
    return market.symbol.replace("/", "")


def account_answer(account: Account, at: datetime) -> AccountAnswer:
    """The account at the prices of now."""
    user, portfolio = account.user, account.portfolio
    cash, free = Amount(portfolio.cash.total), Amount(portfolio.cash.available)
    equity, value = Amount(portfolio.total), Amount(portfolio.coins_value)
    active = user.status == "active"
    status = _STATUSES[user.status]
    return AccountAnswer(
        id=user.id,
        account_number="BC" + user.id.hex[-10:].upper(),
        status=status,
        crypto_status=status,
        cash=cash,
        buying_power=free,
        regt_buying_power=free,
        effective_buying_power=free,
        non_marginable_buying_power=free,
        portfolio_value=equity,
        equity=equity,
        last_equity=Amount(ROUGH.subtract(portfolio.total, portfolio.day_change)),
        position_market_value=value,
        long_market_value=value,
        balance_asof=(at - timedelta(days=1)).date().isoformat(),
        trading_blocked=not active,
        account_blocked=not active,
        created_at=user.created_at,
    )


def fill_activity(execution: Execution, account_id: UUID) -> FillActivity:
    """An execution. It was a "fill" when it completed its order."""
    completed = (
        execution.order_state is OrderState.FILLED and execution.filled_by_then >= execution.order_filled
    ) or execution.left_by_then == 0
    return FillActivity(
        id=activity_id(execution),
        account_id=account_id,
        transaction_time=execution.filled_at,
        type="fill" if completed else "partial_fill",
        price=Amount(execution.price),
        qty=Amount(execution.quantity),
        side=str(execution.side),
        symbol=execution.market,
        leaves_qty=Amount(execution.left_by_then or 0),
        order_id=execution.order_id,
        cum_qty=Amount(execution.filled_by_then),
        order_status="filled" if completed else "partially_filled",
        fee=Amount(execution.fee),
        fee_asset=execution.fee_currency,
    )


def activity_id(execution: Execution) -> str:
    """Alpaca's form: the moment to the millisecond, two colons, an id. It is also the page token."""
    at = execution.booked_at
    return f"{at:%Y%m%d%H%M%S}{at.microsecond // 1000:03d}::{execution.id}"


def clock_answer(at: datetime) -> ClockAnswer:
    """The clock: open, and the day ends at midnight."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return ClockAnswer(timestamp=at, next_open=midnight, next_close=midnight)


def calendar_days(first: datetime, last: datetime, *, most: int) -> list[CalendarDay]:
    """Every day from first to last."""
    count = min(most, (last.date() - first.date()).days + 1)
    dates = ((first + timedelta(days=day)).date().isoformat() for day in range(max(0, count)))
    return [CalendarDay(date=date, settlement_date=date) for date in dates]


def _optional(value: Decimal | None) -> Amount | None:
    return None if value is None else Amount(value)
