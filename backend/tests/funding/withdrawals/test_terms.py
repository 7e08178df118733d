"""The terms of withdrawals as data, money that goes back to the card first, and how often somebody may withdraw."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from bitcurrent.kernel.clock import now
from bitcurrent.kernel.ids import UserId
from tests.funding.withdrawals.conftest import Desk
from tests.support.card_money import CardMoney
from tests.support.customers import Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/api/admin/withdrawal-terms"
SAME = {"rail": "bank", "minimum": "10", "maximum": "100000", "fee": "1", "card_first_days": 180}


async def set_terms(desk: Desk, **changes: Any) -> dict[str, Any]:
    """New terms, as two of finance make them; those that were asked for."""
    clerk, boss = await desk.two_of_finance()
    wish = {**SAME, "reason": "New prices.", **changes}
    asked: dict[str, Any] = await desk.admin(clerk, "POST", PATH, 202, wish)
    await desk.admin(boss, "POST", f"/api/admin/approvals/{asked['id']}/grant", 200)
    return asked


async def test_new_terms_need_two_people_and_count_from_their_moment(desk: Desk) -> None:
    ann = await desk.customer(GBP="100")
    account = await desk.account(ann, currency="GBP", iban="GB33BUKB20201555555555")
    wish = {"asset": "GBP", "amount": "20", "destination": account}
    assert (await desk.ask(ann, "POST", "/api/withdrawals/quote", 200, wish))["fee"] == "1"
    await set_terms(desk, asset="GBP", fee="3", minimum="25", effective_from=(now() + timedelta(days=7)).isoformat())
    assert (await desk.ask(ann, "POST", "/api/withdrawals/quote", 200, wish))["fee"] == "1"
    told = (await desk.ask(ann, "GET", "/api/withdrawals/terms", 200))["items"]
    assert [(each["asset"], each["fee"], each["in_force"]) for each in told if each["rail"] == "bank"] == [
        (None, "1", True),
        ("GBP", "3", False),
    ]
    await set_terms(desk, asset="GBP", fee="2.5", minimum="20.5", maximum="50")
    refused = await desk.ask(ann, "POST", "/api/withdrawals", 422, wish)
    assert (refused["code"], refused["details"]["limit"]) == ("withdrawal_amount", "20.5")
    quote = await desk.ask(ann, "POST", "/api/withdrawals/quote", 200, {**wish, "amount": "21"})
    assert (quote["fee"], quote["total"], quote["maximum"]) == ("2.5", "23.5", "50")


async def test_one_person_alone_changes_nothing_and_nonsense_is_refused(desk: Desk) -> None:
    clerk, _ = await desk.two_of_finance()
    before = (await desk.admin(clerk, "GET", PATH, 200))["items"]
    asked = await desk.admin(clerk, "POST", PATH, 202, {**SAME, "fee": "7", "reason": "Alone."})
    own = await desk.admin(clerk, "POST", f"/api/admin/approvals/{asked['id']}/grant", 403)
    assert own["code"] == "same_person"
    assert (await desk.admin(clerk, "GET", PATH, 200))["items"] == before
    for change, field in (
        ({"fee": "0.001"}, "fee"),
        ({"minimum": "0"}, "minimum"),
        ({"maximum": "9"}, "maximum"),
        ({"rail": "wallet"}, "card_first_days"),
        ({"asset": "BTC"}, "asset"),
    ):
        problem = await desk.admin(clerk, "POST", PATH, 422, {**SAME, "reason": "Nonsense.", **change})
        assert problem["field"] == field, problem


async def test_terms_are_never_rewritten(desk: Desk) -> None:
    for statement in ("UPDATE withdrawal_terms SET fee = 0", "DELETE FROM withdrawal_terms"):
        with pytest.raises(Exception, match="only ever added to"):
            await desk.owner(statement)


async def with_card_money(desk: Desk, amount: str, *, days_ago: int = 0) -> tuple[Person, str, UUID]:
    """Somebody who paid in by card (long released) and has a bank account."""
    ann = await desk.customer(EUR="500")
    async with desk.brokerage.database.transaction() as connection:
        card = CardMoney(connection, UserId(UUID(ann.id)), "EUR")
        lot = await card.deposit(amount, release_at=now() - timedelta(days=days_ago))
    await desk.owner("UPDATE lots SET created_at = created_at - $2 * interval '1 day' WHERE id = $1", lot, days_ago)
    return ann, await desk.account(ann), lot


async def test_what_came_by_card_goes_back_there_before_a_bank_gets_any(desk: Desk) -> None:
    ann, account, _ = await with_card_money(desk, "200")
    wish = {"asset": "EUR", "amount": "300", "destination": account}
    assert (await desk.ask(ann, "POST", "/api/withdrawals/quote", 200, wish))["card_first"] == "200"
    refused = await desk.ask(ann, "POST", "/api/withdrawals", 409, wish)
    assert (refused["code"], refused["details"]["refundable"]) == ("card_first", "200")
    assert "destination 'card'" in refused["detail"]
    back = {**wish, "amount": "200", "destination": "card"}
    asked = await desk.ask(ann, "POST", "/api/withdrawals", 201, back)
    async with desk.brokerage.database.transaction() as connection:
        await desk.brokerage.reversals.refunds.refund_for_withdrawal(
            connection,
            withdrawal_id=UUID(asked["id"]),
            user_id=UserId(UUID(ann.id)),
            currency="EUR",
            amount=Decimal(200),
        )
    assert (await desk.ask(ann, "POST", "/api/withdrawals", 201, wish))["rail"] == "bank"


async def test_old_card_money_and_a_card_that_refused_leave_the_bank_open(desk: Desk) -> None:
    for old in (True, False):
        ann, account, lot = await with_card_money(desk, "200", days_ago=181 if old else 0)
        if not old:
            async with desk.brokerage.database.transaction() as connection:
                refunds = desk.brokerage.reversals.refunds
                (refund,) = await refunds.refund_for_withdrawal(
                    connection, withdrawal_id=lot, user_id=UserId(UUID(ann.id)), currency="EUR", amount=Decimal(200)
                )
                await refunds.refused(connection, refund.id, "card_closed")
        wish = {"asset": "EUR", "amount": "300", "destination": account}
        assert (await desk.ask(ann, "POST", "/api/withdrawals", 201, wish))["rail"] == "bank"


async def test_operators_may_leave_the_choice_to_customers(desk: Desk) -> None:
    ann, account, _ = await with_card_money(desk, "200")
    wish = {"asset": "EUR", "amount": "300", "destination": account}
    await set_terms(desk, asset="EUR", card_first_days=0)
    assert (await desk.ask(ann, "POST", "/api/withdrawals", 201, wish))["rail"] == "bank"
    await set_terms(desk, asset="EUR", card_first_days=180)


async def test_more_often_than_the_rules_allow_is_refused_with_when_it_is_open_again(desk: Desk) -> None:
    ann = await desk.customer(EUR="1000")
    account = await desk.account(ann)
    asked = [await desk.asked(ann, "20", destination=account) for _ in range(10)]
    refused = await desk.ask(
        ann, "POST", "/api/withdrawals", 403, {"asset": "EUR", "amount": "20", "destination": account}
    )
    assert (refused["code"], refused["details"]["measure"], refused["details"]["limit"]) == (
        "limit_exceeded",
        "count",
        "10",
    )
    assert refused["details"]["frees_at"]
    # What came to nothing does not count.
    await desk.ask(ann, "POST", f"/api/withdrawals/{asked[0]['id']}/cancel", 200)
    await desk.asked(ann, "20", destination=account)
