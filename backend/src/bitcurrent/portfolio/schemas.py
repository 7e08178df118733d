"""Balances, positions and worths on the wire of /api: exact amounts as strings, times in UTC."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from bitcurrent.funding.holdings_model import Holding, HoldingKind
from bitcurrent.ledger.model import EntryLine, Explanation
from bitcurrent.portfolio.model import CASH, Cash, ExplainedBalance, Portfolio, Position, View, sum_of
from bitcurrent.portfolio.wording import meaning_of
from bitcurrent.trading.model import OrderHold, OrderState, OrderType, Side
from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer


class HoldAnswer(Answer, frozen=True, kw_only=True):
    """Why money is held: the order that holds it, since when, and what releases it."""

    order_id: UUID
    client_order_id: str | None
    symbol: str
    side: Side
    type: OrderType
    state: OrderState
    quantity: Amount | None
    filled_quantity: Amount
    limit_price: Amount | None
    amount: Amount
    since: datetime
    released_when: str


class HoldingAnswer(Answer, frozen=True, kw_only=True):
    """Why money is held, other than by an order: since when, until when where a date is known, and what frees it."""

    kind: HoldingKind
    id: UUID
    amount: Amount
    state: str
    since: datetime
    until: datetime | None
    released_when: str


class BalanceAnswer(Answer, frozen=True, kw_only=True):
    """What you have of one currency. `held` is set aside: by orders (`holds`) and by everything else (`holdings`).

    Together they make up `held`, unless there are `more_holds` than are told here.
    """

    currency: str
    available: Amount
    held: Amount
    total: Amount
    holds: list[HoldAnswer]
    holdings: list[HoldingAnswer]
    more_holds: bool


class LineAnswer(Answer, frozen=True, kw_only=True):
    """One line of the books: what moved, why, and what was left in that part of the balance."""

    at: datetime
    journal_id: UUID
    kind: str
    meaning: str
    reference: str
    part: str
    amount: Amount
    balance_after: Amount | None


class ExplanationAnswer(Answer, frozen=True, kw_only=True):
    """Why a balance is what it is: `line_count` lines add up to it (`agrees`); `lines` are the newest of them.

    `holds` are the orders that hold something of it; `holdings` withdrawals, refunds, disputes and bonuses.
    """

    currency: str
    available: Amount
    held: Amount
    total: Amount
    agrees: bool
    holds: list[HoldAnswer]
    holdings: list[HoldingAnswer]
    line_count: int
    lines: list[LineAnswer]


class PositionAnswer(Answer, frozen=True, kw_only=True):
    """One coin. Costs, values and gains in the currency asked for; null without a price, or anything to compare with.

    `day_change` is what the quantity you have now gained or lost in the last 24 hours.
    """

    symbol: str
    currency: str
    quantity: Amount
    available: Amount
    held: Amount
    average_cost: Amount | None
    cost: Amount
    price: Amount | None
    price_at: datetime | None
    stale: bool
    market_value: Amount | None
    share_percent: Amount | None
    unrealized: Amount | None
    unrealized_percent: Amount | None
    realized: Amount
    day_change: Amount | None
    day_change_percent: Amount | None


class PositionsAnswer(Answer, frozen=True, kw_only=True):
    """Every coin that you have now, the most valuable first; `valued_in` is the currency of the figures."""

    as_of: datetime
    valued_in: str
    items: list[PositionAnswer]


class CashAnswer(Answer, frozen=True, kw_only=True):
    """Money of one currency; `value` is all of it in the portfolio's currency, null when there is no rate now."""

    currency: str
    available: Amount
    held: Amount
    total: Amount
    value: Amount | None
    rate_at: datetime | None


class PortfolioAnswer(Answer, frozen=True, kw_only=True):
    """What your account is worth in `currency`, by prices of which the oldest is of `priced_at`; without `unpriced`.

    `cash` is the money of all your currencies; `cash_by_currency` tells them apart, each in itself and its `value`.
    """

    as_of: datetime
    currency: str
    rate: Amount
    total: Amount
    cash: Amount
    cash_available: Amount
    cash_held: Amount
    cash_by_currency: list[CashAnswer]
    coins: Amount
    unrealized: Amount
    realized: Amount
    day_change: Amount
    day_change_percent: Amount | None
    priced_at: datetime | None
    stale: bool
    unpriced: list[str]
    positions: list[PositionAnswer]


def hold_answer(hold: OrderHold) -> HoldAnswer:
    """A hold for its customer."""
    return HoldAnswer(
        order_id=hold.order_id,
        client_order_id=hold.client_order_id,
        symbol=hold.market,
        side=hold.side,
        type=hold.type,
        state=hold.state,
        quantity=_amount(hold.quantity),
        filled_quantity=Amount(hold.filled_quantity),
        limit_price=_amount(hold.limit_price),
        amount=Amount(hold.amount),
        since=hold.since,
        released_when=hold.released_when,
    )


def holding_answer(holding: Holding) -> HoldingAnswer:
    """What holds money, for its customer."""
    return HoldingAnswer(
        kind=holding.kind,
        id=holding.id,
        amount=Amount(holding.amount),
        state=holding.state,
        since=holding.since,
        until=holding.until,
        released_when=holding.released_when,
    )


def balance_answer(explained: ExplainedBalance) -> BalanceAnswer:
    """A balance for its customer."""
    balance = explained.balance
    return BalanceAnswer(
        currency=balance.currency,
        available=Amount(balance.available),
        held=Amount(balance.held),
        total=Amount(balance.total),
        holds=[hold_answer(hold) for hold in explained.holds],
        holdings=[holding_answer(holding) for holding in explained.holdings],
        more_holds=explained.more_holds,
    )


def explanation_answer(explanation: Explanation, holds: list[OrderHold], holdings: list[Holding]) -> ExplanationAnswer:
    """The story of a balance for its customer."""
    balance = explanation.balance
    return ExplanationAnswer(
        currency=balance.currency,
        available=Amount(balance.available),
        held=Amount(balance.held),
        total=Amount(balance.total),
        agrees=explanation.agrees,
        holds=[hold_answer(hold) for hold in holds],
        holdings=[holding_answer(holding) for holding in holdings],
        line_count=explanation.line_count,
        lines=[line_answer(line) for line in explanation.lines],
    )


def line_answer(line: EntryLine) -> LineAnswer:
    """A line of the books for its customer."""
    return LineAnswer(
        at=line.created_at,
        journal_id=line.journal_id,
        kind=line.kind,
        meaning=meaning_of(line.kind),
        reference=line.reference,
        part=line.account,
        amount=Amount(line.amount),
        balance_after=_amount(line.balance_after),
    )


def position_answer(position: Position, portfolio: Portfolio, view: View) -> PositionAnswer:
    """A coin for its customer."""
    price = position.price

    def shown(amount: Decimal | None) -> Amount | None:
        return None if amount is None else Amount(view.of(amount))

    return PositionAnswer(
        symbol=f"{position.currency}/{CASH}",
        currency=position.currency,
        quantity=Amount(position.quantity),
        available=Amount(position.balance.available),
        held=Amount(position.balance.held),
        average_cost=shown(position.average_cost),
        cost=Amount(view.of(position.cost)),
        price=shown(price.price if price else None),
        price_at=price.at if price else None,
        stale=price is None or price.stale,
        market_value=shown(position.value),
        share_percent=_amount(portfolio.share_of(position)),
        unrealized=shown(position.unrealized),
        unrealized_percent=_amount(position.unrealized_percent),
        realized=Amount(view.of(position.realized)),
        day_change=shown(position.day_change),
        day_change_percent=_amount(position.day_change_percent),
    )


def positions_answer(portfolio: Portfolio, view: View) -> list[PositionAnswer]:
    """The coins that are there, the most valuable first; those without a price last."""
    ordered = sorted(portfolio.owned, key=lambda position: (-(position.value or Decimal(0)), position.currency))
    return [position_answer(position, portfolio, view) for position in ordered]


def cash_answer(cash: Cash, view: View) -> CashAnswer:
    """Money of one currency for its customer."""
    value = cash.value
    return CashAnswer(
        currency=cash.currency,
        available=Amount(cash.balance.available),
        held=Amount(cash.balance.held),
        total=Amount(cash.balance.total),
        # In its own currency it is worth what it is, not what there and back by a rate leaves of it.
        value=_amount(cash.balance.total if cash.currency == view.currency else value and view.of(value)),
        rate_at=cash.rate_at,
    )


def portfolio_answer(portfolio: Portfolio, view: View) -> PortfolioAnswer:
    """The whole account for its customer."""
    cash = portfolio.all_cash
    free = sum_of([each.worth_of(each.balance.available) for each in cash])
    held = sum_of([each.worth_of(each.balance.held) for each in cash])
    return PortfolioAnswer(
        as_of=portfolio.as_of,
        currency=view.currency,
        rate=Amount(view.rate),
        total=Amount(view.of(portfolio.total)),
        cash=Amount(view.of(portfolio.cash_value)),
        cash_available=Amount(view.of(free)),
        cash_held=Amount(view.of(held)),
        cash_by_currency=[cash_answer(each, view) for each in cash],
        coins=Amount(view.of(portfolio.coins_value)),
        unrealized=Amount(view.of(portfolio.unrealized)),
        realized=Amount(view.of(portfolio.realized)),
        day_change=Amount(view.of(portfolio.day_change)),
        day_change_percent=_amount(portfolio.day_change_percent),
        priced_at=portfolio.priced_at,
        stale=portfolio.stale,
        unpriced=list(portfolio.unpriced),
        positions=positions_answer(portfolio, view),
    )


def _amount(value: Decimal | None) -> Amount | None:
    return None if value is None else Amount(value)
