"""Alpaca's objects as we answer them. Money is strings; every field that an SDK insists on is there and never null.

Fields behind "ours" are additions that the SDKs pass over: what a fill cost in fees, and what is left to sell.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer

ZERO = Amount(0)
AccountStatus = Literal["ACTIVE", "ACCOUNT_CLOSED", "INACTIVE"]


class OrderAnswer(Answer, frozen=True, kw_only=True):
    """An order. Exactly one of `qty` and `notional` is set."""

    id: UUID
    client_order_id: str
    created_at: datetime
    updated_at: datetime
    submitted_at: datetime
    filled_at: datetime | None
    expired_at: datetime | None
    canceled_at: datetime | None
    failed_at: datetime | None
    replaced_at: datetime | None
    replaced_by: UUID | None
    replaces: UUID | None
    asset_id: UUID
    symbol: str
    notional: Amount | None
    qty: Amount | None
    filled_qty: Amount
    filled_avg_price: Amount | None
    order_type: str
    type: str
    side: str
    position_intent: str
    time_in_force: str
    limit_price: Amount | None
    stop_price: Amount | None
    status: str
    # Ours: the fee so far, its asset and its rate; what the fills brought after it (coins for a buy, cash for a sell,
    # by quantity and by value); and why the order ended when that needs a reason.
    fee: Amount
    fee_asset: str
    fee_bps: Amount
    net_qty: Amount
    net_value: Amount
    reason: str | None
    asset_class: Literal["crypto"] = "crypto"
    order_class: Literal["simple"] = "simple"
    extended_hours: bool = False
    legs: None = None
    trail_percent: None = None
    trail_price: None = None
    hwm: None = None
    subtag: None = None
    source: None = None


class CancelAnswer(Answer, frozen=True, kw_only=True):
    """What became of one order in "cancel all"."""

    id: UUID
    status: int
    body: OrderAnswer | dict[str, str | int]


class CloseAnswer(Answer, frozen=True, kw_only=True):
    """What became of one position in "close all"."""

    symbol: str
    status: int
    body: OrderAnswer | dict[str, str | int]


class AssetAnswer(Answer, frozen=True, kw_only=True):
    """A coin that can be traded, with the rules of its market."""

    id: UUID
    symbol: str
    name: str
    tradable: bool
    min_order_size: Amount
    min_trade_increment: Amount
    price_increment: Amount
    asset_class: Literal["crypto"] = msgspec.field(name="class", default="crypto")
    exchange: Literal["CRYPTO"] = "CRYPTO"
    status: Literal["active"] = "active"
    marginable: bool = False
    maintenance_margin_requirement: int = 100
    margin_requirement_long: str = "100"
    margin_requirement_short: str = "100"
    shortable: bool = False
    easy_to_borrow: bool = False
    fractionable: bool = True
    attributes: tuple[str, ...] = ()


class PositionAnswer(Answer, frozen=True, kw_only=True):
    """What is held of a coin, open orders included. The "last day" is 24 hours ago: this market never closes."""

    asset_id: UUID
    symbol: str
    avg_entry_price: Amount
    qty: Amount
    qty_available: Amount
    market_value: Amount
    cost_basis: Amount
    unrealized_pl: Amount
    unrealized_plpc: Amount
    unrealized_intraday_pl: Amount
    unrealized_intraday_plpc: Amount
    current_price: Amount
    lastday_price: Amount
    change_today: Amount
    exchange: Literal["CRYPTO"] = "CRYPTO"
    asset_class: Literal["crypto"] = "crypto"
    asset_marginable: bool = False
    side: Literal["long"] = "long"


class AccountAnswer(Answer, frozen=True, kw_only=True):
    """The account. `cash` includes what open buys have set aside; `buying_power` does not."""

    id: UUID
    account_number: str
    status: AccountStatus
    crypto_status: Literal["ACTIVE", "ACCOUNT_CLOSED", "INACTIVE"]
    cash: Amount
    buying_power: Amount
    regt_buying_power: Amount
    effective_buying_power: Amount
    non_marginable_buying_power: Amount
    portfolio_value: Amount
    equity: Amount
    last_equity: Amount
    position_market_value: Amount
    long_market_value: Amount
    balance_asof: str
    trading_blocked: bool
    account_blocked: bool
    created_at: datetime
    currency: Literal["USD"] = "USD"
    daytrading_buying_power: Amount = ZERO
    options_buying_power: Amount = ZERO
    options_approved_level: int = 0
    options_trading_level: int = 0
    accrued_fees: Amount = ZERO
    pending_transfer_in: Amount = ZERO
    pending_transfer_out: Amount = ZERO
    short_market_value: Amount = ZERO
    initial_margin: Amount = ZERO
    maintenance_margin: Amount = ZERO
    last_maintenance_margin: Amount = ZERO
    sma: Amount = ZERO
    multiplier: Literal["1"] = "1"
    daytrade_count: int = 0
    pattern_day_trader: bool = False
    transfers_blocked: bool = False
    trade_suspended_by_user: bool = False
    shorting_enabled: bool = False


class ConfigurationAnswer(Answer, frozen=True, kw_only=True):
    """What a crypto account is: no margin, no shorting. None of it can be changed."""

    dtbp_check: Literal["entry"] = "entry"
    fractional_trading: bool = True
    max_margin_multiplier: Literal["1"] = "1"
    max_options_trading_level: int = 0
    no_shorting: bool = True
    pdt_check: Literal["entry"] = "entry"
    ptp_no_exception_entry: bool = False
    suspend_trade: bool = False
    trade_confirm_email: Literal["none"] = "none"
    disable_overnight_trading: bool = False


class FillActivity(Answer, frozen=True, kw_only=True):
    """One execution. `leaves_qty` is "0" for an order by notional: it has no quantity to be left of."""

    id: str
    account_id: UUID
    transaction_time: datetime
    type: Literal["fill", "partial_fill"]
    price: Amount
    qty: Amount
    side: str
    symbol: str
    leaves_qty: Amount
    order_id: UUID
    cum_qty: Amount
    order_status: str
    # Ours.
    fee: Amount
    fee_asset: str
    activity_type: Literal["FILL"] = "FILL"


class ClockAnswer(Answer, frozen=True, kw_only=True):
    """The market's clock: crypto is always open, and a day ends at midnight UTC."""

    timestamp: datetime
    next_open: datetime
    next_close: datetime
    is_open: bool = True


class CalendarDay(Answer, frozen=True, kw_only=True):
    """One day of trading; every day is one."""

    date: str
    settlement_date: str
    open: str = "00:00"
    close: str = "23:59"
    session_open: str = "0000"
    session_close: str = "2359"
