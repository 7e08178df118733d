"""The venue's words, read into ours."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from bitcurrent.integrations.alpaca import wire
from bitcurrent.integrations.alpaca.client import decode
from bitcurrent.trading.model import OrderState

OURS = str(uuid4())
ORDER = {"id": "v-1", "client_order_id": OURS, "status": "new", "filled_qty": "0", "replaced_by": None}


@pytest.mark.parametrize(
    ("word", "filled", "state"),
    [
        ("accepted", "0", OrderState.SUBMITTED),
        ("pending_new", "0", OrderState.SUBMITTED),
        ("accepted_for_bidding", "0", OrderState.SUBMITTED),
        ("held", "0", OrderState.SUBMITTED),
        ("stopped", "0", OrderState.SUBMITTED),
        ("suspended", "0.5", OrderState.PARTIALLY_FILLED),
        ("calculated", "0.5", OrderState.PARTIALLY_FILLED),
        ("pending_cancel", "0.5", OrderState.PARTIALLY_FILLED),
        ("pending_replace", "0", OrderState.SUBMITTED),
        ("partially_filled", "0.5", OrderState.PARTIALLY_FILLED),
        ("filled", "1", OrderState.FILLED),
        ("canceled", "0.5", OrderState.CANCELED),
        ("expired", "0", OrderState.EXPIRED),
        ("rejected", "0", OrderState.REJECTED),
        ("replaced", "0", OrderState.REPLACED),
        ("never_heard_of", "0", None),
    ],
)
def test_every_status_word_has_a_state_and_an_unknown_one_has_none(
    word: str, filled: str, state: OrderState | None
) -> None:
    order = wire.read_order(ORDER | {"status": word, "filled_qty": filled})
    assert (order.state, order.status) == (state, word)


def test_an_order_of_somebody_else_has_no_id_of_ours() -> None:
    assert wire.read_order(ORDER | {"client_order_id": "their own name"}).order_id is None


@pytest.mark.parametrize(
    "broken", [None, [], "text", {}, ORDER | {"filled_qty": "NaN"}, ORDER | {"filled_qty": "many"}]
)
def test_what_is_no_order_is_said_to_be_unreadable(broken: Any) -> None:
    with pytest.raises(wire.Unreadable):
        wire.read_order(broken)


def update(**changes: Any) -> dict[str, Any]:
    return {
        "event": "partial_fill",
        "execution_id": "e-1",
        "price": "50000.1",
        "qty": "0.000000001",
        "timestamp": "2026-06-01T12:00:00.123456789Z",
        "order": ORDER | {"status": "partially_filled", "filled_qty": "0.000000001"},
    } | changes


def test_a_fill_is_known_by_its_execution_however_it_is_wrapped() -> None:
    first, again = wire.read_update(update()), wire.read_update(update(timestamp="2026-06-01T12:00:09Z", event="fill"))
    assert first.event_id == again.event_id == "e-1"
    assert first.fill is not None
    assert (first.fill.quantity, first.fill.price) == (Decimal("0.000000001"), Decimal("50000.1"))
    assert first.fill.filled_at == datetime(2026, 6, 1, 12, 0, 0, 123456, UTC)


def test_other_events_are_known_by_order_word_and_time_although_they_may_carry_an_execution_id() -> None:
    new = wire.read_update(update(event="new"))
    assert new.event_id == "v-1:new:2026-06-01T12:00:00.123456789Z"
    assert new.fill is None


def test_a_completion_without_a_trade_of_its_own_is_no_fill() -> None:
    assert wire.read_update(update(event="fill", qty=None, price=None, execution_id=None)).fill is None


@pytest.mark.parametrize("changes", [{"event": "trade_bust"}, {"order": ORDER | {"status": "never_heard_of"}}])
def test_an_unknown_word_is_kept_and_marked(changes: dict[str, Any]) -> None:
    assert wire.read_update(update(**changes)).known is False


def test_fees_in_coins_and_in_dollars_and_fees_given_back() -> None:
    def fee(**fields: str) -> tuple[str, Decimal] | None:
        read = wire.read_fee_activity({"id": "f", "symbol": "BTCUSD", "date": "2026-06-01", **fields})
        return None if read is None else (read.currency, read.amount)

    assert fee(qty="-0.00025", net_amount="0") == ("BTC", Decimal("0.00025"))
    assert fee(qty="0", net_amount="-1.25") == ("USD", Decimal("1.25"))
    assert fee(net_amount="0.10") == ("USD", Decimal("-0.10"))
    assert fee(qty="0", net_amount="0") is None


def test_numbers_are_decimals_from_their_literal() -> None:
    assert decode(b'{"a": 0.1, "b": 1e-05, "c": 12345678901234567890.123456789}') == {
        "a": Decimal("0.1"),
        "b": Decimal("0.00001"),
        "c": Decimal("12345678901234567890.123456789"),
    }
    with pytest.raises(ValueError, match="not a number"):
        decode(b'{"a": NaN}')
